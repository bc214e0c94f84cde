/** A full mailbox: its senders hear of it at RCPT, by SMTP and by LMTP, and what can never fit does not wait. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { definePlugin } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import * as z from 'zod'
import { contentOf, createMailKernel, type MailKernel } from '../support/mailstore.ts'
import { talk } from '../support/smtp-talk.ts'

const QUOTA = 10_000
const BOTH = 'both@alias.test'
const person = (name: string) => ({ name, addresses: [`${name}@here.test`] })

/** An alias of both, which real directories offer too. */
const both = definePlugin({
  name: 'both',
  config: z.undefined(),
  setup: () => ({
    hooks: {
      expand: ({ to }) =>
        to.address === BOTH ? ['ann', 'bob'].map((one) => ({ ...to, address: `${one}@here.test` })) : undefined,
    },
  }),
})

const start = (t: TestContext) =>
  createMailKernel(t, {
    people: [...['ann', 'bob'].map((name) => ({ ...person(name), quota: `${QUOTA} B` })), person('cyd')],
    channels: {
      mx: smtpIn({ listen: '127.0.0.1:0' }),
      lmtp: smtpIn({ listen: '127.0.0.1:0', protocol: 'lmtp' }),
    },
    plugins: [both()],
  })

async function fill({ mail, mailbox }: MailKernel, account: string, octets = QUOTA) {
  await mail.append(await mailbox(account), [{ content: contentOf('x'.repeat(octets)) }])
}

async function client(t: TestContext, kernel: MailKernel, listener: 'mx' | 'lmtp') {
  const session = await talk(t, kernel.listener(listener).port ?? 0)
  await session.reply()
  await session.ask(listener === 'mx' ? 'EHLO far.test' : 'LHLO far.test')
  const rcpts = async (mail: string, ...to: string[]) => {
    assert.match(await session.ask(`MAIL FROM:<me@far.test>${mail}`), /^250 /)
    const replies: string[] = []
    for (const one of to)
      replies.push((await session.ask(`RCPT TO:<${one.includes('@') ? one : `${one}@here.test`}>`)).slice(0, 9))
    return replies
  }
  return { ...session, rcpts }
}

for (const listener of ['mx', 'lmtp'] as const)
  test(`a full mailbox is refused for its recipient alone: ${listener}`, async (t) => {
    const kernel = await start(t)
    await fill(kernel, 'ann')
    const { rcpts, ask } = await client(t, kernel, listener)
    assert.deepEqual(await rcpts('', 'ann', 'bob', 'cyd'), ['452 4.2.2', '250 2.1.5', '250 2.1.5'])
    assert.match(await ask('DATA'), /^354 /)
    assert.match(await ask('Subject: x\r\n\r\nx\r\n.'), /^250 /)
    await kernel.deliver()
    for (const [name, count] of Object.entries({ ann: 1, bob: 1, cyd: 1 }))
      assert.equal((await kernel.entries(name)).length, count, name)
    assert.equal(await kernel.queue.count(), 0)
  })

test('SIZE counts: what has no room now may come again, what is larger than the quota never', async (t) => {
  const kernel = await start(t)
  await fill(kernel, 'ann', QUOTA - 1000)
  const { rcpts } = await client(t, kernel, 'mx')
  assert.deepEqual(await rcpts(' SIZE=1000', 'ann', 'bob', 'cyd'), ['250 2.1.5', '250 2.1.5', '250 2.1.5'])
  const again = await client(t, kernel, 'mx')
  assert.deepEqual(await again.rcpts(' SIZE=1001', 'ann', 'bob', 'cyd'), ['452 4.2.2', '250 2.1.5', '250 2.1.5'])
  const large = await client(t, kernel, 'lmtp')
  assert.deepEqual(await large.rcpts(` SIZE=${QUOTA + 1}`, 'ann', 'bob', 'cyd'), [
    '552 5.2.3',
    '552 5.2.3',
    '250 2.1.5',
  ])
})

test('an address of several is refused when none of them has room', async (t) => {
  const kernel = await start(t)
  const ask = async (mail = '') => (await (await client(t, kernel, 'mx')).rcpts(mail, BOTH))[0]
  await fill(kernel, 'ann')
  assert.equal(await ask(), '250 2.1.5')
  await fill(kernel, 'bob')
  assert.equal(await ask(), '452 4.2.2')
  assert.equal(await ask(` SIZE=${QUOTA + 1}`), '552 5.2.3')
})

test('a mailbox that fills between RCPT and delivery keeps the message waiting until there is room', async (t) => {
  const kernel = await start(t)
  const { rcpts, ask } = await client(t, kernel, 'mx')
  assert.deepEqual(await rcpts('', 'ann'), ['250 2.1.5'])
  await fill(kernel, 'ann')
  await ask('DATA')
  assert.match(await ask('Subject: x\r\n\r\nx\r\n.'), /^250 /)
  await kernel.deliver()
  const [waiting] = await Array.fromAsync(kernel.queue.list())
  assert.match(waiting?.recipients[0]?.last ?? '', /^452 4\.2\.2 /)
  await kernel.mail.expunge(await kernel.mailbox('ann'), [[1, 1]])
  await kernel.advance(3_600_000)
  await kernel.deliver()
  assert.equal((await kernel.entries('ann')).length, 1)
})

test('what is larger than the quota, whatever was announced, fails at once with a report', async (t) => {
  const kernel = await start(t)
  const { rcpts, ask } = await client(t, kernel, 'mx')
  assert.deepEqual(await rcpts(' SIZE=10', 'ann', 'cyd'), ['250 2.1.5', '250 2.1.5'])
  await ask('DATA')
  assert.match(await ask(`Subject: x\r\n\r\n${'x\r\n'.repeat(QUOTA / 3)}\r\n.`), /^250 /)
  await kernel.deliver()
  assert.deepEqual([(await kernel.entries('ann')).length, (await kernel.entries('cyd')).length], [0, 1])
  assert.ok(kernel.events.some((event) => event.name === 'delivery.failed' && /5\.2\.3/.test(JSON.stringify(event))))
  assert.equal((await Array.fromAsync(kernel.queue.list())).filter(({ from }) => from !== '').length, 0)
})

test('what the server itself hands in for a full mailbox waits', async (t) => {
  const kernel = await start(t)
  await fill(kernel, 'ann')
  const { reply } = await kernel.submit({ from: 'me@far.test', to: ['ann@here.test'] })
  assert.equal(reply.code, 250)
  await kernel.deliver()
  assert.equal(await kernel.queue.count(), 1)
})
