/**
 * The full-text index loses nothing when it, or the whole server, ends without a word.
 *
 * Started with a folder, this file is the process to be killed: it stores emails, each with its due entry in one commit,
 * says the name of each on stdout when the store has answered, indexes them meanwhile, and says so when it begins to.
 * With `deadly` it indexes what is there and ends, unless it reads the email that kills it.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { type Clock, key, type Log, type Store, unkey } from '../../core/index.ts'
import { levelStore } from '../../core/store/level/level.ts'
import { Indexer } from '../../plugins/mailbox/store/search/indexer.ts'
import { indexOp, laneOf } from '../../plugins/mailbox/store/search/registry.ts'
import { openIndex, type SearchIndex } from '../../plugins/mailbox/store/search/search-index.ts'
import type { SearchText } from '../../plugins/mailbox/store/search/text.ts'

const LANE = laneOf('test')
const quietLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
const clock: Clock = {
  now: () => Date.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms)
    return () => clearTimeout(timer)
  },
}
const EMPTY: SearchText = { from: '', to: '', cc: '', bcc: '', subject: '', headers: '', body: '', attachments: '' }
const textOf = (email: string): SearchText => ({ ...EMPTY, body: `${email} ${'and so on '.repeat(200)}` })

function openTestIndex(path: string): SearchIndex {
  return openIndex({ path, maxText: 1_000_000, maxWords: 1000, searchMs: 20_000, log: quietLog })
}

const DEADLY = 'deadly'

function startIndexer(store: Store, index: SearchIndex, log = quietLog) {
  const indexer = new Indexer({
    id: 'test',
    store,
    index,
    clock,
    log,
    async load(email) {
      if (!(await store.get(key('t', email)))) return undefined
      return { accounts: ['ann'], text: async () => ({ text: email === DEADLY ? die() : textOf(email) }) }
    },
    async *all() {
      for await (const [at] of store.scan({ from: key('t'), to: key('u') })) yield unkey(at)[1] as string
    },
  })
  indexer.start()
  return indexer
}

function die(): never {
  process.kill(process.pid, 'SIGKILL')
  // The signal is on its way: nothing may be written meanwhile.
  for (;;);
}

const BEGINS = '+'

/** A pipe that is full is waited for: what was not said has not happened. */
function say(text: string): void {
  for (;;) {
    try {
      writeSync(1, text)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

async function indexAll(folder: string): Promise<void> {
  const store = await levelStore({ path: join(folder, 'store') })
  const index = openTestIndex(join(folder, 'search.sqlite'))
  const log: Log = { ...quietLog, error: (text, fields) => say(`${text} ${JSON.stringify(fields)}\n`) }
  const indexer = startIndexer(store, index, log)
  while (!(await isEmpty(store))) await pause(20)
  await indexer.stop()
  await index.close()
  await store.close()
}

async function storeAndIndex(folder: string, round: string): Promise<void> {
  const store = await levelStore({ path: join(folder, 'store') })
  const index = openTestIndex(join(folder, 'search.sqlite'))
  startIndexer(store, {
    ...index,
    add(documents) {
      say(`${BEGINS}\n`)
      return index.add(documents)
    },
  })
  for (let number = 0; ; number++) {
    const email = `r${round}n${number}`
    await store.commit([{ put: key('t', email), value: Buffer.from('x') }, indexOp(email, LANE)])
    say(`${email}\n`)
    // Enough at once for several full batches.
    if (number % 20 === 19) await pause(number < 2000 ? 1 : 20)
  }
}

/** Runs the process until it begins to index for the so-manieth time and some ms more, and kills it. */
async function runUntil(begins: number, ms: number, [folder, round]: readonly [string, number]): Promise<string[]> {
  const child = spawn(process.execPath, ['--conditions=source', import.meta.filename, folder, `${round}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const names: string[] = []
  let count = 0
  for await (const line of createInterface({ input: child.stdout })) {
    if (line !== BEGINS) names.push(line)
    else if (++count === begins) setTimeout(() => child.kill('SIGKILL'), ms)
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  assert.equal(child.signalCode, 'SIGKILL')
  return names
}

async function isEmpty(store: Store): Promise<boolean> {
  for await (const _ of store.due(LANE, 1)) return false
  return true
}

async function checkAll(index: SearchIndex, emails: readonly string[]): Promise<void> {
  assert.deepEqual(await index.missing('ann', emails), [])
  for (const email of emails.filter((_, at) => at % 50 === 0)) {
    const conditions = [{ fields: ['body'], text: email.toUpperCase(), how: 'words' }] as const
    const page = await index.search({ account: 'ann', conditions, limit: 100_000 })
    assert.ok(
      page?.hits.some((hit) => hit.email === email),
      `${email} is not found`,
    )
  }
}

const [folder, round] = process.argv.slice(2)
if (folder !== undefined && round === DEADLY) await indexAll(folder)
else if (folder !== undefined) await storeAndIndex(folder, round ?? '0')
else {
  test('an email that kills the process is read twice and then given up, and the others are found', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'iems-search-crash-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    const emails = ['first', 'second', DEADLY, 'third', 'fourth']
    const before = await levelStore({ path: join(folder, 'store') })
    for (const email of emails)
      await before.commit([{ put: key('t', email), value: Buffer.from('x') }, indexOp(email, LANE)])
    await before.close()
    const runs = Array.from({ length: 3 }, () =>
      spawnSync(process.execPath, ['--conditions=source', import.meta.filename, folder, DEADLY], {
        encoding: 'utf8',
        timeout: 60_000,
      }),
    )
    assert.deepEqual(
      runs.map(({ signal, status }) => signal ?? status),
      ['SIGKILL', 'SIGKILL', 0],
    )
    assert.match(runs[2]?.stdout ?? '', /^an email is not indexed, .*"deadly"/)
    const store = await levelStore({ path: join(folder, 'store') })
    t.after(() => store.close())
    const index = openTestIndex(join(folder, 'search.sqlite'))
    t.after(() => index.close())
    const search = async (text: string) =>
      (await index.search({ account: 'ann', conditions: [{ fields: ['body'], text, how: 'words' }], limit: 9 }))?.hits
    for (const email of emails.filter((one) => one !== DEADLY))
      assert.deepEqual(
        (await search(email))?.map((hit) => hit.email),
        [email],
      )
    assert.deepEqual(await search(DEADLY), [])
    assert.deepEqual(await Array.fromAsync(store.scan({ from: key('i'), to: key('j') })), [])
  })

  test('whenever the process is killed, every email that was stored is found afterwards', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'iems-search-crash-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    const stored: string[] = []
    // In the middle of the second batch, and about when the worker has written it.
    for (const [round, ms] of [0, 20, 60, 100, 150, 0].entries())
      stored.push(...(await runUntil(2, ms, [folder, round])))
    const store = await levelStore({ path: join(folder, 'store') })
    t.after(() => store.close())
    const index = openTestIndex(join(folder, 'search.sqlite'))
    t.after(() => index.close())
    const before = (await index.state()).documents
    assert.ok(before > 0 && before < stored.length, 'all or nothing was indexed when it was killed: that tells nothing')
    const indexer = startIndexer(store, index)
    t.after(() => indexer.stop())
    const end = Date.now() + 60_000
    while (!(await isEmpty(store))) {
      assert.ok(Date.now() < end, 'emails still wait to be indexed')
      await pause(20)
    }
    await checkAll(index, stored)
    const { documents, isWhole } = await index.state()
    assert.ok(isWhole)
    assert.ok(documents >= stored.length)
  })

  test('a worker that dies is started again, and what it had not done is done', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'iems-search-crash-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    const workers: Worker[] = []
    const note = (worker: Worker) => void workers.push(worker)
    process.on('worker', note)
    t.after(() => process.off('worker', note))
    const index = openTestIndex(join(folder, 'search.sqlite'))
    t.after(() => index.close())
    const emails = Array.from({ length: 3000 }, (_, number) => `n${number}`)
    for (let start = 0; start < emails.length; start += 600) {
      const some = emails.slice(start, start + 600)
      const added = index.add(some.map((email) => ({ email, accounts: ['ann'], text: textOf(email) })))
      await index.state()
      await workers.at(-1)?.terminate()
      await added
    }
    assert.ok(workers.length > 3)
    await checkAll(index, emails)
    assert.equal((await index.state()).documents, emails.length)
  })

  test('a worker that keeps dying is left alone for a while, and its callers are told', async (t) => {
    const workers: Worker[] = []
    const end = (worker: Worker) => {
      workers.push(worker)
      void worker.terminate()
    }
    process.on('worker', end)
    t.after(() => process.off('worker', end))
    const index = openTestIndex(':memory:')
    t.after(() => index.close())
    await assert.rejects(index.state(), /the search index failed/)
    await assert.rejects(index.state(), /cannot be used at the moment/)
    assert.equal(workers.length, 2)
    process.off('worker', end)
    const deadline = Date.now() + 10_000
    while (Date.now() < deadline) {
      const state = await index.state().catch(() => undefined)
      if (state) break
      await pause(20)
    }
    assert.equal((await index.state()).documents, 0)
  })
}
