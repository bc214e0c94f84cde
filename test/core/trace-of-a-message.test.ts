/** The trace of a message: bounded whatever happens to the message, and shown to people in lines. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { showEntry, showTrace } from '../../core/cli/show-message.ts'
import { createTrace, type MessageTrace, resultOf, verdictOf, withAttempt, withStep } from '../../core/message/trace.ts'

const clock = { now: () => 1000 } as never
const step = { at: 0, hook: 'rcpt', plugin: 'p', ms: 1 }

const VERDICTS: readonly (readonly [answer: unknown, verdict: string])[] = [
  [{ kind: 'refuse', reply: { code: 550, enhanced: '5.7.1', text: 'No' } }, 'refuse 550 5.7.1 No'],
  [{ kind: 'quarantine', reason: 'virus' }, 'quarantine: virus'],
  [{ kind: 'route', route: { channel: 'out', nexthop: 'a.test' } }, 'route to out a.test'],
  [{ channel: 'out', nexthop: 'a.test' }, 'route out a.test'],
  [{ kind: 'accept' }, 'accept'],
  [{}, 'answered'],
  [[{ address: 'a@a.test' }, { address: 'b@a.test' }], 'expanded to 2'],
  [[], 'expanded to 0'],
  [
    [
      { kind: 'quarantine', reason: 'spam', recipients: [{ address: 'a@a.test' }, { address: 'b@a.test' }] },
      { kind: 'accept', recipients: [{ address: 'c@a.test' }] },
    ],
    'quarantine: spam for a@a.test, b@a.test; accept for c@a.test',
  ],
]

test('what a tap answers is abbreviated', () => {
  for (const [answer, verdict] of VERDICTS) assert.equal(verdictOf(answer), verdict)
  assert.equal(verdictOf({ kind: 'quarantine', reason: 'x'.repeat(900) }).length, 500)
})

test('a trace is bounded: the first attempts and steps stay, and the last attempts', () => {
  const attempts = Array.from({ length: 200 }, (_, at) => ({ at, ms: 1, fates: [] })).reduce(
    withAttempt,
    [] as ReturnType<typeof withAttempt>,
  )
  assert.equal(attempts.length, 50)
  assert.deepEqual([attempts[0]?.at, attempts[1]?.at, attempts.at(-1)?.at], [0, 151, 199])
  const steps = Array.from({ length: 300 }, (_, at) => ({ ...step, at })).reduce(
    withStep,
    [] as readonly (typeof step)[],
  )
  assert.deepEqual([steps.length, steps.at(-1)?.at], [200, 199])
  const fate = { address: 'a@a.test', status: 'delivered', reply: '250' } as const
  const [large] = withAttempt([], { at: 0, ms: 1, fates: Array(500).fill(fate), steps: Array(500).fill(step) })
  assert.deepEqual([large?.fates.length, large?.steps?.length], [100, 20])
})

test('a run collects steps, findings and the state of each plugin; each trace has a state of its own', () => {
  const kept = { p: { list: [1] } }
  const one = createTrace({ clock, message: 'm1', from: 'a@a.test', state: kept })
  const { run } = one
  assert.deepEqual([run.message, run.from, run.to], ['m1', 'a@a.test', undefined])
  ;(run.box('p').list as number[]).push(2)
  Object.assign(run.box('q'), { seen: true })
  assert.deepEqual([one.state, kept], [{ p: { list: [1, 2] }, q: { seen: true } }, { p: { list: [1] } }])
  run.note('p', 'spam', 7)
  run.step?.({ hook: 'check', plugin: 'p', ms: 3, answer: { kind: 'accept' } })
  one.watch(() => 'header +12 octets')
  run.step?.({ hook: 'modify', plugin: 'p', ms: 4, fault: 'boom', recipient: 'b@a.test' })
  assert.deepEqual(one.findings, [{ plugin: 'p', name: 'spam', value: 7 }])
  assert.deepEqual(one.steps, [
    { at: 1000, hook: 'check', plugin: 'p', ms: 3, verdict: 'accept' },
    { at: 1000, hook: 'modify', plugin: 'p', recipient: 'b@a.test', ms: 4, fault: 'boom', change: 'header +12 octets' },
  ])
  for (let at = 0; at < 300; at++) run.note('p', 'n', at)
  assert.equal(one.findings.length, 200)
})

test('the result of an attempt holds the words of the server, and what they mean', () => {
  const recipient = { address: 'a@a.test', original: 'a@a.test' }
  const reply = { code: 550, enhanced: '5.1.1', text: 'Unknown', said: '550 no \u001b[2J' } as const
  assert.deepEqual(resultOf({ recipient, status: 'failed', reply, remote: 'mx.a.test' }), {
    address: 'a@a.test',
    status: 'failed',
    reply: '550 no  [2J',
    enhanced: '5.1.1',
    remote: 'mx.a.test',
  })
})

const TRACE: MessageTrace = {
  id: 'm1',
  at: 1000,
  from: 'a@a.test',
  recipients: [
    { address: 'b@b.test', original: 'b@b.test' },
    { address: 'x@b.test', original: 'c@b.test' },
  ],
  size: 2048,
  priority: 'normal',
  session: {
    channel: 'in',
    protocol: 'ESMTP',
    helo: 'mx.a.test',
    remote: { address: '192.0.2.1' },
    identity: { user: 'ann', actor: { user: 'root' } },
    tls: { version: 'TLSv1.3' },
  } as never,
  steps: [
    step,
    { ...step, hook: 'check' },
    { ...step, verdict: 'accept', recipient: 'b@b.test' },
    { ...step, fault: 'boom' },
  ],
  findings: [{ plugin: 'spf', name: 'spf', value: 'pass' }],
  deliveries: [
    {
      number: 1,
      channel: 'out',
      nexthop: 'b.test',
      attempts: [
        {
          at: 2000,
          ms: 12,
          fates: [{ address: 'b@b.test', status: 'delivered', reply: '250 OK', remote: 'mx.b.test' }],
        },
      ],
    },
    {
      number: 2,
      channel: 'out',
      nexthop: 'b.test',
      attempts: [],
      waiting: { recipients: [{ address: 'x@b.test', original: 'c@b.test' }], due: 60_000 },
    },
  ],
  finished: false,
}
const linesOf = (trace: MessageTrace, all = false) => stripVTControlCharacters(showTrace(trace, all)).split('\n')

test('a trace is shown from its arrival to its deliveries', () => {
  assert.deepEqual(linesOf(TRACE), [
    'm1  in the queue',
    'from <a@a.test>  2 KiB  normal',
    'to <b@b.test>',
    'to <x@b.test> (for <c@b.test>)',
    'came in by in (ESMTP) from mx.a.test [192.0.2.1] as ann (by root) with TLSv1.3',
    '',
    '  1970-01-01 00:00:00.000  rcpt p <b@b.test>: accept 1 ms',
    '  1970-01-01 00:00:00.000  rcpt p: fault: boom 1 ms',
    '  without an opinion: rcpt 1, check 1 (--all shows them)',
    '  found by spf: spf = pass',
    '  1970-01-01 00:00:01.000  accepted',
    '',
    'out → b.test',
    '  1970-01-01 00:00:02.000  delivered <b@b.test> in 12 ms: mx.b.test: 250 OK',
    'out → b.test',
    '  waits until 1970-01-01 00:01:00.000 <x@b.test>',
  ])
})

test('all steps are shown on request; refused and finished messages say so', () => {
  assert.equal(linesOf(TRACE, true).filter((line) => line.includes('no opinion')).length, 2)
  const refused = linesOf({ ...TRACE, refused: '550 5.7.1 No', deliveries: [] })
  assert.ok(refused[0]?.endsWith('refused') && refused.includes('  1970-01-01 00:00:01.000  550 5.7.1 No'))
  assert.ok(linesOf({ ...TRACE, finished: true })[0]?.endsWith('finished'))
  const held = { ...TRACE.deliveries[1], waiting: { recipients: [{ address: 'x@b.test' }], held: 'size' } } as never
  assert.ok(linesOf({ ...TRACE, deliveries: [held] }).includes('  held: size <x@b.test>'))
})

const ENTRY = {
  id: 'm1.1',
  message: 'm1',
  from: 'a@a.test',
  channel: 'out',
  nexthop: 'b.test',
  priority: 'normal',
  size: 100,
  attempt: 1,
  since: 0,
  recipients: [{ address: 'b@b.test', last: '450 later' }, { address: 'c@b.test' }],
} as const
const STATES: readonly (readonly [more: object, when: RegExp])[] = [
  [{ held: 'size' }, /held: size, 1 attempt made/],
  [{ active: true, due: 0 }, /being delivered/],
  [{ due: 0 }, /due now/],
  [{ due: Date.now() + 3_600_000 }, /next try in 60 min/],
  [{ notBefore: Date.now() + 10 * 86_400_000, due: 0 }, /to be sent in 10 days/],
]

test('a waiting delivery is shown with what it waits for', () => {
  for (const [more, when] of STATES)
    assert.match(stripVTControlCharacters(showEntry({ ...ENTRY, ...more })), when, JSON.stringify(more))
  const lines = stripVTControlCharacters(showEntry(ENTRY)).split('\n')
  assert.deepEqual(lines.slice(2), ['    <b@b.test>  450 later', '    <c@b.test>'])
})
