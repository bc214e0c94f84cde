/** MTA Hooks both ways: our plugins by HTTP give the same verdicts as inside, and filters that speak it are obeyed. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import * as z from 'zod'
import { defer, definePlugin, refuse, secret } from '../../core/index.ts'
import { createTestKernel } from '../../core/testing/index.ts'
import { mtaHooks } from '../../plugins/filter/mta-hooks/index.ts'
import { http } from '../../plugins/web/http/index.ts'
import { createDirectoryKernel } from '../support/directory.ts'

const judge = definePlugin({
  name: 'judge',
  config: z.undefined(),
  setup: () => ({
    hooks: {
      rcpt: ({ to }) => (to.address === 'full@here.test' ? defer(452, '4.2.2', 'Mailbox full') : undefined),
      check(message) {
        const [subject = ''] = message.headers.get('subject')
        if (subject === 'refuse') return refuse(554, '5.7.1', 'Refused for its content')
        if (subject === 'fault') throw new Error('a fault')
        if (subject === 'discard') return { kind: 'discard', reason: 'unwanted' }
        if (subject === 'hold') return { kind: 'quarantine', reason: 'suspicious' }
        return undefined
      },
      async modify(message) {
        const [subject = ''] = message.headers.get('subject')
        message.headers.prepend('X-Judged', `${message.session.helo} ${message.session.remote.address}`)
        message.headers.remove('X-Secret')
        if (subject === 'envelope') {
          message.setSender('other@far.test')
          message.replaceRecipient('ann@here.test', 'bob@here.test')
        }
        if (subject === 'body')
          await message.replaceContent(
            (async function* () {
              yield Buffer.from('Subject: body\r\nTo: new\r\n\r\nA new body ü\r\n')
            })(),
          )
      },
    },
  }),
})
const content = (subject: string) =>
  `Subject: ${subject}\r\nX-Secret: one\r\nX-Kept: a\r\n b\r\nX-Secret: two\r\n\r\nHello ü\r\n`

async function startServed(t: TestContext) {
  const served = await createDirectoryKernel(t, {
    channels: { web: http({ listen: '127.0.0.1:0' }) },
    plugins: [judge(), mtaHooks({ serve: {} })],
    expectsFaults: true,
  })
  await served.make({ add: { kind: 'account', name: 'mx', password: 'mx-secret', roles: ['admin'] } })
  await served.make({ add: { kind: 'account', name: 'ann', password: 'ann-secret' } })
  return `http://127.0.0.1:${served.listener('web').port}/mta-hooks`
}

test('plugins that are served by MTA Hooks give the same verdicts and changes as inside', async (t) => {
  const url = await startServed(t)
  const inside = await createTestKernel(t, { plugins: [judge()], expectsFaults: true })
  const client = await createTestKernel(t, {
    plugins: [mtaHooks({ hooks: [{ name: 'ours', url, user: 'mx', password: secret.value('mx-secret') }] })],
  })
  for (const subject of ['plain', 'refuse', 'fault', 'discard', 'hold', 'envelope', 'body']) {
    const message = { from: 'me@far.test', to: ['ann@here.test'], content: content(subject) }
    const [ours, theirs] = [await inside.session().submit(message), await client.session().submit(message)]
    assert.deepEqual([theirs.reply.code, theirs.reply.enhanced], [ours.reply.code, ours.reply.enhanced], subject)
  }
  for (const kernel of [inside, client]) await kernel.deliver()
  const seen = ({ delivered }: typeof inside) =>
    delivered
      .map((one) => {
        const [header = '', body] = one.content.replace(/^Received:.*\r\n(?:[ \t].*\r\n)*/m, '').split('\r\n\r\n')
        // Fields may change places.
        return [one.from, one.to, header.split('\r\n').sort(), body]
      })
      .sort()
  assert.deepEqual(seen(client), seen(inside))
  const held = await Array.fromAsync(client.queue.list({}))
  assert.equal(held.length, 1)
})

test('a stage before the content is answered, and only users with the permission may ask', async (t) => {
  const url = await startServed(t)
  const post = async (login: string, body: unknown) => {
    const authorization = `Basic ${Buffer.from(login).toString('base64')}`
    const headers = { 'content-type': 'application/json', authorization }
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
    return { status: answer.status, body: (await answer.json()) as { action?: string; response?: object } }
  }
  const asked = (stage: string, to: string) => ({
    context: {
      stage,
      client: { ip: '192.0.2.1', port: 25, ptr: null, helo: 'client.test', activeConnections: 1 },
      server: { port: 25 },
      protocol: { version: 1 },
    },
    envelope: { from: { address: 'me@far.test' }, to: [{ address: to }] },
  })
  assert.equal((await post('mx:mx-secret', asked('rcpt', 'ann@here.test'))).body.action, 'accept')
  assert.deepEqual((await post('mx:mx-secret', asked('rcpt', 'full@here.test'))).body.response, {
    status: 452,
    enhanced_status: '4.2.2',
    message: 'Mailbox full',
  })
  assert.equal((await post('mx:mx-secret', asked('nonsense', 'ann@here.test'))).status, 400)
  assert.equal((await post('ann:ann-secret', asked('rcpt', 'ann@here.test'))).status, 403)
})

test('a filter that fails defers mail or is skipped, and its answers are checked', async (t) => {
  let answer: unknown = {}
  const filter = createServer((_, response) => response.end(JSON.stringify(answer)))
  await new Promise<void>((resolve) => filter.listen(0, '127.0.0.1', resolve))
  t.after(() => filter.close())
  const url = `http://127.0.0.1:${(filter.address() as { port: number }).port}/`
  const replyWith = async (whenDown: 'defer' | 'skip') => {
    const kernel = await createTestKernel(t, { plugins: [mtaHooks({ hooks: [{ name: 'odd', url, whenDown }] })] })
    const { reply } = await kernel
      .session()
      .submit({ from: 'me@far.test', to: ['ann@here.test'], content: content('x') })
    await kernel.deliver()
    return { code: reply.code, content: kernel.delivered[0]?.content ?? '' }
  }
  assert.equal((await replyWith('defer')).code, 451)
  assert.equal((await replyWith('skip')).code, 250)
  answer = { action: 'reject', response: { status: 250, message: 'no\r\nfailure' } }
  assert.equal((await replyWith('defer')).code, 550)
  answer = { action: 'accept', modifications: [{ type: 'addHeader', name: 'X-New', value: 'a\r\nX-Injected: b' }] }
  const { content: changed } = await replyWith('defer')
  assert.match(changed, /\r\nX-New: a\r\n[ \t]X-Injected: b\r\n/)
})
