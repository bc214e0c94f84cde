/**
 * The store in PostgreSQL: for several servers that work on the same mail. The parts are next to this file: session and
 * connections, schema, commits, reading, the due-list, blobs and notices.
 */
import type { Range, Store } from 'iems'
import { PostgresBlobs } from './blobs.ts'
import { Commits, type Move } from './commits.ts'
import { Connections, type ConnectionsOptions } from './connections.ts'
import { DueList } from './due-list.ts'
import { dumpDatabase } from './dump.ts'
import { Notices } from './notices.ts'
import { Getter, Reader } from './reading.ts'
import { migrate } from './schema.ts'

/** How often the clocks are compared and what is old is removed, ms. */
const CLOCK_MS = 10_000
const TIDY_MS = 300_000
/** How long the outcome of a commit is kept for a server that lost its connection, ms. */
const OUTCOMES_MS = 3_600_000
/** Differences below are the network's, ms. */
const JITTER_MS = 50

/** The database's clock, as this process knows it. */
class DatabaseClock {
  #ahead = Date.now() - performance.now()

  now = (): number => Math.floor(performance.now() + this.#ahead)

  /** It was so late a moment ago. */
  seen(at: number): void {
    if (Math.abs(at - this.now()) > JITTER_MS) this.#ahead = at - performance.now()
  }

  /** It was so late between these times of `performance.now()`. */
  measured(at: number, from: number, to: number): void {
    this.#ahead = at - (from + to) / 2
  }
}

/** Opens the store, and makes or changes its tables if need be. Throws IEMS_STORE_FAILED or IEMS_STORE_NEWER. */
export async function openStore(options: ConnectionsOptions): Promise<Store> {
  const connections = new Connections(options)
  try {
    await connections.run((session) => migrate(session, options.schema, options.describe))
  } catch (cause) {
    await connections.close()
    throw cause
  }
  const store = new PostgresStore(connections, options)
  await store.begin()
  return store.face()
}

class PostgresStore {
  readonly #connections: Connections
  readonly #clock = new DatabaseClock()
  readonly #notices: Notices
  readonly #commits: Commits
  readonly #getter: Getter
  readonly #reader: Reader
  readonly #dueList: DueList
  readonly #blobs: PostgresBlobs
  readonly #timers: NodeJS.Timeout[] = []
  #closing: Promise<void> | undefined

  constructor(connections: Connections, { schema, describe }: ConnectionsOptions) {
    this.#connections = connections
    this.#notices = new Notices(connections, schema)
    this.#commits = new Commits({ connections, done: (moves, at) => this.#done(moves, at) })
    this.#getter = new Getter(connections)
    this.#reader = new Reader(connections, describe)
    this.#dueList = new DueList(connections, this.#reader, (at) => this.#clock.seen(at))
    this.#blobs = new PostgresBlobs({ connections, now: this.#clock.now })
  }

  async begin(): Promise<void> {
    await this.#compareClocks()
    await this.#blobs.tidy()
    await this.#notices.ready
    const every = (ms: number, work: () => Promise<void>) =>
      this.#timers.push(setInterval(() => void work().catch(() => {}), ms).unref())
    every(CLOCK_MS, () => this.#compareClocks())
    every(TIDY_MS, () => this.#tidy())
  }

  face(): Store {
    const [dueList, blobs, notices] = [this.#dueList, this.#blobs, this.#notices]
    return {
      now: this.#clock.now,
      get: (key) => this.#getter.get(key),
      scan: (range) => this.#scan(range),
      commit: (ops, checks = []) => this.#commits.commit(ops, checks),
      take: async (lane, limit, leaseMs) => dueList.take(lane, limit, leaseMs),
      renew: async (lane, lease, leaseMs) => dueList.renew(lane, lease, leaseMs),
      lanes: (prefix) => dueList.lanes(prefix),
      dueAt: (lane, key) => dueList.dueAt(lane, key),
      isLeased: (lane, key) => dueList.isLeased(lane, key),
      due: (lane, limit) => dueList.due(lane, limit),
      watch: (prefix, wake) => notices.watch(prefix, wake),
      publish: (topic, hint) => notices.publish(topic, hint),
      subscribe: (topic, hear) => notices.subscribe(topic, hear),
      blobs: {
        stage: (source) => blobs.stage(source),
        open: (id, range) => blobs.open(id, range),
        size: (id) => blobs.size(id),
        adopt: (id, source) => blobs.adopt(id, source),
        remove: (id) => blobs.remove(id),
        list: (after) => blobs.list(after),
      },
      dump: () => dumpDatabase(this.#connections),
      close: () => this.#close(),
    }
  }

  async *#scan({ from, to, limit = Number.MAX_SAFE_INTEGER, reverse = false }: Range): ReturnType<Store['scan']> {
    const pages = this.#reader.read<{ readonly key: Buffer; readonly value: Buffer }>({
      name: reverse ? 'scan_back' : 'scan',
      text: `select key, value from records where key >= $1 and key < $2 order by key${reverse ? ' desc' : ''}`,
      values: [from, to],
      limit,
    })
    for await (const page of pages) for (const { key, value } of page) yield [key, value]
  }

  #done(moves: readonly Move[], at: number): void {
    this.#clock.seen(at)
    const next = new Map<string, number>()
    for (const { lane, in: ms } of moves)
      if (ms !== undefined) next.set(lane, Math.min(at + ms, next.get(lane) ?? Number.POSITIVE_INFINITY))
    if (next.size > 0) this.#notices.woken(next)
  }

  async #compareClocks(): Promise<void> {
    const from = performance.now()
    const [row] = await this.#connections.query<{ now: number }>({ name: 'now', text: 'select now_ms() as now' })
    if (row) this.#clock.measured(row.now, from, performance.now())
  }

  async #tidy(): Promise<void> {
    await this.#blobs.tidy()
    await this.#connections.query({ text: 'delete from outcomes where at < now_ms() - $1', values: [OUTCOMES_MS] })
  }

  #close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  async #end(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    await this.#commits.finish()
    await this.#notices.close()
    await this.#reader.close()
    await this.#connections.close()
  }
}
