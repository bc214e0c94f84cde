/**
 * Next hops that could not be reached: other deliveries to them need not try for a while.
 *
 * What must stay true: it is a hint, in memory; an administrator's flush ends it at once.
 */
import type { Clock } from '../api/clock.ts'
import type { Outcome } from '../api/hooks.ts'
import type { Emit } from '../runtime/log.ts'
import { wordsOf } from './report-text.ts'

/** Ms for which a next hop that did not answer is left alone, at first and at most. */
const REST_MS = { first: 30_000, most: 600_000 }
/** Next hops that are remembered; the oldest are forgotten. */
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

/** The rest that a next hop is in now. */
export function restOf({ resting, clock }: BackoffDeps, nexthop: string): Rest | undefined {
  const rest = resting.get(nexthop)
  return rest && rest.until > clock.now() ? rest : undefined
}

/** An administrator wants a next hop, or all of them, tried now. */
export function forgetRest(
  { channel, resting }: BackoffDeps,
  flushed: { readonly channel: string; readonly nexthop: string } | undefined,
): void {
  if (!flushed) resting.clear()
  else if (flushed.channel === channel) resting.delete(flushed.nexthop)
}

/** Notes whether the next hop was reached. */
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
  // Several attempts under way when it fell silent are one failure.
  if (before && before.until > clock.now()) return
  const failures = (before?.failures ?? 0) + 1
  const until = clock.now() + Math.min(REST_MS.most, REST_MS.first * 2 ** (failures - 1))
  resting.delete(nexthop)
  resting.set(nexthop, { until, failures, outcome: silent })
  if (resting.size > MAX_HOPS) for (const oldest of [...resting.keys()].slice(0, 1000)) resting.delete(oldest)
  emit('nexthop.unreachable', { channel, nexthop, until, reply: wordsOf(silent.reply) })
}
