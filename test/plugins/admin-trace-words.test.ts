/** The field of the trace page as a question, and the way of a message in the words of the page. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import i18next from 'i18next'

await i18next.init({ lng: 'en', keySeparator: false, nsSeparator: false, interpolation: { escapeValue: false } })

/** Pages are checked with types of browsers, so this file does not import theirs. */
const { eventsOf, forSender, sentenceOf, understood } = await import(
  String(new URL('../../plugins/web/admin/ui/screens/trace-words.ts', import.meta.url))
)
interface Event {
  readonly mark: string
  readonly what: string
  readonly note: string
  readonly talk?: readonly string[]
}
type MessageTrace = Readonly<Record<string, unknown>>

const QUESTIONS: readonly (readonly [text: string, question: object])[] = [
  ['ann@a.test', { to: 'ann@a.test' }],
  ['<ann@a.test>', { id: 'ann@a.test' }],
  ['ann@a.test → bob@b.test', { from: 'ann@a.test', to: 'bob@b.test' }],
  ['did ann@a.test write to bob@b.test, please?', { from: 'ann@a.test', to: 'bob@b.test' }],
  ['from:ann@a.test to:bob@b.test', { from: 'ann@a.test', to: 'bob@b.test' }],
  ['subject:offer client:192.0.2.1', { subject: 'offer', client: '192.0.2.1' }],
  ['id:01ABCDEF', { id: '01ABCDEF' }],
  [' <20260101.1@a.test> ', { id: '20260101.1@a.test' }],
  ['01JD8Z0000ABCDEF', { id: '01JD8Z0000ABCDEF' }],
  ['01JD8Z0000ABCDEF.2', { id: '01JD8Z0000ABCDEF.2' }],
  ['offer', { subject: 'offer' }],
  ['the offer of May', { subject: 'the offer of May' }],
  ['', { subject: '' }],
]

test('the field takes addresses, ids, named values, or words of the subject', () => {
  for (const [text, question] of QUESTIONS) assert.deepEqual(understood(text), question, text)
})

const fate = (address: string, status: string, reply: string) => ({ address, status, reply, remote: 'mx.b.test' })
const traceWith = (more: MessageTrace): MessageTrace => ({
  id: 'm1',
  at: 0,
  from: 'ann@a.test',
  size: 2048,
  recipients: [{ address: 'bob@b.test' }, { address: 'eve@b.test' }],
  session: { channel: 'in', protocol: 'ESMTP', remote: { address: '192.0.2.1' } },
  steps: [],
  findings: [],
  deliveries: [],
  finished: false,
  ...more,
})
const deliveryWith = (fates: readonly ReturnType<typeof fate>[], waiting?: object) => ({
  number: 1,
  channel: 'out',
  nexthop: 'b.test',
  attempts: fates.length > 0 ? [{ at: 2, ms: 1, fates }] : [],
  ...(waiting ? { waiting: { recipients: [{ address: 'eve@b.test' }], ...waiting } } : {}),
})

const bob = fate('bob@b.test', 'delivered', '250 OK')
const eve = fate('eve@b.test', 'delivered', '250 OK')
const late = fate('eve@b.test', 'deferred', '450 later')
const gone = fate('eve@b.test', 'failed', '550 unknown')

const SENTENCES: readonly (readonly [what: string, trace: MessageTrace, sentence: string, sender: RegExp])[] = [
  ['refused', { refused: '550 no' }, 'This server refused it, so the sender still has it.', /not accepted.*550 no$/],
  ['delivered', { deliveries: [deliveryWith([bob, eve])] }, 'All 2 recipients have it.', /was delivered/],
  [
    'delivered to one',
    { recipients: [{ address: 'bob@b.test' }], deliveries: [deliveryWith([bob])] },
    'It was delivered.',
    /was delivered/,
  ],
  [
    'waiting',
    { deliveries: [deliveryWith([bob, late], { due: 9 })] },
    '1 of 2 recipients have it; it is tried again.',
    /undamaged\. The server of b\.test answered: 450 later\./,
  ],
  [
    'held',
    { deliveries: [deliveryWith([], { held: 'size' })] },
    '0 of 2 recipients have it; it is held: size.',
    /An administrator looks at it/,
  ],
  ['failed', { deliveries: [deliveryWith([bob, gone])] }, '1 of 2 recipients have it.', /eve@b\.test.*550 unknown$/],
]

for (const [what, trace, sentence, sender] of SENTENCES)
  test(`the way of a message in a sentence: ${what}`, () => {
    assert.equal(sentenceOf(traceWith(trace)), sentence)
    assert.match(forSender(traceWith(trace)), sender)
  })

test('events are in the order of time, with the words of each server', () => {
  const events: readonly Event[] = eventsOf(
    traceWith({
      session: {
        channel: 'in',
        protocol: 'ESMTP',
        remote: { address: '192.0.2.1' },
        identity: { user: 'ann' },
      },
      steps: [
        { at: 1, hook: 'check', plugin: 'spf' },
        { at: 1, hook: 'check', plugin: 'antispam', verdict: 'accept' },
        { at: 1, hook: 'rcpt', plugin: 'lists', recipient: 'bob@b.test', fault: 'boom' },
      ],
      deliveries: [deliveryWith([bob, late, gone, fate('x@b.test', 'removed', 'by admin')])],
    }),
  )
  assert.deepEqual(
    events.map(({ mark, what, note }) => `${mark} ${what}: ${note}`),
    [
      'good Accepted: from ann@a.test at 192.0.2.1 by in, logged in as ann, 2 recipients, 2 KB',
      'step antispam: accept (check)',
      'no lists: boom for bob@b.test (rcpt)',
      'good Delivered to bob@b.test: mx.b.test',
      'wait Put off: eve@b.test: mx.b.test',
      'no Failed: eve@b.test: mx.b.test',
      'no Removed: x@b.test: mx.b.test',
    ],
  )
  assert.deepEqual(events.at(-2)?.talk, ['550 unknown'])
  const [refused]: readonly Event[] = eventsOf(traceWith({ refused: '550 no', from: '' }))
  assert.deepEqual([refused?.mark, refused?.what, refused?.talk], ['no', 'Refused', ['550 no']])
  assert.match(refused?.note ?? '', /^from the empty sender/)
})
