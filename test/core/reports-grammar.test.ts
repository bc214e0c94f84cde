/** Reports keep the grammar of RFC 3464 and RFC 5322, and the words of others as they were said. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { definePlugin, type Outcome, type Reply } from 'iems'
import { createTestKernel, type DeliverAnswer, deliveredTo } from 'iems/testing'
import * as z from 'zod'
import { grammarFaults } from '../support/message-grammar.ts'
import { fc } from '../support/property.ts'

const OURS: Reply = { code: 550, enhanced: '5.4.6', text: 'Mail for this domain loops back to this server' }

/** What the sender gets when the first attempt ends so. */
async function reportFor(
  t: Pick<TestContext, 'after'>,
  outcome: Omit<Outcome, 'recipient'>,
  message: { to?: string; content?: string; waits?: string } = {},
) {
  const answer: DeliverAnswer = (delivery) =>
    delivery.message.from === ''
      ? deliveredTo(delivery)
      : delivery.recipients.map((recipient) => ({ ...outcome, recipient }))
  const kernel = await createTestKernel(t, { deliver: answer })
  const { reply, queued } = await kernel.submit({
    from: 'a@here.test',
    to: [message.to ?? 'b@there.test'],
    ...(message.content === undefined ? {} : { content: message.content }),
  })
  assert.equal(reply.code, 250)
  await kernel.deliver()
  const list = await Array.fromAsync(kernel.queue.list({}))
  if (message.waits !== undefined) await kernel.advance(6 * 86_400_000)
  const reports = kernel.delivered.filter(({ from }) => from === '').map(({ content }) => content)
  for (const one of reports) assert.deepEqual(grammarFaults(one), [], one)
  const report = reports.at(-1) ?? ''
  await kernel.close()
  return { report, queued, list, events: kernel.events }
}

const field = (report: string, name: string) =>
  new RegExp(`^${name}: ([^\\r]*(?:\\r\\n [^\\r]*)*)`, 'm').exec(report)?.[1]

test('the remote words stand in Diagnostic-Code as they were said, and what was understood in Status', async (t) => {
  for (const [said, enhanced, code] of [
    ['550 no', '5.0.0', 'smtp; 550 no'],
    ['554 5.7.1 go away', '5.7.1', 'smtp; 554 5.7.1 go away'],
    ['550', '5.0.0', 'smtp; 550'],
    ['550 no\n \n', '5.0.0', 'smtp; 550 no'],
    ['550-5.1.1 first line\n550 5.1.1 second', '5.1.1', 'smtp; 550-5.1.1 first line\r\n 550 5.1.1 second'],
  ] as const) {
    const reply: Reply = { code: 550, enhanced, text: 'understood', said }
    const { report, events } = await reportFor(t, { status: 'failed', reply, remote: 'mx.test [192.0.2.1]' })
    assert.equal(field(report, 'Diagnostic-Code'), code)
    assert.equal(field(report, 'Status'), enhanced)
    assert.equal(field(report, 'Remote-MTA'), 'dns;mx.test')
    const logged = events.find(({ name }) => name === 'delivery.failed')
    assert.deepEqual([logged?.reply, logged?.enhanced], [said.replaceAll('\n', ' '), enhanced])
  }
})

test('findings of this server are not given as words of SMTP', async (t) => {
  const { report } = await reportFor(t, { status: 'failed', reply: OURS })
  assert.equal(field(report, 'Diagnostic-Code'), 'x-iems; 550 5.4.6 Mail for this domain loops back to this server')
})

test('after expiry the last words are kept, the status says that time is up, and the queue list shows both', async (t) => {
  const reply: Reply = { code: 450, enhanced: '4.2.0', text: 'greylisted', said: '450 greylisted' }
  const waiting = await reportFor(t, { status: 'deferred', reply, remote: 'mx.test' }, { waits: 'for ever' })
  assert.deepEqual(
    waiting.list[0]?.recipients.map(({ last, enhanced }) => [last, enhanced]),
    [['450 greylisted', '4.2.0']],
  )
  assert.equal(field(waiting.report, 'Diagnostic-Code'), 'smtp; 450 greylisted')
  assert.equal(field(waiting.report, 'Status'), '5.4.7')
  assert.match(waiting.report, /Delivery time expired; mx\.test said: 450 greylisted/)
  const failure = waiting.events.findLast(({ name }) => name === 'delivery.failed')
  assert.deepEqual([failure?.reply, failure?.enhanced], ['450 greylisted', '5.4.7'])
})

test('any reply, address and content come to a report that keeps the grammar', async (t) => {
  const octets = fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
  const said = fc.oneof(
    octets,
    fc.string({ unit: 'binary', maxLength: 1500 }),
    fc
      .array(fc.string({ maxLength: 300 }), { maxLength: 40 })
      .map((lines) => lines.map((one) => `550-${one}`).join('\n')),
    fc.constant(`550 ${'x'.repeat(4000)}`),
  )
  const local = fc
    .string({ unit: fc.constantFrom('a', 'ü', '+', '=', '漢', '.', 'Z', '\u{1f600}'), minLength: 1, maxLength: 60 })
    .map((text) => text.replace(/^\.|\.$|\.(?=\.)/g, 'x'))
  const text = fc.oneof(fc.constant('Hello.'), fc.constant('ü'.repeat(400)), fc.constant('x'.repeat(2000)))
  await fc.assert(
    fc.asyncProperty(fc.option(said, { nil: undefined }), local, text, octets, async (words, name, body, remote) => {
      const reply: Reply = { ...OURS, ...(words === undefined ? {} : { said: words }) }
      const content = `From: <a@here.test>\r\nMessage-ID: odd ${name}\r\nSubject: ${body}\r\n\r\n${body}\r\n`
      const to = `${name}@there.test`
      const by = `mx.test [${remote.slice(0, 100)}]`
      const { report } = await reportFor(t, { status: 'failed', reply, remote: by }, { to, content })
      assert.notEqual(report, '')
    }),
    { numRuns: 60 },
  )
})

test('any words and addressee of a plugin come to reports of every kind that keep the grammar', async (t) => {
  const octets = fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
  const words = fc.oneof(
    octets,
    fc.string({ unit: 'binary', maxLength: 1500 }),
    fc.constantFrom(
      '',
      ' '.repeat(2000),
      'x'.repeat(3000),
      'a\r\nBcc: b@b.test\r\n\r\nbody',
      '\ud800',
      '\u{1f600}'.repeat(400),
    ),
  )
  const to = fc.oneof(
    fc.constantFrom('a@here.test', 'ü@here.test', 'a@here.test\r\nBcc: b@b.test', '', 'x'.repeat(400)),
    octets,
  )
  const kinds = fc.constantFrom('failed', 'deferred', 'delivered')
  await fc.assert(
    fc.asyncProperty(kinds, words, words, to, async (status, subject, text, address) => {
      const plugin = definePlugin({
        name: 'words',
        config: z.undefined(),
        setup: () => ({ hooks: { bounce: (bounce) => ({ ...bounce, subject, text, to: address }) } }),
      })
      const said: Reply = {
        code: status === 'failed' ? 550 : status === 'deferred' ? 450 : 250,
        enhanced: '4.0.0',
        text: 'x',
      }
      const kernel = await createTestKernel(t, {
        plugins: [plugin()],
        // An addressee that is no line.
        expectsFaults: true,
        deliver: (delivery) =>
          delivery.message.from === ''
            ? deliveredTo(delivery)
            : delivery.recipients.map((recipient) => ({ recipient, status, reply: said }) as Outcome),
      })
      await kernel.submit({
        from: 'a@here.test',
        to: [{ address: 'b@there.test', notify: ['SUCCESS', 'FAILURE', 'DELAY'] }],
      })
      await kernel.deliver()
      if (status === 'deferred') for (let day = 0; day < 6; day++) await kernel.advance(86_400_000)
      const reports = kernel.delivered.filter(({ from }) => from === '')
      for (const { content } of reports) assert.deepEqual(grammarFaults(content), [], content)
      const told = kernel.events.filter(({ name }) => ['bounce.queued', 'bounce.dropped'].includes(name))
      for (const { name, plugin: by } of kernel.events) if (name.endsWith('.fault')) assert.equal(by, 'words')
      assert.ok(told.length > 0, 'a report is written, or it is said why not')
      assert.equal((await Array.fromAsync(kernel.queue.list({}))).length, 0)
      await kernel.close()
    }),
    { numRuns: 30 },
  )
})
