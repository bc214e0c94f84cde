/** Replies of the next server, and the outcome of each recipient that they mean. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Answers,
  answersFor,
  outcomeOf,
  outcomesWithout,
  type ServerFailure,
  toReply,
} from '../../plugins/smtp/out/outcomes.ts'

const reply = (text: string) => ({ code: Number(text.slice(0, 3)), text: text.slice(4) })
const recipients = ['a@a.test', 'b@a.test', 'c@a.test'].map((address) => ({ address, original: address }))
const OK = reply('250 2.0.0 OK')
const GO = reply('354 Go ahead')

const REPLIES: readonly (readonly [said: string, code: number, enhanced: string, text: string])[] = [
  ['250 2.1.5 OK', 250, '2.1.5', 'OK'],
  ['250 OK', 250, '2.0.0', 'OK'],
  ['550 5.7.26 No', 550, '5.7.26', 'No'],
  ['550 4.7.1 Contradiction', 550, '5.0.0', 'Contradiction'],
  ['450 5.1.1 Contradiction', 450, '4.0.0', 'Contradiction'],
  ['421 4.3.2 Closing', 421, '4.3.2', 'Closing'],
  ['550 5.1.1', 550, '5.1.1', ''],
  ['550 5.1 No code', 550, '5.0.0', '5.1 No code'],
  ['550 5.1.1234 No code', 550, '5.0.0', '5.1.1234 No code'],
  ['554 5.7.1 one\n5.7.1 two\nthree', 554, '5.7.1', 'one two three'],
  ['550 caf\u00e9 \u001b[31mred', 550, '5.0.0', 'caf? ?[31mred'],
  ['354 Unexpected', 354, '4.0.0', 'Unexpected'],
]

test('a reply gets a code, an enhanced code of the same class, and one printable line', () => {
  for (const [said, code, enhanced, text] of REPLIES)
    assert.deepEqual(toReply(reply(said)), { code, enhanced, text }, said)
  assert.equal(toReply(reply(`550 ${'x'.repeat(600)}`)).text.length, 500)
  assert.equal(toReply({ ...OK, said: 'x'.repeat(5000) }).said?.length, 4096)
})

interface Row {
  readonly what: string
  readonly answers: Partial<Answers>
  /** The fate and the outcome of each recipient. */
  readonly fates: readonly string[]
}

const ROWS: readonly Row[] = [
  { what: 'all are accepted', answers: {}, fates: ['taken delivered', 'taken delivered', 'taken delivered'] },
  {
    what: 'the sender is refused',
    answers: { mail: reply('550 5.7.1 No') },
    fates: ['refused failed', 'refused failed', 'refused failed'],
  },
  {
    what: 'the sender is refused for now',
    answers: { mail: reply('451 4.7.1 Later') },
    fates: ['refused deferred', 'refused deferred', 'refused deferred'],
  },
  {
    what: 'the server closes at MAIL',
    answers: { mail: reply('421 4.3.2 Closing') },
    fates: ['gone deferred', 'gone deferred', 'gone deferred'],
  },
  {
    what: 'one recipient is unknown',
    answers: { rcpts: [OK, reply('550 5.1.1 Unknown'), OK] },
    fates: ['taken delivered', 'refused failed', 'taken delivered'],
  },
  {
    what: 'one recipient waits (greylisting)',
    answers: { rcpts: [reply('450 4.7.1 Greylisted'), OK, OK] },
    fates: ['refused deferred', 'taken delivered', 'taken delivered'],
  },
  {
    what: 'too many recipients after the first (RFC 5321 section 4.5.3.1.10)',
    answers: { rcpts: [OK, reply('452 4.5.3 Too many'), reply('552 Too many')] },
    fates: ['taken delivered', 'full deferred', 'full failed'],
  },
  {
    what: '452 before any recipient is accepted means no other transaction',
    answers: { rcpts: [reply('452 4.5.3 Too many'), OK, OK] },
    fates: ['refused deferred', 'taken delivered', 'taken delivered'],
  },
  {
    what: '452 with another enhanced code is about the mailbox',
    answers: { rcpts: [OK, reply('452 4.2.2 Mailbox full'), reply('552 5.2.2 Mailbox full')] },
    fates: ['taken delivered', 'refused deferred', 'refused failed'],
  },
  {
    what: 'DATA is refused',
    answers: { data: reply('554 5.5.1 No valid recipients') },
    fates: ['refused failed', 'refused failed', 'refused failed'],
  },
  {
    what: 'a positive reply to DATA is no 354',
    answers: { data: reply('250 2.0.0 OK') },
    fates: ['refused deferred', 'refused deferred', 'refused deferred'],
  },
  {
    what: 'the content is refused',
    answers: { finals: [reply('554 5.7.1 Spam')] },
    fates: ['refused failed', 'refused failed', 'refused failed'],
  },
  {
    what: 'the connection ends before the end of the content',
    answers: { finals: [reply('421 4.4.2 Lost')], isComplete: false },
    fates: ['gone deferred', 'gone deferred', 'gone deferred'],
  },
  {
    what: 'the connection ends after the end of the content: the server may have it',
    answers: { finals: [reply('421 4.4.2 Lost')], isComplete: true },
    fates: ['refused deferred', 'refused deferred', 'refused deferred'],
  },
  {
    what: 'LMTP answers for each accepted recipient',
    answers: {
      rcpts: [OK, reply('550 5.1.1 Unknown'), OK],
      finals: [reply('250 2.1.5 OK'), reply('452 4.2.2 Full')],
    },
    fates: ['taken delivered', 'refused failed', 'refused deferred'],
  },
  {
    what: 'a final reply that is none is temporary',
    answers: { finals: [reply('354 What?')] },
    fates: ['refused deferred', 'refused deferred', 'refused deferred'],
  },
]

for (const { what, answers, fates } of ROWS)
  test(`outcomes of a transaction: ${what}`, () => {
    const all = { mail: OK, rcpts: [OK, OK, OK], data: GO, finals: [OK], isComplete: true, ...answers }
    const found = answersFor(recipients, all).map((one) => {
      const outcome = outcomeOf(one, { remote: 'mx.a.test', handover: 'relayed' })
      assert.equal(outcome.recipient, one.recipient)
      if (outcome.status === 'deferred') assert.ok(outcome.reply.code >= 400, 'a deferral never has a positive code')
      return `${one.fate} ${outcome.status}`
    })
    assert.deepEqual(found, fates)
  })

const failure = (status: ServerFailure['status'], text: string, reached: boolean): ServerFailure => ({
  status,
  reply: toReply(reply(text)),
  remote: text.slice(4),
  reached,
})
const WITHOUT: readonly (readonly [what: string, servers: readonly ServerFailure[], outcome: string])[] = [
  ['no server at all', [], 'deferred 451 No server could be asked'],
  ['every server refused for good', [failure('failed', '554 5.7.1 one', true)], 'failed 554 one'],
  [
    'one server may yet take it',
    [failure('deferred', '450 4.7.1 one', true), failure('failed', '554 5.7.1 two', true)],
    'deferred 450 one',
  ],
  [
    'a reply of a server counts more than a server without an answer',
    [failure('deferred', '450 4.7.1 one', true), failure('deferred', '451 4.4.1 two', false)],
    'deferred 450 one',
  ],
  ['no server answered', [failure('deferred', '451 4.4.1 one', false)], 'deferred 451 one, unreachable'],
]

test('without a server left, a message fails only if all servers refused it for good', () => {
  for (const [what, servers, expected] of WITHOUT)
    for (const { status, reply, unreachable } of outcomesWithout(recipients, servers))
      assert.equal(`${status} ${reply.code} ${reply.text}${unreachable ? ', unreachable' : ''}`, expected, what)
})
