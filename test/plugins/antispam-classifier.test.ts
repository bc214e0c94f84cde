/** The classifier: taught by moves and by files, asked about what comes in; junk in the mailbox for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { memoryStore } from 'iems/testing'
import { fieldsOf, letter, type Settings, startAntispam, startWithMailboxes } from '../support/antispam.ts'
import { allowed } from '../support/mailstore.ts'
import { eventually, goOn, type MakeStore, STORES, seeded } from '../support/several-kernels.ts'

// --- a small corpus: two ways of writing, made from words by chance that is always the same ---

const COMMON = 'the and you for with this that have from not are your will can all our was but one they'.split(' ')
const JUNK =
  'viagra casino winner prize lottery bitcoin guarantee cheap pills discount urgent transfer million refinance replica'.split(
    ' ',
  )
const HAM =
  'meeting agenda minutes project tuesday lunch invoice draft review kernel mailbox deploy budget holiday garden'.split(
    ' ',
  )

function createChance(seed: number) {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state / 2 ** 32
  }
}

function write(kind: 'junk' | 'ham', n: number): string {
  const chance = createChance(n * 2 + (kind === 'junk' ? 1 : 0))
  const pick = (words: readonly string[]) => words[Math.floor(chance() * words.length)] as string
  const [own, other] = kind === 'junk' ? [JUNK, HAM] : [HAM, JUNK]
  const word = () => {
    const where = chance()
    return where < 0.75 ? pick(COMMON) : where < 0.97 ? pick(own) : pick(other)
  }
  const body = Array.from({ length: 60 }, word).join(' ')
  return `Message-ID: <${kind}-${n}@a.test>\r\n${letter(`${body}\r\n`).replace('Hello\r\n', `${pick(own)} ${pick(COMMON)}\r\n`)}`
}

const mbox = (kind: 'junk' | 'ham', from: number, count: number) =>
  Array.from(
    { length: count },
    (_, n) => `From ann@a.test Thu Jan  1 00:00:00 2026\n${write(kind, from + n).replaceAll('\r\n', '\n')}\n`,
  ).join('')

type Run = Awaited<ReturnType<typeof startAntispam>>['run']
const totals = async (run: Run, account = '') => {
  const found = (await run('antispam stats')).find((one) => one.account === account)
  return found && { junk: found.junk, ham: found.ham }
}

/** Until what happens in the background has happened. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 10_000
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error('it never came')
    await turn()
  }
}

const LEARNT: Settings = { options: { classifier: { minimum: 30 } } }

test('taught by files it tells junk from ham, and says nothing before it has learnt enough', async (t) => {
  const { send, run } = await startAntispam(t, LEARNT)
  const scoreOf = async (content: string) => (await send({ content })).findings['spam-score'] as number
  assert.deepEqual(await run('antispam learn', { junk: true }, mbox('junk', 0, 40)), [
    { messages: 40, learnt: 40, changed: 0, known: 0 },
  ])
  assert.equal(await scoreOf(write('junk', 1000)), 0)
  await run('antispam learn', { ham: true }, mbox('ham', 0, 40))
  assert.deepEqual(await totals(run), { junk: 40, ham: 40 })
  const scores = { junk: [] as number[], ham: [] as number[] }
  for (let n = 1000; n < 1100; n++)
    for (const kind of ['junk', 'ham'] as const) scores[kind].push(await scoreOf(write(kind, n)))
  const caught = scores.junk.filter((score) => score >= 2).length
  const wrong = scores.ham.filter((score) => score > 0).length
  assert.ok(caught >= 95, `${caught} of 100 junk caught`)
  assert.equal(wrong, 0)
  assert.ok(scores.ham.filter((score) => score < 0).length >= 90)
})

test('a message counts once, and as what was said of it last', async (t) => {
  const { run } = await startAntispam(t, LEARNT)
  const one = write('junk', 1)
  assert.deepEqual(await run('antispam learn', { junk: true }, one), [{ messages: 1, learnt: 1, changed: 0, known: 0 }])
  assert.deepEqual(await run('antispam learn', { junk: true }, one), [{ messages: 1, learnt: 0, changed: 0, known: 1 }])
  assert.deepEqual(await totals(run), { junk: 1, ham: 0 })
  assert.deepEqual(await run('antispam learn', { ham: true }, one), [{ messages: 1, learnt: 0, changed: 1, known: 0 }])
  assert.deepEqual(await totals(run), { junk: 0, ham: 1 })
})

test('what was learnt is there after a restart, whether it stands in the journal or the snapshot', async (t) => {
  const store = memoryStore()
  const first = await startAntispam(t, { ...LEARNT, kernel: { store } })
  await first.run('antispam learn', { junk: true }, mbox('junk', 0, 120))
  await first.run('antispam learn', { ham: true }, mbox('ham', 0, 120))
  await first.run('antispam learn', { ham: true }, write('junk', 0))
  const expected = (await first.send({ content: write('junk', 5000) })).findings['spam-score']
  assert.ok((expected as number) > 2)
  const second = await startAntispam(t, { ...LEARNT, kernel: { store } })
  assert.deepEqual(await totals(second.run), { junk: 119, ham: 121 })
  assert.equal((await second.send({ content: write('junk', 5000) })).findings['spam-score'], expected)
})

test('what is old counts less and less, and cannot be taken back', async (t) => {
  const options = { classifier: { minimum: 1, window: 100 } }
  const { run } = await startAntispam(t, { options })
  await run('antispam learn', { junk: true }, mbox('junk', 0, 80))
  await run('antispam learn', { ham: true }, mbox('ham', 0, 21))
  assert.deepEqual(await totals(run), { junk: 40, ham: 10 })
  await run('antispam learn', { ham: true }, write('junk', 0))
  assert.deepEqual(await totals(run), { junk: 40, ham: 11 })
})

test('how long it is known what was learnt from which message has an end', async (t) => {
  const { run, advance } = await startAntispam(t, { options: { classifier: { remember: '2 h' } } })
  await run('antispam learn', { junk: true }, write('junk', 1))
  await advance(4 * 3_600_000)
  assert.deepEqual(await run('antispam learn', { junk: true }, write('junk', 1)), [
    { messages: 1, learnt: 1, changed: 0, known: 0 },
  ])
})

test('learn wants to know what it is', async (t) => {
  const { run } = await startWithMailboxes(t)
  await assert.rejects(run('antispam learn', {}, 'x'), /either --junk or --ham/)
  await assert.rejects(run('antispam learn', { junk: true, ham: true }, 'x'), /either --junk or --ham/)
  await assert.rejects(run('antispam learn', { junk: true, account: 'nobody' }, 'x'), /no account nobody/)
})

// --- with mailboxes ---

const BLACK = { 'A 1.2.0.192.bl.test': ['127.0.0.2'] }

test('junk is filed into the mailbox for it, whatever its name, with its flag', async (t) => {
  const options = { lists: [{ zone: 'bl.test', score: 7 }] }
  const kernel = await startWithMailboxes(t, { zone: BLACK, options })
  const { send, deliver, entries, mail, mailbox } = kernel
  assert.equal((await send()).findings.junk, true)
  await deliver()
  assert.deepEqual(
    (await entries('bob', 'Junk')).map(({ flags }) => flags),
    [['$Junk']],
  )
  assert.equal((await entries('bob')).length, 0)
  allowed(await mail.rename(await mailbox('bob', 'Junk'), 'Unwanted'))
  await send()
  await send({ ip: '198.51.100.1' })
  await deliver()
  assert.equal((await entries('bob', 'Unwanted')).length, 2)
  assert.equal((await entries('bob')).length, 1)
})

test('it learns from what users move into Junk, out of it and into Archive; a move back changes what was said', async (t) => {
  const kernel = await startWithMailboxes(t, LEARNT)
  const { send, deliver, entries, mail, mailbox, run } = kernel
  for (const n of [1, 2, 3]) await send({ content: write('junk', n) })
  await deliver()
  const ALL = [[1, 4_294_967_295]] as const
  const move = async (from: string, to: string) =>
    allowed(await mail.move(await mailbox('bob', from), ALL, await mailbox('bob', to)))
  const isTotal = (account: string, junk: number, ham: number) => async () => {
    const found = await totals(run, account)
    return found?.junk === junk && found.ham === ham
  }
  await move('INBOX', 'Junk')
  await until(isTotal('', 3, 0))
  await until(isTotal('bob', 3, 0))
  await move('Junk', 'INBOX')
  await until(isTotal('', 0, 3))
  await move('INBOX', 'Junk')
  await until(isTotal('bob', 3, 0))
  // To be thrown away says nothing about it.
  await move('Junk', 'Trash')
  await move('Trash', 'Archive')
  await until(isTotal('bob', 0, 3))
  assert.equal((await entries('bob', 'Archive')).length, 3)
  assert.equal(await totals(run, 'ann'), undefined)
})

test('what one account has learnt is its own opinion; several recipients are judged one by one', async (t) => {
  const settings: Settings = { options: { classifier: { minimum: 30 }, thresholds: { tag: 0.5, junk: 1 } } }
  const { send, deliver, entries, run, content } = await startWithMailboxes(t, settings)
  // For everybody the words mean one thing, for Ann the contrary.
  await run('antispam learn', { junk: true }, mbox('junk', 0, 100))
  await run('antispam learn', { ham: true }, mbox('ham', 0, 100))
  await run('antispam learn', { ham: true, account: 'ann' }, mbox('junk', 200, 40))
  await run('antispam learn', { junk: true, account: 'ann' }, mbox('ham', 200, 40))
  const one = write('junk', 3001)
  assert.equal((await send({ content: one, to: 'bob@here.test' })).findings.junk, true)
  assert.equal((await send({ content: one, to: 'ann@here.test' })).findings.junk, undefined)
  const both = await send({ content: one, to: ['ann@here.test', 'bob@here.test'] })
  assert.equal(both.findings.junk, undefined)
  assert.equal(both.findings['junk-for'], 'bob')
  assert.ok((both.findings['spam-score'] as number) < 0)
  await deliver()
  const count = async (account: string, name?: string) => (await entries(account, name)).length
  assert.deepEqual([await count('bob', 'Junk'), await count('bob'), await count('ann')], [2, 0, 2])
  const [entry] = await entries('ann')
  assert.match(fieldsOf(await content(entry?.email ?? ''), 'X-Spam-Status')[0] ?? '', /^No, .*tests=classifier=-/)
})

// --- several kernels on one store ---

for (const [name, makeStore] of Object.entries(STORES))
  test(`what one kernel learns the others on the store know: ${name}`, async (t) => {
    const { store, clock } = await makeStore(t)
    const settings: Settings = { options: { classifier: { minimum: 5 } }, kernel: { store, clock } }
    const [a, b] = [await startAntispam(t, settings), await startAntispam(t, settings)]
    assert.deepEqual(await totals(b.run), { junk: 0, ham: 0 })
    await a.run('antispam learn', { junk: true }, mbox('junk', 0, 20))
    await a.run('antispam learn', { ham: true }, mbox('ham', 0, 20))
    assert.ok(await eventually(async () => (await totals(b.run))?.ham === 20))
    const content = write('junk', 5000)
    const score = (await a.send({ content })).findings['spam-score']
    assert.ok((score as number) > 1)
    assert.equal((await b.send({ content })).findings['spam-score'], score)
    // What one has taught the other takes back.
    await b.run('antispam learn', { ham: true }, write('junk', 0))
    assert.ok(await eventually(async () => (await totals(a.run))?.junk === 19))
    assert.deepEqual(await totals(a.run), { junk: 19, ham: 21 })
  })

test('kernels that learn, take back and classify in any order come to the same, also while counts are halved', async (t) => {
  for (let seed = 0; seed < 4; seed++) {
    const chance = seeded(seed)
    const { store, clock } = await (STORES.memory as MakeStore)(t)
    const classifier = { minimum: 1, window: seed % 2 === 0 ? 20_000 : 25 }
    // Reputation would change with each message that is sent to look.
    const options = { classifier, reputation: { good: 0, bad: 0 } }
    const settings: Settings = { options, kernel: { store, clock } }
    const kernels = [await startAntispam(t, settings), await startAntispam(t, settings)] as const
    const any = () => kernels[chance(2)] as (typeof kernels)[number]
    const work: Promise<unknown>[] = []
    for (let step = 0; step < 120; step++) {
      const content = write(chance(2) === 0 ? 'junk' : 'ham', chance(15))
      const { run, send } = any()
      work.push(
        chance(3) === 0 ? send({ content }) : run('antispam learn', { [chance(2) ? 'junk' : 'ham']: true }, content),
      )
      if (chance(4) === 0) await turn()
      if (chance(10) === 0) await clock.advance(1)
      if (chance(20) === 0) await Promise.all(work.splice(0))
    }
    await Promise.all(work)
    await goOn()
    const fresh = await startAntispam(t, settings)
    const [expected, ...found] = await Promise.all(
      [fresh, ...kernels].map(async ({ run, send }) => ({
        totals: await totals(run),
        score: (await send({ content: write('junk', 3) })).findings['spam-score'],
      })),
    )
    assert.deepEqual(found, [expected, expected], `seed ${seed}`)
  }
})
