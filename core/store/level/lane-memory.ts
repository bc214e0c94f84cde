/**
 * What memory knows of the LevelDB store's lanes: their leases, and for each lane in use a cursor.
 *
 * Invariants: every key on disk up to a lane's cursor is leased, or in `ready`, or gone; no key behind it is due before
 * `rest`. All of it may be forgotten at any time but the leases.
 */
import type { Key } from '../store.ts'
import type { Database } from './database.ts'
import { asBuffer, dueKey, laneEnd, laneStart, pointerKey, readDue, readTime } from './key-layout.ts'

/** A key that a commit puts into a lane at a time, or takes out of it. */
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
  /** Nothing behind the cursor is due earlier; UNKNOWN when somebody has to look. */
  rest: number
  readonly leases: Map<string, Leased>
  readonly ready: Map<string, Placed>
  /** The reading under way, and what was moved meanwhile, which it may not have seen. */
  filling: Promise<void> | undefined
  missed: Move[]
}

const UNKNOWN = Number.NEGATIVE_INFINITY
/** Keys that are read at once, and that a lane keeps in memory when it is kept up with. */
const WINDOW = 128
/** More than so many that came in behind the cursor are better read again from the disk. */
const WINDOW_MAX = 4096
/** Lanes that memory knows, unless more have leases. */
const LANES = 10_000

export const nameOf = (key: Key): string => asBuffer(key).toString('latin1')
/** One string for a key in a lane. */
export const spotOf = (lane: string, name: string): string => `${lane}\0${name}`

export class LaneMemory {
  readonly #database: Database
  readonly #now: () => number
  /** In the order of their last use. */
  readonly #lanes = new Map<string, Lane>()

  constructor(database: Database, now: () => number) {
    this.#database = database
    this.#now = now
  }

  /** The lane as far as it is known, and unlike `laneOf` without counting as a use. */
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
      // The next one behind the cursor, and due: as good as read.
      lane.cursor = entry
      lane.ready.set(name, { key, at })
    } else if (at < lane.rest) lane.rest = at
  }

  /** Reads on from the cursor: what is due becomes ready. */
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
    // What was moved while we were reading may stand in the old place.
    for (const move of lane.missed.splice(0)) this.place(lane, move)
  }

  filled(laneName: string, lane: Lane): Promise<void> {
    lane.filling ??= this.#fill(laneName, lane).finally(() => {
      lane.filling = undefined
      // After a failure, what was missed is still on disk, but nobody knows on which side of the cursor.
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
