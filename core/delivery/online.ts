/**
 * Delivery windows: the times of day at which a next hop may be reached, and how much may be sent in one of them.
 *
 * Invariants: outside its window a next hop gets nothing unless an administrator or the host itself asks for it; a
 * message larger than a window's whole budget goes alone, at the beginning of one, and so is never stuck.
 */
import { Cache } from '../api/cache.ts'
import type { Clock } from '../api/clock.ts'

/** Minutes since midnight, local time of the server; one that ends before it begins runs past midnight. */
export interface DayWindow {
  readonly from: number
  readonly to: number
}

export interface OnlineRule {
  readonly at: readonly DayWindow[]
  /** Octets of content in one window; no limit if absent. */
  readonly octets?: number | undefined
  /** Ms from the first delivery in a window to the start of the last one; no limit if absent. */
  readonly time?: number | undefined
}

/** By next hop; `*` holds for those without a rule of their own. */
export type OnlineRules = Readonly<Record<string, OnlineRule>>

/** Usage of a next hop's current window. */
interface Usage {
  readonly opened: number
  readonly first: number
  octets: number
}

/** In memory, and kept over a reload. */
export interface OnlineMemory {
  readonly usage: Cache<Usage>
  /** Until when a next hop counts as online because its mail was asked for. */
  readonly asked: Cache<number>
}

/** Next hops that are remembered; the oldest are forgotten. */
const MAX_HOPS = 10_000

export const createOnlineMemory = (): OnlineMemory => ({
  usage: new Cache({ max: MAX_HOPS }),
  asked: new Cache({ max: MAX_HOPS }),
})

/** Ms for which a flush or ETRN opens a window that is closed. */
const ASKED_MS = 900_000

export class OnlineWindows {
  readonly #rules: OnlineRules
  readonly #memory: OnlineMemory
  readonly #clock: Clock

  constructor(rules: OnlineRules, memory: OnlineMemory, clock: Clock) {
    this.#rules = rules
    this.#memory = memory
    this.#clock = clock
  }

  #ruleFor(nexthop: string): OnlineRule | undefined {
    return (Object.hasOwn(this.#rules, nexthop) ? this.#rules[nexthop] : undefined) ?? this.#rules['*']
  }

  /** Whether the next hop has windows, in which urgent mail goes strictly first. */
  has(nexthop: string): boolean {
    return this.#ruleFor(nexthop) !== undefined
  }

  /** Counts a delivery that may begin now; otherwise answers when the next window opens, ms since 1970. */
  admit(nexthop: string, octets: number): number | undefined {
    const rule = this.#ruleFor(nexthop)
    const now = this.#clock.now()
    if (!rule || (this.#memory.asked.get(nexthop) ?? 0) > now) return undefined
    const opened = openedAt(rule, now)
    if (opened === undefined) return nextOpening(rule, now)
    const { usage } = this.#memory
    const known = usage.get(nexthop)
    const present = known?.opened === opened ? known : { opened, first: now, octets: 0 }
    const isFull = rule.octets !== undefined && present.octets > 0 && present.octets + octets > rule.octets
    const isOver = rule.time !== undefined && now - present.first >= rule.time
    if (isFull || isOver) return nextOpening(rule, now)
    present.octets += octets
    usage.set(nexthop, present)
    return undefined
  }

  /** The mail of a next hop was asked for, by an administrator or by the host: it is online now. */
  open(nexthop: string): void {
    if (this.has(nexthop)) this.#memory.asked.set(nexthop, this.#clock.now() + ASKED_MS)
  }
}

/** That minute of the day that is `days` after the one of `now`. */
function momentOf(now: number, days: number, minutes: number): number {
  const day = new Date(now)
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + days, 0, minutes).getTime()
}

/** When the window opened in which `now` lies. */
function openedAt({ at }: Pick<OnlineRule, 'at'>, now: number): number | undefined {
  for (const { from, to } of at)
    for (const days of [0, -1]) {
      const start = momentOf(now, days, from)
      if (start <= now && now < momentOf(now, to <= from ? days + 1 : days, to)) return start
    }
  return undefined
}

/** Whether a time, ms since 1970, lies in one of the windows. */
export const isWithin = (at: readonly DayWindow[], now: number): boolean => openedAt({ at }, now) !== undefined

function nextOpening({ at }: OnlineRule, now: number): number {
  const openings = at.flatMap(({ from }) => [0, 1].map((days) => momentOf(now, days, from)))
  return Math.min(...openings.filter((start) => start > now))
}
