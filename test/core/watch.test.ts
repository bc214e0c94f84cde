/** How administrators find messages and watch the server: `message find`, `log --follow`, `trace`, ids in refusals. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definePlugin, refuse } from 'iems'
import { createTestKernel } from 'iems/testing'
import * as z from 'zod'

const admin = { user: 'root', roles: ['admin'] }

const strict = definePlugin({
  name: 'strict',
  config: z.undefined(),
  setup: () => ({
    hooks: {
      rcpt: ({ to }) => (to.address.startsWith('nobody@') ? refuse(550, '5.1.1', 'No such user here') : undefined),
      check: async (message) =>
        message.headers.get('Subject')[0]?.includes('spam') ? refuse(554, '5.7.1', 'Looks like spam') : undefined,
    },
  }),
})

async function start(t: Parameters<typeof createTestKernel>[0], options = {}) {
  const here = await createTestKernel(t, { plugins: [strict()], ...options })
  const run = (words: string, values: Record<string, unknown>, signal = new AbortController().signal) =>
    here.kernel.administration.as(admin).run({ words, values, signal })
  async function find(values: Record<string, unknown>) {
    const found: { readonly text: string; readonly id: string }[] = []
    for await (const line of run('message find', values))
      if ('text' in line) found.push({ text: line.text, id: (line.value as { id: string }).id })
    return found
  }
  const ids = async (values: Record<string, unknown>) => (await find(values)).map(({ id }) => id)
  /** A stranger brings a message. */
  async function bring(from: string, to: string, subject: string, address = '198.51.100.7') {
    const content = `Subject: ${subject}\r\nMessage-ID: <${subject.length}@far.test>\r\n\r\nHi\r\n`
    const client = here.session({ remote: { address } })
    const submitted = await client.submit({ from, to: [to], content })
    client.close()
    return submitted
  }
  return { ...here, run, find, ids, bring }
}

test('a refused message has its id in the reply, and is found by it', async (t) => {
  const { bring, find, kernel } = await start(t)
  const { reply } = await bring('eve@far.test', 'ann@here.test', 'a spam')
  const [, id = ''] = /\(([0-9A-Z]{26})\)$/.exec(reply.text) ?? []
  assert.equal(reply.text, `Looks like spam (${id})`)
  assert.equal((await kernel.admin.queue.trace(id))?.refused, '554 5.7.1 Looks like spam')
  const [found] = await find({ id })
  assert.match(String(found?.text), /refused {2}<eve@far\.test> from \[198\.51\.100\.7\]/)
  assert.match(String(found?.text), /subject: a spam/)
})

test('messages are found by every part of them, newest first', async (t) => {
  const { bring, ids, clock, deliver, advance } = await start(t, {
    deliver: ({ recipients }: { recipients: readonly { address: string }[] }) =>
      recipients.map((recipient) =>
        recipient.address === 'full@here.test'
          ? { recipient, status: 'failed', reply: { code: 552, enhanced: '5.2.2', text: 'The mailbox is full' } }
          : { recipient, status: 'delivered', reply: { code: 250, enhanced: '2.0.0', text: 'Thanks' } },
      ),
  })
  const began = clock.now()
  const { id: first } = await bring('Ann@far.test', 'bob@here.test', '=?utf-8?q?Gr=C3=BC=C3=9Fe?=')
  await deliver()
  await advance(3_600_000)
  const { id: second } = await bring('carl@other.test', 'full@here.test', 'Second one', '2001:db8::5')
  await deliver()
  await advance(3_600_000)
  await bring('eve@far.test', 'nobody@here.test', 'never sent')
  const [refused] = await ids({ state: 'refused' })
  const reports = await ids({ from: 'nothing-has-this' })
  assert.deepEqual(reports, [])
  const mine = async (values: Record<string, unknown>) =>
    (await ids(values)).filter((id) => [first, second, refused].includes(id))
  assert.ok(first && second && refused)
  assert.deepEqual(await mine({}), [refused, second, first])
  assert.deepEqual(await ids({ limit: 1 }), [refused])
  assert.deepEqual(await ids({ from: 'ann@FAR.test' }), [first])
  assert.deepEqual(await ids({ to: 'full@' }), [second])
  assert.deepEqual(await ids({ to: 'nobody@here.test', reply: 'no such user' }), [refused])
  assert.deepEqual(await ids({ subject: 'grüße' }), [first])
  assert.deepEqual(await ids({ reply: 'mailbox is full' }), [second])
  assert.deepEqual(await ids({ id: '<10@far.test>' }), [second])
  assert.deepEqual(await ids({ client: '2001:db8::5' }), [second])
  const at = (ms: number) => new Date(ms).toISOString()
  assert.deepEqual(await mine({ until: at(began + 1000) }), [first])
  assert.deepEqual(await mine({ since: at(began + 3_600_000 + 1000) }), [refused])
  await assert.rejects(ids({ since: 'yesterday' }), /neither a date nor a time ago/)
})

test('waiting messages are found too, and a flood of guessed addresses leaves no more traces than allowed', async (t) => {
  const { bring, ids, session } = await start(t)
  const { id } = await bring('ann@far.test', 'bob@here.test', 'waits')
  assert.deepEqual(await ids({ state: 'waiting' }), [id])
  const client = session()
  await client.connect()
  for (let count = 0; count < 2100; count++) {
    await client.mail('eve@far.test', {})
    await client.rcpt({ address: 'nobody@here.test' })
  }
  client.reset()
  assert.equal((await ids({ state: 'refused', limit: 5000 })).length, 2000)
  assert.equal((await ids({ state: 'waiting' })).length, 1)
})

test('a trace follows one sender: its sessions and what becomes of its messages, escaped', async (t) => {
  const { bring, run, deliver } = await start(t)
  const ended = new AbortController()
  t.after(() => ended.abort())
  const lines: string[] = []
  const isAll = Promise.withResolvers<void>()
  const watching = (async () => {
    for await (const line of run('trace', { from: '198.51.100.0/24' }, ended.signal)) {
      if (!('text' in line)) continue
      lines.push(line.text)
      if (line.text.includes('message.finished')) isAll.resolve()
    }
  })()
  await new Promise((resolve) => setImmediate(resolve))
  await bring('other@far.test', 'bob@here.test', 'not followed', '203.0.113.9')
  await bring('"\x1b[2J"@far.test', 'nobody@here.test', 'x')
  await bring('ann@far.test', 'bob@here.test', 'followed')
  await deliver()
  await isAll.promise
  ended.abort()
  await watching
  const names = lines.map((line) => /^\S+ {2}\w+ *(\S+)/.exec(line)?.[1])
  for (const name of ['session.opened', 'recipient.refused', 'message.accepted', 'delivery.delivered'])
    assert.ok(names.includes(name), `${name}: ${names}`)
  assert.ok(!lines.some((line) => /other@far|203\.0\.113\.9/.test(line) || line.includes('\x1b')))
  assert.equal(names.filter((name) => name === 'message.finished').length, 1)
})

test('the log shows its last lines, and follows those to come by a filter', async (t) => {
  const { bring, run } = await start(t)
  const texts = async (values: Record<string, unknown>, signal?: AbortSignal) => {
    const found: string[] = []
    for await (const line of run('log', values, signal)) if ('text' in line) found.push(line.text)
    return found
  }
  const ended = new AbortController()
  const seen: string[] = []
  const one = Promise.withResolvers<void>()
  const following = (async () => {
    for await (const line of run('log', { follow: true, event: 'message.' }, ended.signal)) {
      if ('text' in line) seen.push(line.text)
      one.resolve()
    }
  })()
  await new Promise((resolve) => setImmediate(resolve))
  await bring('ann@far.test', 'bob@here.test', 'hello')
  await one.promise
  ended.abort()
  await following
  assert.deepEqual(seen.length, 1)
  assert.match(String(seen[0]), /info {3}message\.accepted {2}.*from=ann@far\.test/)
  // The test kernel's log has errors alone.
  assert.deepEqual(await texts({ level: 'error' }), [])
})
