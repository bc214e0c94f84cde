/**
 * The due-list of the LevelDB store. The disk holds every key of a lane in time order; leases are only in memory,
 * because there is a single process: `take` writes nothing, and a crash ends all leases.
 */
import type { Key, Lease, Scheduled, Store } from '../store.ts'
import type { Database } from './database.ts'
import { asBuffer, laneEnd, laneStart, lanesEnd, lanesStart, readDue } from './key-layout.ts'
import { type Lane, LaneMemory, type Move, nameOf, type Placed, spotOf } from './lane-memory.ts'
import { pagesOf } from './pages.ts'

interface Watcher {
  readonly prefix: string
  readonly wake: (lane: string, at: number) => void
}

/** Maximum keys read past before seeking the next lane. */
const SKIP_AFTER = 16

const byTime = (a: { readonly since: number; readonly placed: Placed }, b: typeof a) =>
  a.since - b.since || a.placed.key.compare(b.placed.key)

export class DueList {
  readonly #database: Database
  readonly #now: () => number
  readonly #memory: LaneMemory
  readonly #watchers = new Set<Watcher>()
  /** Spots that the current batch moves or found free: they cannot be taken until its result is known. */
  #changing: { readonly spots: ReadonlySet<string>; readonly done: Promise<void> } | undefined
  #generation: number

  constructor(database: Database, now: () => number) {
    this.#database = database
    this.#now = now
    this.#memory = new LaneMemory(database, now)
    // Starts from the time, so that generations never repeat after a restart.
    this.#generation = now() * 1000
  }

  isLeased(lane: string, key: Key): boolean {
    return this.#memory.isLeased(lane, key)
  }

  /**
   * Leases ready keys from memory, earliest first, into `taken`. True: a due key is skipped because a batch is changing
   * it.
   */
  #leaseReady(
    laneName: string,
    lane: Lane,
    { limit, leaseMs, taken }: { limit: number; leaseMs: number; taken: Lease[] },
  ): boolean {
    const when = this.#now()
    const due: { readonly since: number; readonly placed: Placed }[] = []
    for (const lease of lane.leases.values()) if (lease.until <= when) due.push({ since: lease.until, placed: lease })
    for (const placed of lane.ready.values()) if (placed.at <= when) due.push({ since: placed.at, placed })
    let blocked = false
    for (const { placed } of due.sort(byTime)) {
      if (taken.length >= limit) break
      const { key, at } = placed
      const name = nameOf(key)
      if (this.#changing?.spots.has(spotOf(laneName, name))) {
        blocked = true
        continue
      }
      const until = when + leaseMs
      lane.ready.delete(name)
      this.#generation++
      lane.leases.set(name, { key, at, until, generation: this.#generation })
      taken.push({ key, until, generation: this.#generation })
    }
    return blocked
  }

  async take(laneName: string, limit: number, leaseMs: number): Promise<readonly Lease[]> {
    const taken: Lease[] = []
    for (;;) {
      this.#database.check()
      const lane = this.#memory.laneOf(laneName)
      const blocked = this.#leaseReady(laneName, lane, { limit, leaseMs, taken })
      if (taken.length >= limit) return taken
      try {
        if (lane.rest <= this.#now()) await this.#memory.filled(laneName, lane)
        // Otherwise the caller would retry in a busy loop until the batch is written.
        else if (blocked && taken.length === 0) await this.#changing?.done
        else return taken
      } catch (cause) {
        // Keys that are already leased must be returned.
        if (taken.length > 0) return taken
        throw cause
      }
    }
  }

  async *lanes(prefix: string): ReturnType<Store['lanes']> {
    let from = lanesStart(prefix)
    const exact = this.#memory.peek(prefix)
    if (exact) {
      const at = await this.#memory.nextIn(prefix, exact)
      if (at !== undefined) yield { lane: prefix, at }
      from = laneEnd(prefix)
    }
    await using entries = this.#database.records.keys({ gte: from, lt: lanesEnd(prefix) })
    let last: string | undefined
    let skipped = 0
    for (let entry = await entries.next(); entry; entry = await entries.next()) {
      const { lane, at } = readDue(entry)
      if (lane === last) {
        if (++skipped === SKIP_AFTER) entries.seek(laneEnd(lane))
        continue
      }
      last = lane
      skipped = 0
      const known = this.#memory.peek(lane)
      // Without leases the disk is authoritative.
      const next = known && known.leases.size > 0 ? await this.#memory.nextIn(lane, known) : at
      if (next !== undefined) yield { lane, at: next }
    }
  }

  /** In pages. */
  async *due(laneName: string, limit: number): AsyncGenerator<readonly Scheduled[]> {
    const leases = new Map(this.#memory.peek(laneName)?.leases)
    const leased = [...leases.values()]
      .map(({ key, until }) => ({ key, at: until, leased: until > this.#now() }))
      .sort((a, b) => b.at - a.at)
    let left = limit
    const keys = this.#database.records.keys({ gte: laneStart(laneName), lt: laneEnd(laneName) })
    for await (const entries of pagesOf(keys)) {
      const page: Scheduled[] = []
      for (const entry of entries) {
        const { key, at } = readDue(entry)
        if (leases.has(nameOf(key))) continue
        for (let next = leased.at(-1); next && next.at <= at; next = leased.at(-1)) {
          page.push(next)
          leased.pop()
        }
        page.push({ key, at, leased: false })
      }
      yield page.slice(0, left)
      left -= page.length
      if (left <= 0) return
    }
    if (leased.length > 0) yield leased.reverse().slice(0, left)
  }

  #wake(moves: readonly Move[]): void {
    const next = new Map<string, number>()
    for (const { lane, at } of moves) if (at !== undefined) next.set(lane, Math.min(at, next.get(lane) ?? at))
    for (const [lane, at] of next) {
      for (const watcher of this.#watchers) {
        try {
          if (lane.startsWith(watcher.prefix)) watcher.wake(lane, at)
        } catch (cause) {
          // The commit is done, even if a watcher throws.
          process.emitWarning(cause instanceof Error ? cause : String(cause))
        }
      }
    }
  }

  renew(laneName: string, { key, generation: given }: Lease, leaseMs: number): Lease | undefined {
    const lease = this.#memory.leaseOf(laneName, key)
    if (lease?.generation !== given) return undefined
    lease.until = this.#now() + leaseMs
    return { key, until: lease.until, generation: given }
  }

  holdsLease(laneName: string, key: Key, given: number): boolean {
    return this.#memory.leaseOf(laneName, key)?.generation === given
  }

  /** When the key is due, or its lease ends. */
  dueAt(laneName: string, key: Key): number | undefined {
    return this.#memory.leaseOf(laneName, key)?.until ?? this.#memory.readAt(laneName, asBuffer(key))
  }

  /** The key's time on disk. */
  diskAt(laneName: string, key: Buffer): number | undefined {
    const lane = this.#memory.peek(laneName)
    const name = nameOf(key)
    return (lane?.leases.get(name) ?? lane?.ready.get(name))?.at ?? this.#memory.readAt(laneName, key)
  }

  watch(prefix: string, wakeUp: Watcher['wake']): () => void {
    const watcher = { prefix, wake: wakeUp }
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /**
   * Marks spots that a batch in progress relies on. Call the returned function at its end, with the moves if it
   * succeeded.
   */
  begin(spots: ReadonlySet<string>): (moves: readonly Move[]) => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#changing = { spots, done: promise }
    return (moves) => {
      this.#changing = undefined
      for (const move of moves) {
        const lane = this.#memory.peek(move.lane)
        if (!lane) continue
        lane.leases.delete(nameOf(move.key))
        lane.ready.delete(nameOf(move.key))
        if (lane.filling) lane.missed.push(move)
        else this.#memory.place(lane, move)
      }
      resolve()
      this.#wake(moves)
    }
  }

  /** Reads the disk again after the database was reopened, because the failed batch may or may not be in it. */
  reload(): void {
    for (const [laneName, lane] of this.#memory.all()) {
      this.#memory.rewind(laneName, lane)
      for (const [name, { key, at }] of lane.leases)
        if (this.#memory.readAt(laneName, key) !== at) lane.leases.delete(name)
    }
  }
}
