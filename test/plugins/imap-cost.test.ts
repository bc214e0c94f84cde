/** What hostile commands cost: counted, or compared between n and 2n; and that others have their turn meanwhile. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pace, type Store } from '../../core/index.ts'
import { memoryStore } from '../../core/testing/index.ts'
import { holds, merge } from '../../plugins/access/imap/grammar/sets.ts'
import { formatTrees } from '../../plugins/access/imap/thread-trees.ts'
import { toTest } from '../../plugins/access/imap/wildcards.ts'
import { byReferences, type Threaded } from '../../plugins/mailbox/store/query/threading.ts'
import { createImapKernel } from '../support/imap-talk.ts'
import { fc } from '../support/property.ts'

/** The median time of some runs, in ms. */
async function cost(work: () => unknown): Promise<number> {
  const times: number[] = []
  for (let run = 0; run < 5; run++) {
    const start = performance.now()
    await work()
    times.push(performance.now() - start)
  }
  return times.sort((a, b) => a - b)[2] as number
}

test('patterns of LIST fit what RFC 9051 says, in any order of wildcards', () => {
  const slow = (pattern: string, name: string): boolean => {
    if (pattern === '') return name === ''
    const [first = '', rest] = [pattern[0], pattern.slice(1)]
    if (first !== '*' && first !== '%') return name[0] === first && slow(rest, name.slice(1))
    if (slow(rest, name)) return true
    return name !== '' && (first === '*' || name[0] !== '/') && slow(pattern, name.slice(1))
  }
  const text = (chars: string, maxLength: number) =>
    fc.array(fc.constantFrom(...chars), { maxLength }).map((all) => all.join(''))
  fc.assert(
    fc.property(text('ab/*%', 9), text('ab/', 9), (pattern, name) => {
      assert.equal(toTest(pattern)(name), slow(pattern, name), `${pattern} ${name}`)
    }),
    { numRuns: 3000 },
  )
  assert.equal(toTest('inbox/%')('INBOX/a'), true)
})

test('a pattern costs its length times that of the name', async () => {
  for (const [piece, char] of [
    ['*a', 'a'],
    ['%a', 'a'],
    ['*%a/', 'a'],
    ['%/', '/'],
  ] as const) {
    const match = (size: number) => () => {
      const matches = toTest(`${piece.repeat(size / 4)}b`)
      for (let times = 0; times < 20; times++) assert.equal(matches(char.repeat(size)), false)
    }
    const [small, large] = [await cost(match(250)), await cost(match(1000))]
    assert.ok(large < 100 * Math.max(small, 0.5), `${piece}: ${small} ms, ${large} ms`)
  }
})

test('a LIST of many wildcards and many patterns is answered, and too many patterns are refused', async (t) => {
  const { talk } = await createImapKernel(t)
  const client = await talk('ann')
  await client.command(`CREATE ${'a'.repeat(60)}`)
  for (const command of ['LIST "" ', 'LSUB "" ', 'LIST () "" '])
    for (const wild of ['*', '%', '%*'])
      assert.match((await client.command(`${command}"${`${wild}a`.repeat(30)}b"`)).join('\n'), /^OK/)
  const patterns = (count: number) => `LIST "" (${Array.from({ length: count }, (_, at) => `*${at}*`).join(' ')})`
  assert.match((await client.command(patterns(100))).at(-1) ?? '', /^OK/)
  assert.deepEqual(await client.command(patterns(5000)), ['NO [LIMIT] Too many patterns'])
  for (const options of ['RECURSIVEMATCH', 'RECURSIVEMATCH REMOTE', 'REMOTE RECURSIVEMATCH'])
    for (const pattern of ['"*"', '""'])
      assert.match((await client.command(`LIST (${options}) "" ${pattern}`)).join('\n'), /^BAD/)
})

test('threads cost what their references do, and are those of before in any order', async () => {
  const chain = (messages: number, references: number): Threaded[] =>
    Array.from({ length: messages }, (_, at) => ({
      uid: at + 1,
      sent: at,
      subject: '',
      isReply: false,
      id: `${at}`,
      references: Array.from(
        { length: Math.min(at, references) },
        (_, back) => `${at - Math.min(at, references) + back}`,
      ),
    }))
  const work = (size: number) => () => byReferences(chain(size, 100), () => undefined)
  const [small, large] = [await cost(work(1000)), await cost(work(4000))]
  assert.ok(large < 16 * Math.max(small, 1), `${small} ms, ${large} ms`)
  assert.equal(formatTrees(await byReferences(chain(4, 100), () => undefined)), '(1 2 3 4)')
  const circle = [1, 2, 3].map((number) => ({
    ...{ uid: number, sent: number, subject: '', isReply: false },
    ...{ id: `${number}`, references: [`${(number % 3) + 1}`] },
  }))
  const numbers = formatTrees(await byReferences(circle, () => undefined)).match(/\d/g)
  assert.deepEqual(numbers?.sort(), ['1', '2', '3'])
  const alike = Array.from({ length: 150_000 }, (_, at) => ({
    ...{ uid: at + 1, sent: at, subject: 'one', isReply: true, id: `${at}`, references: [] },
  }))
  const trees = await byReferences(alike, () => undefined)
  assert.equal(trees.length, 1)
  assert.equal(formatTrees(trees).match(/\d+/g)?.length, 150_000)
})

test('a number is found in ranges', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50), fc.nat(5)), { maxLength: 10 }), fc.nat(60), (pairs, number) => {
      const ranges = merge(pairs.map(([first, more]) => [first, first + more]))
      assert.equal(
        holds(ranges, number),
        ranges.some(([first, last]) => number >= first && number <= last),
      )
    }),
  )
})

test('sets of a search are resolved once', async (t) => {
  const { talk, mail, mailbox } = await createImapKernel(t)
  const content = async function* () {}
  await mail.append(
    await mailbox('ann'),
    Array.from({ length: 400 }, () => ({ content: content() })),
  )
  const client = await talk('ann')
  await client.command('SELECT INBOX')
  const odd = (length: number) => Array.from({ length }, (_, at) => 2 * at + 1).join(',')
  const [found = ''] = await client.command(`SEARCH NOT ${odd(100)} NOT ${odd(200)}`)
  assert.equal(found, `* SEARCH ${Array.from({ length: 200 }, (_, at) => 2 * at + 2).join(' ')}`)
  const [either = ''] = await client.command(`SEARCH OR ${odd(2)} UID 7,9:10,500`)
  assert.equal(either, '* SEARCH 1 3 7 9 10')
})

/** The beginnings of keys. */
const [ENTRIES, CHANGES] = ['\x02m\0', '\x02c\0']

test('STORE looks for changes only after other changes; SELECT without keywords and EXPUNGE of nothing read no messages', async (t) => {
  const below = memoryStore()
  const read: string[] = []
  const store: Store = {
    ...below,
    get(key) {
      read.push(Buffer.from(key).toString('latin1'))
      return below.get(key)
    },
    scan(range) {
      read.push(Buffer.from(range.from).toString('latin1'))
      return below.scan(range)
    },
  }
  const { talk, mail, mailbox } = await createImapKernel(t, { store })
  const inbox = await mailbox('ann')
  await mail.append(
    inbox,
    Array.from({ length: 8 }, () => ({ content: (async function* () {})(), flags: ['\\Seen'] })),
  )
  const readOf = async (part: string, work: () => Promise<unknown>) => {
    read.length = 0
    await work()
    return read.filter((from) => from.includes(part)).length
  }
  const client = await talk('ann')
  assert.equal(await readOf(ENTRIES, () => client.command('SELECT INBOX')), 0)
  assert.equal(await readOf(CHANGES, () => client.command('STORE 1 +FLAGS (\\Flagged)')), 0)
  assert.equal(await readOf(CHANGES, () => client.command('STORE 1:3 +FLAGS.SILENT (\\Answered)')), 0)
  // The change of another session before that of this one is sent.
  await mail.setFlags(inbox, [[2, 2]], { how: 'add', flags: ['work'] })
  const said = await client.command('STORE 1 -FLAGS.SILENT (\\Flagged)')
  assert.match(said.join('\n'), /^\* 2 FETCH .*work/m)
  assert.notEqual(await readOf(ENTRIES, () => client.command('SELECT INBOX')), 0)
  assert.equal(await readOf(CHANGES, () => client.command('NOOP')), 0)
  assert.equal(await readOf(CHANGES, () => client.command('STORE 3 +FLAGS (work)')), 0)
  assert.equal(await readOf(ENTRIES, () => client.command('EXPUNGE')), 0)
  await client.command('STORE 1 +FLAGS.SILENT (\\Deleted)')
  assert.match((await client.command('EXPUNGE')).join('\n'), /^\* 1 EXPUNGE/m)
})

test('the first SORT of delivered mail reads no content', async (t) => {
  const below = memoryStore()
  let reads = 0
  const blobs: Store['blobs'] = {
    ...below.blobs,
    open(id, range) {
      reads++
      return below.blobs.open(id, range)
    },
  }
  const { talk, submit, deliver } = await createImapKernel(t, { store: { ...below, blobs } })
  for (const [subject, to] of [
    ['Re: b\xe9', ['ann@here.test']],
    ['c', ['ann@here.test', 'bob@here.test']],
    ['a', ['ann@here.test']],
  ] as const)
    await submit({ from: 'me@far.test', to, content: Buffer.from(`Subject: ${subject}\r\n\r\nx\r\n`, 'latin1') })
  await deliver()
  const client = await talk('ann')
  await client.command('SELECT INBOX')
  reads = 0
  const [sorted = ''] = await client.command('SORT (SUBJECT) UTF-8 ALL')
  const [envelope = ''] = await client.command('FETCH 1 ENVELOPE')
  assert.equal(reads, 0)
  assert.match(sorted, /^\* SORT \d \d \d$/)
  assert.match(envelope, /ENVELOPE/)
  for (const [at, subject] of ['a', 'Re: b\xe9', 'c'].entries()) {
    const number = sorted.split(' ')[at + 2]
    const fetched = (await client.command(`FETCH ${number} BODY.PEEK[HEADER.FIELDS (SUBJECT)]`)).join('\n')
    assert.ok(fetched.includes(`Subject: ${subject}`), fetched)
  }
})

test('a session that has worked for its share waits for the next turn of the event loop', async () => {
  const pace = new Pace()
  let others = 0
  let next: NodeJS.Immediate | undefined
  const other = () => {
    others++
    next = setImmediate(other)
  }
  other()
  assert.equal(pace.due(), undefined)
  for (let waits = 0; waits < 3; ) {
    const before = others
    const wait = pace.due()
    await wait
    if (!wait) continue
    waits++
    assert.ok(others > before)
  }
  clearImmediate(next)
})
