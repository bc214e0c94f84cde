/**
 * Backoff for unreachable next hops: other deliveries to them wait.
 *
 * Invariants: it is a hint in memory; an administrator's flush resets it at once.
 */
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

export interface BackoffDeps {
  readonly channel: string
  readonly resting: Map<string, Rest>
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
  resting.delete(nexthop)
  resting.set(nexthop, { until, failures, outcome: silent })
  if (resting.size > MAX_HOPS) for (const oldest of [...resting.keys()].slice(0, 1000)) resting.delete(oldest)
  emit('nexthop.unreachable', { channel, nexthop, until, reply: wordsOf(silent.reply) })
}
