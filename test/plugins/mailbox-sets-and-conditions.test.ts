/** Sets of UIDs against plain sets, conditions of searches by records alone, order, and base subjects (RFC 5256). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Candidate,
  cheapestFirst,
  meets,
  recordMeets,
  scopeOf,
  textsOf,
} from '../../plugins/mailbox/store/query/conditions.ts'
import { sortBy } from '../../plugins/mailbox/store/query/sort.ts'
import { baseSubject, isReply, messageIds } from '../../plugins/mailbox/store/query/subject.ts'
import { bucketsOf, countUids, eachUid, intersectUids, subtractUids, uidsOf } from '../../plugins/mailbox/store/uids.ts'

/** Every set of the numbers 1 to 6, as ranges. */
const SETS = Array.from({ length: 64 }, (_, bits) => {
  const plain = [1, 2, 3, 4, 5, 6].filter((number) => bits & (1 << (number - 1)))
  return { plain, uids: uidsOf(plain.map((number) => [number, number] as const)) }
})

test('sets of UIDs are minimal ranges, whatever they are made of', () => {
  for (const { plain, uids } of SETS) {
    assert.deepEqual([...eachUid(uids)], plain)
    assert.equal(countUids(uids), plain.length)
    for (const [at, [first]] of uids.entries()) assert.ok(at === 0 || first > (uids[at - 1]?.[1] ?? 0) + 1)
  }
  assert.deepEqual(
    uidsOf([
      [5, 9],
      [1, 2],
      [8, 12],
      [3, 3],
    ]),
    [
      [1, 3],
      [5, 12],
    ],
  )
})

test('what is in both, and what is in one alone, is the same as with plain sets', () => {
  for (const a of SETS)
    for (const b of SETS) {
      assert.deepEqual(
        [...eachUid(intersectUids(a.uids, b.uids))],
        a.plain.filter((one) => b.plain.includes(one)),
      )
      assert.deepEqual(
        [...eachUid(subtractUids(a.uids, b.uids))],
        a.plain.filter((one) => !b.plain.includes(one)),
      )
    }
})

test('a range of all UIDs costs no more than a small one', () => {
  const all = uidsOf([[1, 4_294_967_295]])
  assert.deepEqual(subtractUids(all, [[10, 20]]), [
    [1, 9],
    [21, 4_294_967_295],
  ])
  assert.deepEqual(intersectUids(all, [[10, 20]]), [[10, 20]])
  assert.deepEqual(
    bucketsOf([
      [1, 2],
      [9_999, 10_000],
      [30_000, 30_001],
    ]),
    [0, 1, 3],
  )
})

const DAY = 86_400_000
const CANDIDATE = {
  uid: 7,
  email: 'e1',
  thread: 't1',
  flags: ['\\Seen', '$Label'],
  size: 1000,
  modseq: 50,
  received: 10 * DAY + 5000,
  saved: 11 * DAY,
  mailboxes: ['m1'],
} as unknown as Candidate
type Condition = Parameters<typeof recordMeets>[0]
const text: Condition = { kind: 'text', text: 'x', fields: [], how: 'words' }
const seen: Condition = { kind: 'flag', flag: '\\seen', isSet: true }
const unseen: Condition = { kind: 'flag', flag: '\\Seen', isSet: false }
const attachments: Condition = { kind: 'attachments', has: true }

const RECORDS: readonly (readonly [condition: Condition, answer: boolean | undefined])[] = [
  [{ kind: 'all' }, true],
  [seen, true],
  [unseen, false],
  [{ kind: 'flag', flag: '$LABEL', isSet: true }, true],
  [
    {
      kind: 'uids',
      uids: [
        [1, 3],
        [7, 9],
      ],
    },
    true,
  ],
  [
    {
      kind: 'uids',
      uids: [
        [1, 3],
        [8, 9],
      ],
    },
    false,
  ],
  [{ kind: 'uids', uids: [] }, false],
  [{ kind: 'mailbox', id: 'm1' }, true],
  [{ kind: 'mailbox', id: 'm2' }, false],
  [{ kind: 'size', is: 'larger', than: 1000 }, false],
  [{ kind: 'size', is: 'larger', than: 999 }, true],
  [{ kind: 'size', is: 'smaller', than: 1000 }, false],
  [{ kind: 'size', is: 'smaller', than: 1001 }, true],
  [{ kind: 'modseq', atLeast: 50 }, true],
  [{ kind: 'modseq', atLeast: 51 }, false],
  [{ kind: 'email', id: 'e1' }, true],
  [{ kind: 'thread', id: 't2' }, false],
  [{ kind: 'threads', ids: new Set(['t1']) }, true],
  [{ kind: 'day', of: 'received', is: 'on', day: 10 * DAY }, true],
  [{ kind: 'day', of: 'received', is: 'before', day: 10 * DAY }, false],
  [{ kind: 'day', of: 'received', is: 'since', day: 10 * DAY }, true],
  [{ kind: 'day', of: 'saved', is: 'on', day: 11 * DAY }, true],
  [{ kind: 'day', of: 'sent', is: 'on', day: 10 * DAY }, undefined],
  [{ kind: 'time', of: 'received', is: 'before', at: 10 * DAY + 5000 }, false],
  [{ kind: 'time', of: 'received', is: 'since', at: 10 * DAY + 5000 }, true],
  [{ kind: 'time', of: 'sent', is: 'since', at: 0 }, undefined],
  [text, undefined],
  [{ kind: 'text', text: '', fields: [], how: 'words' }, true],
  [attachments, undefined],
  [{ kind: 'not', of: seen }, false],
  [{ kind: 'not', of: text }, undefined],
  [{ kind: 'and', of: [text, unseen] }, false],
  [{ kind: 'and', of: [text, seen] }, undefined],
  [{ kind: 'and', of: [] }, true],
  [{ kind: 'or', of: [text, seen] }, true],
  [{ kind: 'or', of: [text, unseen] }, undefined],
  [{ kind: 'or', of: [] }, false],
]

test('a record answers a condition as far as it can', () => {
  for (const [condition, answer] of RECORDS)
    assert.equal(recordMeets(condition, CANDIDATE), answer, JSON.stringify(condition))
})

test('the whole answer agrees with the record, and reads nothing that the record decides', async () => {
  for (const [condition, answer] of RECORDS) {
    let read = 0
    const lookup = {
      texts: new Map([[text, new Set(['e1'])]]),
      sent: async () => {
        read++
        return { sent: 10 * DAY, day: 10 * DAY }
      },
      email: async () => {
        read++
        return { digest: async () => ({ hasAttachments: true }) } as never
      },
    }
    const whole = await meets(cheapestFirst(condition), CANDIDATE, lookup)
    if (answer !== undefined) assert.deepEqual([whole, read], [answer, 0], JSON.stringify(condition))
  }
})

test('cheap parts are looked at first, and texts are named once', () => {
  const condition: Condition = { kind: 'and', of: [attachments, { kind: 'or', of: [text, seen] }, seen] }
  assert.deepEqual(cheapestFirst(condition), { kind: 'and', of: [seen, attachments, { kind: 'or', of: [seen, text] }] })
  assert.deepEqual(textsOf({ kind: 'not', of: condition }), [text])
})

test('a condition names the UIDs that it can be about', () => {
  const uids = (first: number, last: number): Condition => ({ kind: 'uids', uids: [[first, last]] })
  assert.deepEqual(scopeOf({ kind: 'and', of: [seen, uids(1, 9), { kind: 'and', of: [uids(5, 20)] }] }), [[5, 9]])
  assert.equal(scopeOf({ kind: 'or', of: [uids(1, 2), seen] }), undefined)
  assert.equal(scopeOf({ kind: 'not', of: uids(1, 2) }), undefined)
})

test('items are in the order of the keys, each of which may be reversed', () => {
  const items = [
    { item: 1, sorted: { subject: 'b', size: 2, received: 1, flags: [] } },
    { item: 2, sorted: { subject: 'a', size: 2, received: 2, flags: ['\\Flagged'] } },
    { item: 3, sorted: { subject: 'a', size: 1, received: 3, sent: 0, flags: [] } },
  ] as never
  const order = (...keys: readonly object[]) => sortBy<number>(items, keys as never, (a, b) => a - b).join('')
  assert.equal(order({ by: 'subject' }), '231')
  assert.equal(order({ by: 'subject' }, { by: 'size' }), '321')
  assert.equal(order({ by: 'size', isReverse: true }), '123')
  assert.equal(order({ by: 'flag', flag: '\\FLAGGED' }), '213')
  assert.equal(order({ by: 'sent' }), '312', 'a message without a Date field has the time of its arrival')
})

/** RFC 5256 section 2.1. */
const SUBJECTS: readonly (readonly [subject: string, base: string, isReply: boolean])[] = [
  ['Hello', 'Hello', false],
  ['  Hello \t world ', 'Hello world', false],
  ['Re: Hello', 'Hello', true],
  ['RE : Re:Fwd: Hello', 'Hello', true],
  ['fw: Hello', 'Hello', true],
  ['Re[2]: Hello', 'Hello', true],
  ['Re [list]: Hello', 'Hello', true],
  ['[list] Re: Hello', 'Hello', true],
  ['[list] Hello', 'Hello', true],
  ['[list]', '[list]', false],
  ['Hello (fwd)', 'Hello', true],
  ['Hello (fwd) (FWD)', 'Hello', true],
  ['[Fwd: Hello]', 'Hello', true],
  ['[fwd: Re: Hello]', 'Hello', true],
  ['Regarding: Hello', 'Regarding: Hello', false],
  ['', '', false],
  ['Re:', '', true],
]

test('the base subject is without replies, forwards and names of lists', () => {
  for (const [subject, base, reply] of SUBJECTS) {
    assert.equal(baseSubject(subject), base, subject)
    assert.equal(isReply(subject), reply, subject)
  }
})

test('message ids are without brackets and quotation that means nothing, each once', () => {
  const cases: readonly (readonly [string | undefined, readonly string[]])[] = [
    [undefined, []],
    ['none', []],
    ['<a@b>', ['a@b']],
    ['<a@b> text <c@d><a@b>', ['a@b', 'c@d']],
    ['<a @ b>', ['a@b']],
    ['<"a"@b>', ['a@b']],
    ['<"a\\"b"@c>', ['"a\\"b"@c']],
    ['<a<b@c>', ['b@c']],
    ['<>', []],
  ]
  for (const [field, ids] of cases) assert.deepEqual(messageIds(field), ids, field)
})
