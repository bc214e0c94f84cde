/**
 * kill -9 while one kernel, or three, work on mailboxes: afterwards every acknowledged change is there, no UID was used
 * twice, nothing is missing and nothing is left. KILLS says how often; a few by default.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { ACCOUNT_NAMES, openMail } from '../support/mailing-process.ts'
import { startPostgres, whyNoPostgres } from '../support/postgres.ts'
import { tempFolder } from '../support/running-server.ts'

const KILLS = Number(process.env.KILLS ?? 4)
const DAY = 86_400_000
const ALL = [[1, 4_294_967_295]] as const

interface State {
  readonly account?: string
  readonly mailbox?: string
  readonly flags?: readonly string[]
  readonly gone?: boolean
}

interface Line extends State {
  readonly ready?: boolean
  readonly begun?: string
  readonly done?: string
  readonly delivered?: boolean
  readonly id?: string
  readonly uid?: number
  readonly exported?: string
  readonly killed?: boolean
}

/** What each message was last said to be, and what it may have become since. */
interface Known {
  done?: State | undefined
  begun?: State | undefined
}

interface Seen {
  readonly messages: Map<string, Known>
  readonly delivered: Set<string>
  /** Whose each UID was. */
  readonly uids: Map<string, string>
  /** Accounts that were written out whole while they were worked on. */
  exports: number
  /** Threads that were ended while others went on. */
  threads: number
}

function take(line: Line, seen: Seen): void {
  if (line.exported !== undefined) seen.exports++
  else if (line.killed) seen.threads++
  else if (!line.ready) note(line, seen)
}

function note(line: Line, { messages, delivered, uids }: Seen): void {
  const subject = line.begun ?? line.done ?? ''
  if (line.delivered) return void delivered.add(subject)
  const known = messages.get(subject) ?? {}
  messages.set(subject, known)
  if (line.begun !== undefined) known.begun = line
  else Object.assign(known, { done: line, begun: undefined })
  if (line.uid === undefined) return
  const name = `${line.id} ${line.uid}`
  assert.ok(!uids.has(name), `UID ${name} was given to ${uids.get(name)} and to ${subject}`)
  uids.set(name, subject)
}

interface Work {
  readonly lines: number
  readonly kernels: number
}

/** Threads of a process that die before the process does. */
const THREADS = 2

/** Lets a process work for a while, then kills it. */
async function workAndKill(place: string, seed: number, seen: Seen, { lines, kernels }: Work): Promise<void> {
  const script = join(import.meta.dirname, '../support/mailing-process.ts')
  const child = spawn(process.execPath, ['--conditions=source', script, place, String(seed), String(kernels)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let left = Math.floor(lines / 8 + Math.random() * lines)
  const threads = seen.threads + (kernels > 1 ? THREADS : 0)
  for await (const text of createInterface({ input: child.stdout })) {
    // The last line may be cut off.
    if (text.endsWith('}')) take(JSON.parse(text) as Line, seen)
    if (--left <= 0 && seen.threads >= threads) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  assert.equal(child.signalCode, 'SIGKILL', 'it ended by itself')
}

const same = (wanted: State | undefined, found: State | undefined) =>
  wanted === undefined || wanted.gone
    ? found === undefined
    : found?.account === wanted.account &&
      found?.mailbox === wanted.mailbox &&
      JSON.stringify(found?.flags) === JSON.stringify(wanted.flags)

async function verify(place: string, { messages, delivered }: Seen): Promise<number> {
  const ends: (() => Promise<void>)[] = []
  let ahead = 0
  const { kernel, mail, store } = await openMail(
    place,
    (end) => ends.push(end),
    () => Date.now() + ahead,
  )
  const command = (words: string, ...given: string[]) =>
    Array.fromAsync(
      kernel.kernel.commands.get(words)?.run({
        arguments: given,
        options: {},
        input: (async function* () {})(),
        signal: new AbortController().signal,
      }) ?? [],
    )
  try {
    // Deliveries under way when it was killed are due again when their leases end.
    kernel.kernel.run()
    while ((await kernel.queue.count()) > 0) await new Promise((resolve) => setTimeout(resolve, 50))
    const found = new Map<string, State[]>()
    const emails = new Set<string>()
    for (const account of ACCOUNT_NAMES) {
      for (const mailbox of await mail.mailboxes(account)) {
        for await (const entry of mail.entries(mailbox, ALL)) {
          const email = await mail.email(entry.email)
          assert.ok(email, `the email of ${mailbox.name} ${entry.uid} is missing`)
          const content = Buffer.concat(await Array.fromAsync(email.open())).toString()
          assert.equal(content.length, entry.size)
          const subject = /^Subject: (.*)\r$/m.exec(content)?.[1] as string
          const place = { account, mailbox: mailbox.name, flags: entry.flags }
          found.set(subject, [...(found.get(subject) ?? []), place])
          emails.add(entry.email.slice(0, entry.email.lastIndexOf('-')))
        }
      }
    }
    for (const [subject, { done, begun }] of messages) {
      const states = found.get(subject) ?? []
      assert.ok(states.length <= 1, `${subject} is there ${states.length} times`)
      const fits = same(done, states[0]) || (begun !== undefined && same(begun, states[0]))
      assert.ok(fits, `${subject}: said ${JSON.stringify({ done, begun })}, found ${JSON.stringify(states)}`)
      // What it has become is what the next kill must leave.
      messages.set(subject, { done: states[0] ?? { gone: true } })
    }
    for (const subject of delivered)
      assert.deepEqual((found.get(subject) ?? []).map(({ account }) => account).sort(), ACCOUNT_NAMES, subject)
    for (const account of ACCOUNT_NAMES)
      assert.match(JSON.stringify((await command('mailbox check', account)).at(-1)), /0 problems found/)
    // The database's clock cannot be changed from here.
    if (place.startsWith('postgres:')) return found.size
    // Bodies that no record came to name are left alone for a day.
    ahead = 2 * DAY
    await command('mailbox sweep')
    await kernel.kernel.sweep(new AbortController().signal)
    // Bodies are removed beside the commits that let go of them.
    const blobs = async () => (await Array.fromAsync(store.blobs.list())).length
    for (let tries = 0; tries < 100 && (await blobs()) !== emails.size; tries++)
      await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal(await blobs(), emails.size, 'a body is left, or missing')
    return found.size
  } finally {
    for (const end of ends) await end()
    await store.close()
  }
}

test(`every acknowledged change of a mailbox survives ${KILLS} kills`, {
  timeout: 30_000 + KILLS * 15_000,
}, async (t) => {
  const folder = join(await tempFolder(t), 'data')
  const seen: Seen = { messages: new Map(), delivered: new Set(), uids: new Map(), exports: 0, threads: 0 }
  let left = 0
  for (let kill = 1; kill <= KILLS; kill++) {
    await workAndKill(folder, kill, seen, { lines: 1000, kernels: kill % 2 === 0 ? 3 : 1 })
    left = await verify(folder, seen)
  }
  t.diagnostic(
    `${seen.messages.size} messages worked on, ${seen.delivered.size} delivered, ${left} left, ${seen.exports} exports, ${KILLS} kills of the process and ${seen.threads} of threads`,
  )
})

test(`three servers on one database work on the same mailboxes and are killed, ${3 * Math.ceil(KILLS / 4)} times in all`, {
  skip: whyNoPostgres(),
  timeout: 60_000 + KILLS * 90_000,
}, async (t) => {
  const postgres = await startPostgres(t)
  const seen: Seen = { messages: new Map(), delivered: new Set(), uids: new Map(), exports: 0, threads: 0 }
  let left = 0
  for (let kill = 1; kill <= Math.ceil(KILLS / 4); kill++) {
    const seeds = [3 * kill, 3 * kill + 1, 3 * kill + 2]
    await Promise.all(seeds.map((seed) => workAndKill(postgres.url(), seed, seen, { lines: 200, kernels: 1 })))
    left = await verify(postgres.url(), seen)
  }
  t.diagnostic(`${seen.messages.size} messages worked on, ${seen.delivered.size} delivered, ${left} left`)
})
