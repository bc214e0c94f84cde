/**
 * In-memory state of the LevelDB store's lanes: their leases, and a cursor for each lane in use.
 *
 * Invariants: every key on disk up to a lane's cursor is leased, in `ready`, or gone; no key after it is due before
 * `rest`. Everything except the leases may be dropped at any time.
 */
import type { Key } from '../store.ts'
import type { Database } from './database.ts'
import { asBuffer, dueKey, laneEnd, laneStart, pointerKey, readDue, readTime } from './key-layout.ts'

/** A key that a commit schedules in a lane, or removes from it. */
export interface Move {
  readonly lane: string
  readonly key: Buffer
  readonly before: number | undefined
  readonly at: number | undefined
}

export interface Placed {
  readonly key: Buffer
  /** Its time on disk. */
  readonly at: number
}

interface Leased extends Placed {
  until: number
  readonly generation: number
}

export interface Lane {
  cursor: Buffer
  /** No key after the cursor is due earlier; UNKNOWN when the disk must be read. */
  rest: number
  readonly leases: Map<string, Leased>
  readonly ready: Map<string, Placed>
  /** The current read, and the moves during it that it may have missed. */
  filling: Promise<void> | undefined
  missed: Move[]
}

const UNKNOWN = Number.NEGATIVE_INFINITY
/** Keys read at a time, and the target size of `ready`. */
const WINDOW = 128
/** When more keys than this arrive before the cursor, they are read again from the disk instead. */
const WINDOW_MAX = 4096
/** Maximum lanes in memory, unless more have leases. */
const LANES = 10_000

export const nameOf = (key: Key): string => asBuffer(key).toString('latin1')
/** One string for a key in a lane. */
export const spotOf = (lane: string, name: string): string => `${lane}\0${name}`

export class LaneMemory {
  readonly #database: Database
  readonly #now: () => number
  /** In order of last use. */
  readonly #lanes = new Map<string, Lane>()

  constructor(database: Database, now: () => number) {
    this.#database = database
    this.#now = now
  }

  /** The lane as far as it is in memory; unlike `laneOf` this does not count as use. */
  peek(name: string): Lane | undefined {
    return this.#lanes.get(name)
  }

  all(): Iterable<[string, Lane]> {
    return this.#lanes
  }

  leaseOf(laneName: string, key: Key): Leased | undefined {
    return this.#lanes.get(laneName)?.leases.get(nameOf(key))
  }

  isLeased(laneName: string, key: Key): boolean {
    return (this.leaseOf(laneName, key)?.until ?? 0) > this.#now()
  }

  laneOf(name: string): Lane {
    const known = this.#lanes.get(name)
    const lane = known ?? {
      cursor: laneStart(name),
      rest: UNKNOWN,
      leases: new Map(),
      ready: new Map(),
      filling: undefined,
      missed: [],
    }
    if (known) this.#lanes.delete(name)
    else if (this.#lanes.size >= LANES) this.#forgetOldest()
    this.#lanes.set(name, lane)
    return lane
  }

  #forgetOldest(): void {
    let looked = 0
    for (const [name, lane] of this.#lanes) {
      this.#lanes.delete(name)
      if (lane.leases.size > 0 || lane.filling) this.#lanes.set(name, lane)
      if (++looked === 4) return
    }
  }

  rewind(name: string, lane: Lane): void {
    lane.cursor = laneStart(name)
    lane.rest = UNKNOWN
    lane.ready.clear()
  }

  /** A key's time on disk. */
  readAt(lane: string, key: Buffer): number | undefined {
    const pointer = this.#database.records.getSync(pointerKey(lane, key))
    return pointer && readTime(pointer)
  }

  place(lane: Lane, { lane: laneName, key, before, at }: Move): void {
    const name = nameOf(key)
    lane.ready.delete(name)
    if (before !== undefined && before === lane.rest) lane.rest = UNKNOWN
    if (at === undefined) return
    const entry = dueKey(laneName, at, key)
    if (entry.compare(lane.cursor) <= 0) {
      lane.ready.set(name, { key, at })
      if (lane.ready.size > WINDOW_MAX) this.rewind(laneName, lane)
    } else if (at < lane.rest && at <= this.#now() && lane.ready.size < WINDOW) {
      // The next key after the cursor, and due: no need to read it.
      lane.cursor = entry
      lane.ready.set(name, { key, at })
    } else if (at < lane.rest) lane.rest = at
  }

  /** Reads on from the cursor; due keys become ready. */
  async #fill(laneName: string, lane: Lane): Promise<void> {
    const when = this.#now()
    const entries = await this.#database.records.keys({ gt: lane.cursor, lt: laneEnd(laneName), limit: WINDOW }).all()
    lane.rest = entries.length < WINDOW ? Number.POSITIVE_INFINITY : UNKNOWN
    for (const entry of entries) {
      const { at, key } = readDue(entry)
      if (at > when) {
        lane.rest = at
        break
      }
      lane.cursor = entry
      if (!lane.leases.has(nameOf(key))) lane.ready.set(nameOf(key), { key, at })
    }
    // Keys that were moved during the read may have been read in their old place.
    for (const move of lane.missed.splice(0)) this.place(lane, move)
  }

  filled(laneName: string, lane: Lane): Promise<void> {
    lane.filling ??= this.#fill(laneName, lane).finally(() => {
      lane.filling = undefined
      // After a failed read, missed moves are on disk but may be on either side of the cursor.
      if (lane.missed.splice(0).length > 0) this.rewind(laneName, lane)
    })
    return lane.filling
  }

  // --- take ---
  async nextIn(laneName: string, lane: Lane): Promise<number | undefined> {
    for (;;) {
      let next = Number.POSITIVE_INFINITY
      for (const { until } of lane.leases.values()) next = Math.min(next, until)
      for (const { at } of lane.ready.values()) next = Math.min(next, at)
      const when = this.#now()
      if (lane.rest > when) next = Math.min(next, lane.rest)
      else if (next > when) {
        await this.filled(laneName, lane)
        continue
      }
      return next === Number.POSITIVE_INFINITY ? undefined : next
    }
  }
}
