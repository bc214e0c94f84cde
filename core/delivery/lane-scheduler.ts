/**
 * Chooses the lane that a channel's loop serves next. A lane is one next hop at one priority; all state is in memory
 * and can be rebuilt from the store.
 *
 * Invariants: a slow, full or rate-limited next hop never delays another; a higher priority goes first but does not
 * starve a lower one; memory grows with the number of next hops, not of messages.
 */
import type { Priority } from '../api/hooks.ts'
import { readLane } from '../queue/records.ts'

/** The priority that goes first in each of twelve slots: urgent mail overtakes, and bulk mail never starves. */
const PRIORITY_SLOTS: readonly Priority[] = [
  'urgent',
  'urgent',
  'normal',
  'urgent',
  'urgent',
  'normal',
  'urgent',
  'bulk',
  'urgent',
  'normal',
  'urgent',
  'urgent',
]
const ORDER: readonly Priority[] = ['urgent', 'normal', 'bulk']
/** Maximum deliveries taken from one lane at a time. */
const TURN_SIZE = 20

export interface Lane {
  readonly name: string
  readonly nexthop: string
  readonly priority: Priority
  readonly hop: Hop
  /** Waiting to be served, or for a free slot at its next hop. */
  queued: boolean
  /** A `take` is running; deliveries that become due meanwhile are remembered. */
  taking: boolean
  again: boolean
  /** The time under which it is in the heap. */
  at: number
}

interface Hop {
  active: number
  /** With a rate limit: not before this time. */
  nextAt: number
  readonly full: Lane[]
}

export interface LanesDeps {
  /** The store's clock, which decides when lanes are due. */
  readonly now: () => number
  readonly perNextHop: number
  /** Minimum ms between two deliveries to one next hop; 0 for no limit. */
  readonly gapMs: number
  /** Whether a next hop gets nothing while anything of a higher priority is ready for it. */
  readonly isOrdered: (nexthop: string) => boolean
}

export class Lanes {
  readonly #deps: LanesDeps
  readonly #lanes = new Map<string, Lane>()
  readonly #hops = new Map<string, Hop>()
  readonly #ready: Record<Priority, Lane[]> = { urgent: [], normal: [], bulk: [] }
  readonly #future = createHeap()
  #turn = 0

  constructor(deps: LanesDeps) {
    this.#deps = deps
  }

  #laneOf(name: string): Lane | undefined {
    const known = this.#lanes.get(name)
    if (known) return known
    const parts = readLane(name)
    if (!parts || parts.held) return undefined
    const hop: Hop = this.#hops.get(parts.nexthop) ?? { active: 0, nextAt: 0, full: [] }
    this.#hops.set(parts.nexthop, hop)
    const lane: Lane = {
      name,
      nexthop: parts.nexthop,
      priority: parts.priority,
      hop,
      queued: false,
      taking: false,
      again: false,
      at: Number.POSITIVE_INFINITY,
    }
    this.#lanes.set(name, lane)
    return lane
  }

  #enqueue(lane: Lane): void {
    if (lane.taking) lane.again = true
    else if (!lane.queued) {
      lane.queued = true
      this.#ready[lane.priority].push(lane)
    }
  }

  /** Records that a delivery in this lane becomes due at that time. */
  add(name: string, at: number): void {
    const lane = this.#laneOf(name)
    if (!lane) return
    if (at <= this.#deps.now()) this.#enqueue(lane)
    else if (at < lane.at) {
      lane.at = at
      this.#future.push(at, lane)
    }
  }

  #promote(): void {
    const due = this.#deps.now()
    for (let top = this.#future.peek(); top && top.at <= due; top = this.#future.peek()) {
      this.#future.pop()
      if (top.lane.at !== top.at) continue
      top.lane.at = Number.POSITIVE_INFINITY
      this.#enqueue(top.lane)
    }
  }

  /** Takes the first ready lane of a priority; of a next hop that is served in order, its most urgent lane instead. */
  #first(priority: Priority): Lane | undefined {
    const [lane] = this.#ready[priority]
    if (!lane || !this.#deps.isOrdered(lane.nexthop)) return this.#ready[priority].shift()
    for (const higher of ORDER.slice(0, ORDER.indexOf(priority))) {
      const at = this.#ready[higher].findIndex(({ hop }) => hop === lane.hop)
      if (at >= 0) return this.#ready[higher].splice(at, 1)[0]
    }
    return this.#ready[priority].shift()
  }

  /** The next due lane with free slots, and how many deliveries it may take. */
  next(free: number): { readonly lane: Lane; readonly limit: number } | undefined {
    this.#promote()
    const first = PRIORITY_SLOTS[this.#turn++ % PRIORITY_SLOTS.length] as Priority
    for (const priority of [first, ...ORDER]) {
      for (let lane = this.#first(priority); lane; lane = this.#first(priority)) {
        lane.queued = false
        const { hop } = lane
        const room = this.#deps.perNextHop - hop.active
        if (this.#deps.gapMs > 0 && hop.nextAt > this.#deps.now()) this.add(lane.name, hop.nextAt)
        else if (room <= 0) {
          lane.queued = true
          hop.full.push(lane)
        } else {
          lane.taking = true
          return { lane, limit: this.#deps.gapMs > 0 ? 1 : Math.min(room, free, TURN_SIZE) }
        }
      }
    }
    return undefined
  }

  /** Records the result of a take. True: the lane had no more due deliveries and should be refreshed later. */
  taken(lane: Lane, asked: number, got: number): boolean {
    lane.taking = false
    lane.hop.active += got
    if (this.#deps.gapMs > 0 && got > 0)
      lane.hop.nextAt = Math.max(this.#deps.now(), lane.hop.nextAt) + this.#deps.gapMs * got
    if (got === asked || lane.again) this.#enqueue(lane)
    lane.again = false
    return got < asked
  }

  /** Frees the slot of a finished delivery. */
  done({ hop }: Lane): void {
    hop.active--
    for (const lane of hop.full.splice(0)) {
      lane.queued = false
      this.#enqueue(lane)
    }
  }

  /** Removes an empty lane, and its next hop with the last lane. */
  drop(lane: Lane): void {
    if (lane.queued || lane.taking || lane.at !== Number.POSITIVE_INFINITY) return
    this.#lanes.delete(lane.name)
    if (
      lane.hop.active === 0 &&
      !ORDER.some((priority) => this.#lanes.has(lane.name.replace(/\/[^/]+\//, `/${priority}/`)))
    )
      this.#hops.delete(lane.nexthop)
  }

  /** When the next lane becomes due, ms since 1970. */
  nextAt(): number | undefined {
    return this.#future.peek()?.at
  }

  hasReady(): boolean {
    return ORDER.some((priority) => this.#ready[priority].length > 0)
  }
}

/** A heap by time, earliest first. Moving a lane leaves its old entry behind, which `promote` skips. */
function createHeap() {
  const items: { at: number; lane: Lane }[] = []
  const less = (a: number, b: number) =>
    (items[a]?.at ?? Number.POSITIVE_INFINITY) < (items[b]?.at ?? Number.POSITIVE_INFINITY)
  const swap = (a: number, b: number) => {
    const [left, right] = [items[a], items[b]]
    if (left && right) [items[a], items[b]] = [right, left]
  }
  return {
    peek: () => items[0],
    push(at: number, lane: Lane) {
      items.push({ at, lane })
      for (let i = items.length - 1; i > 0 && less(i, (i - 1) >> 1); i = (i - 1) >> 1) swap(i, (i - 1) >> 1)
    },
    pop() {
      const last = items.pop()
      if (!last || items.length === 0) return
      items[0] = last
      for (let i = 0; ; ) {
        const child = less(2 * i + 2, 2 * i + 1) ? 2 * i + 2 : 2 * i + 1
        if (!less(child, i)) return
        swap(i, child)
        i = child
      }
    },
  }
}
