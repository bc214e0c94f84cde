/**
 * Times of further attempts after a temporary failure. Pure: the clock and chance are arguments.
 */

export interface RetrySettings {
  /** Ms until the second attempt. */
  readonly first: number
  /** By how much each wait is longer than the one before. */
  readonly factor: number
  /** Ms no wait exceeds. */
  readonly max: number
  /** Ms after which a message is given up. */
  readonly for: number
}

/** Ms until the next attempt, or undefined when the time is over. `chance` from 0 to 1 spreads waits by a tenth. */
export function nextAttempt(
  settings: RetrySettings,
  tried: { attempt: number; since: number; now: number; chance: number },
) {
  const age = tried.now - tried.since
  if (age >= settings.for) return undefined
  const wait = Math.min(settings.max, settings.first * settings.factor ** (tried.attempt - 1))
  const spread = Math.round(wait * (0.95 + 0.1 * tried.chance))
  // The last attempt falls on the end itself rather than after it.
  return Math.max(1, Math.min(spread, settings.for - age))
}
