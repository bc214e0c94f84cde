/**
 * The due-list of the LevelDB store. The disk has every key of a lane, ordered by time; which of them are leased only
 * memory knows, because there is one process: taking writes nothing, and after a crash all leases have ended.
 *
 * For each lane in use memory also has a cursor. What must stay true of it: every key on disk up to the cursor is
 * leased, or in `ready`, or gone; no key behind it is due before `rest`. So nobody wades again through what has gone,
 * and a lane that is kept up with is served without reading. All of it may be forgotten at any time but the leases.
 */

import type { Key, Lease, Store } from '../store.ts'
import type { Database } from './database.ts'
import {
  asBuffer,
  dueKey,
  laneEnd,
  laneStart,
  lanesEnd,
  lanesStart,
  pointerKey,
  readDue,
  readTime,
} from './key-layout.ts'

/** A key that a commit puts into a lane at a time, or takes out of it. */
export interface Move {
  readonly lane: string
  readonly key: Buffer
  readonly before: number | undefined
  readonly at: number | undefined
}

interface Placed {
  readonly key: Buffer
  /** Its time on disk. */
  readonly at: number
}

interface Leased extends Placed {
  until: number
  readonly generation: number
}

interface Lane {
  cursor: Buffer
  /** Nothing behind the cursor is due earlier; UNKNOWN when somebody has to look. */
  rest: number
  readonly leases: Map<string, Leased>
  readonly ready: Map<string, Placed>
  /** The reading under way, and what was moved meanwhile, which it may not have seen. */
  filling: Promise<void> | undefined
  missed: Move[]
}

interface Watcher {
  readonly prefix: string
  readonly wake: (lane: string, at: number) => void
}

export type DueList = ReturnType<typeof createDueList>

const UNKNOWN = Number.NEGATIVE_INFINITY
/** Keys that are read at once, and that a lane keeps in memory when it is kept up with. */
const WINDOW = 128
/** More than so many that came in behind the cursor are better read again from the disk. */
const WINDOW_MAX = 4096
/** Lanes that memory knows, unless more have leases. */
const LANES = 10_000
/** Keys of a lane that are read over before the next lane is sought. */
const SKIP_AFTER = 16

export const nameOf = (key: Key): string => asBuffer(key).toString('latin1')
/** One string for a key in a lane. */
export const spotOf = (lane: string, name: string): string => `${lane}\0${name}`

const byTime = (a: { readonly since: number; readonly placed: Placed }, b: typeof a) =>
  a.since - b.since || a.placed.key.compare(b.placed.key)

export function createDueList(database: Database, now: () => number) {
  const { records } = database
  /** In the order of their last use. */
  const lanes = new Map<string, Lane>()
  const watchers = new Set<Watcher>()
  /** What the batch under way moves, or found free: nobody may take that before it is known whether it happened. */
  let changing: { readonly spots: ReadonlySet<string>; readonly done: Promise<void> } | undefined
  /** Begins with the time, so that no lease of an earlier opening has the number of a later one. */
  let generation = now() * 1000

  // --- what memory knows ---

  const leaseOf = (laneName: string, key: Key) => lanes.get(laneName)?.leases.get(nameOf(key))
  const isLeased = (laneName: string, key: Key) => (leaseOf(laneName, key)?.until ?? 0) > now()

  function laneOf(name: string): Lane {
    const known = lanes.get(name)
    const lane = known ?? {
      cursor: laneStart(name),
      rest: UNKNOWN,
      leases: new Map(),
      ready: new Map(),
      filling: undefined,
      missed: [],
    }
    if (known) lanes.delete(name)
    else if (lanes.size >= LANES) forgetOldest()
    lanes.set(name, lane)
    return lane
  }

  function forgetOldest() {
    let looked = 0
    for (const [name, lane] of lanes) {
      lanes.delete(name)
      if (lane.leases.size > 0 || lane.filling) lanes.set(name, lane)
      if (++looked === 4) return
    }
  }

  function rewind(name: string, lane: Lane) {
    lane.cursor = laneStart(name)
    lane.rest = UNKNOWN
    lane.ready.clear()
  }

  /** A key's time on disk. */
  function readAt(lane: string, key: Buffer): number | undefined {
    const pointer = records.getSync(pointerKey(lane, key))
    return pointer && readTime(pointer)
  }

  function place(lane: Lane, { lane: laneName, key, before, at }: Move) {
    const name = nameOf(key)
    lane.ready.delete(name)
    if (before !== undefined && before === lane.rest) lane.rest = UNKNOWN
    if (at === undefined) return
    const entry = dueKey(laneName, at, key)
    if (entry.compare(lane.cursor) <= 0) {
      lane.ready.set(name, { key, at })
      if (lane.ready.size > WINDOW_MAX) rewind(laneName, lane)
    } else if (at < lane.rest && at <= now() && lane.ready.size < WINDOW) {
      // The next one behind the cursor, and due: as good as read.
      lane.cursor = entry
      lane.ready.set(name, { key, at })
    } else if (at < lane.rest) lane.rest = at
  }

  /** Reads on from the cursor: what is due becomes ready. */
  async function fill(laneName: string, lane: Lane): Promise<void> {
    const when = now()
    const entries = await records.keys({ gt: lane.cursor, lt: laneEnd(laneName), limit: WINDOW }).all()
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
    for (const move of lane.missed.splice(0)) place(lane, move)
  }

  function filled(laneName: string, lane: Lane): Promise<void> {
    lane.filling ??= fill(laneName, lane).finally(() => {
      lane.filling = undefined
      // After a failure, what was missed is still on disk, but nobody knows on which side of the cursor.
      if (lane.missed.splice(0).length > 0) rewind(laneName, lane)
    })
    return lane.filling
  }

  // --- take ---

  /** Leases what memory has, earliest first, into `taken`. True: something due is left alone because it is being changed. */
  function leaseReady(
    laneName: string,
    lane: Lane,
    { limit, leaseMs, taken }: { limit: number; leaseMs: number; taken: Lease[] },
  ): boolean {
    const when = now()
    const due: { readonly since: number; readonly placed: Placed }[] = []
    for (const lease of lane.leases.values()) if (lease.until <= when) due.push({ since: lease.until, placed: lease })
    for (const placed of lane.ready.values()) if (placed.at <= when) due.push({ since: placed.at, placed })
    let blocked = false
    for (const { placed } of due.sort(byTime)) {
      if (taken.length >= limit) break
      const { key, at } = placed
      const name = nameOf(key)
      if (changing?.spots.has(spotOf(laneName, name))) {
        blocked = true
        continue
      }
      const until = when + leaseMs
      lane.ready.delete(name)
      generation++
      lane.leases.set(name, { key, at, until, generation })
      taken.push({ key, until, generation })
    }
    return blocked
  }

  async function take(laneName: string, limit: number, leaseMs: number): Promise<readonly Lease[]> {
    const taken: Lease[] = []
    for (;;) {
      database.check()
      const lane = laneOf(laneName)
      const blocked = leaseReady(laneName, lane, { limit, leaseMs, taken })
      if (taken.length >= limit) return taken
      try {
        if (lane.rest <= now()) await filled(laneName, lane)
        // Coming back with nothing at once would have the caller ask again and again until the batch is written.
        else if (blocked && taken.length === 0) await changing?.done
        else return taken
      } catch (cause) {
        // What is leased already must reach somebody.
        if (taken.length > 0) return taken
        throw cause
      }
    }
  }

  // --- looking ---

  async function nextIn(laneName: string, lane: Lane): Promise<number | undefined> {
    for (;;) {
      let next = Number.POSITIVE_INFINITY
      for (const { until } of lane.leases.values()) next = Math.min(next, until)
      for (const { at } of lane.ready.values()) next = Math.min(next, at)
      const when = now()
      if (lane.rest > when) next = Math.min(next, lane.rest)
      else if (next > when) {
        await filled(laneName, lane)
        continue
      }
      return next === Number.POSITIVE_INFINITY ? undefined : next
    }
  }

  async function* list(prefix: string): ReturnType<Store['lanes']> {
    let from = lanesStart(prefix)
    const exact = lanes.get(prefix)
    if (exact) {
      const at = await nextIn(prefix, exact)
      if (at !== undefined) yield { lane: prefix, at }
      from = laneEnd(prefix)
    }
    await using entries = records.keys({ gte: from, lt: lanesEnd(prefix) })
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
      const known = lanes.get(lane)
      // Without leases the disk alone is right.
      const next = known && known.leases.size > 0 ? await nextIn(lane, known) : at
      if (next !== undefined) yield { lane, at: next }
    }
  }

  async function* due(laneName: string, limit: number): ReturnType<Store['due']> {
    const leases = new Map(lanes.get(laneName)?.leases)
    const leased = [...leases.values()]
      .map(({ key, until }) => ({ key, at: until, leased: until > now() }))
      .sort((a, b) => b.at - a.at)
    let left = limit
    for await (const entry of records.keys({ gte: laneStart(laneName), lt: laneEnd(laneName) })) {
      const { key, at } = readDue(entry)
      if (leases.has(nameOf(key))) continue
      for (let next = leased.at(-1); next && next.at <= at && left-- > 0; next = leased.at(-1)) {
        yield next
        leased.pop()
      }
      if (left-- <= 0) return
      yield { key, at, leased: false }
    }
    for (const one of leased.reverse()) {
      if (left-- <= 0) return
      yield one
    }
  }

  // --- commits ---

  function wake(moves: readonly Move[]) {
    const next = new Map<string, number>()
    for (const { lane, at } of moves) if (at !== undefined) next.set(lane, Math.min(at, next.get(lane) ?? at))
    for (const [lane, at] of next) {
      for (const watcher of watchers) {
        try {
          if (lane.startsWith(watcher.prefix)) watcher.wake(lane, at)
        } catch (cause) {
          // The commit is done, whatever somebody makes of it.
          process.emitWarning(cause instanceof Error ? cause : String(cause))
        }
      }
    }
  }

  return {
    take,
    lanes: list,
    due,
    renew(laneName: string, { key, generation: given }: Lease, leaseMs: number): Lease | undefined {
      const lease = leaseOf(laneName, key)
      if (lease?.generation !== given) return undefined
      lease.until = now() + leaseMs
      return { key, until: lease.until, generation: given }
    },
    holdsLease: (laneName: string, key: Key, given: number) => leaseOf(laneName, key)?.generation === given,
    isLeased,
    /** When the key falls due, or its lease ends. */
    dueAt(laneName: string, key: Key): number | undefined {
      return leaseOf(laneName, key)?.until ?? readAt(laneName, asBuffer(key))
    },
    /** The key's time on disk. */
    diskAt(laneName: string, key: Buffer): number | undefined {
      const lane = lanes.get(laneName)
      const name = nameOf(key)
      return (lane?.leases.get(name) ?? lane?.ready.get(name))?.at ?? readAt(laneName, key)
    },
    watch(prefix: string, wakeUp: Watcher['wake']): () => void {
      const watcher = { prefix, wake: wakeUp }
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    /** A batch that relies on these spots is being written; it is over when the answer is called, with the moves if it succeeded. */
    begin(spots: ReadonlySet<string>): (moves: readonly Move[]) => void {
      const { promise, resolve } = Promise.withResolvers<void>()
      changing = { spots, done: promise }
      return (moves) => {
        changing = undefined
        for (const move of moves) {
          const lane = lanes.get(move.lane)
          if (!lane) continue
          lane.leases.delete(nameOf(move.key))
          lane.ready.delete(nameOf(move.key))
          if (lane.filling) lane.missed.push(move)
          else place(lane, move)
        }
        resolve()
        wake(moves)
      }
    },
    /** The database was opened again, and nobody knows whether the failed batch is in it: the disk is asked anew. */
    reload(): void {
      for (const [laneName, lane] of lanes) {
        rewind(laneName, lane)
        for (const [name, { key, at }] of lane.leases) if (readAt(laneName, key) !== at) lane.leases.delete(name)
      }
    },
  }
}
