/**
 * Backoff for unreachable next hops: other deliveries to them wait.
 *
 * Invariants: it is a hint in memory; an administrator's flush resets it at once.
 */
import { Cache } from '../api/cache.ts'
import type { Clock } from '../api/clock.ts'
import type { Outcome } from '../api/hooks.ts'
import type { Emit } from '../runtime/log.ts'
import { wordsOf } from './report-text.ts'

/** Initial and maximum backoff of an unreachable next hop, in ms. */
const REST_MS = { first: 30_000, most: 600_000 }
/** Maximum next hops in memory; the oldest is evicted. */
const MAX_HOPS = 10_000

export interface Rest {
  readonly until: number
  readonly failures: number
  readonly outcome: Outcome
}

export type Resting = Cache<Rest>

/** The backoff of a channel's next hops; it outlives a reload. */
export const createResting = (): Resting => new Cache({ max: MAX_HOPS })

export interface BackoffDeps {
  readonly channel: string
  readonly resting: Resting
  readonly clock: Clock
  readonly emit: Emit
}

/** The current backoff of a next hop. */
export function restOf({ resting, clock }: BackoffDeps, nexthop: string): Rest | undefined {
  const rest = resting.get(nexthop)
  return rest && rest.until > clock.now() ? rest : undefined
}

/** Resets the backoff of a next hop, or of all, for an administrator's flush. */
export function forgetRest(
  { channel, resting }: BackoffDeps,
  flushed: { readonly channel: string; readonly nexthop: string } | undefined,
): void {
  if (!flushed) resting.clear()
  else if (flushed.channel === channel) resting.delete(flushed.nexthop)
}

/** Records whether the next hop was reachable. */
export function noteReached(
  { channel, resting, clock, emit }: BackoffDeps,
  nexthop: string,
  outcomes: readonly Outcome[],
): void {
  const silent = outcomes.find(({ unreachable }) => unreachable)
  const before = resting.get(nexthop)
  if (!silent) {
    if (before && resting.delete(nexthop)) emit('nexthop.reachable', { channel, nexthop })
    return
  }
  // Concurrent attempts that fail together count as one failure.
  if (before && before.until > clock.now()) return
  const failures = (before?.failures ?? 0) + 1
  const until = clock.now() + Math.min(REST_MS.most, REST_MS.first * 2 ** (failures - 1))
  resting.set(nexthop, { until, failures, outcome: silent })
  emit('nexthop.unreachable', { channel, nexthop, until, reply: wordsOf(silent.reply) })
}
