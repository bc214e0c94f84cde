/**
 * Computes retry times after a temporary failure. Pure: clock and chance are arguments.
 */

export interface RetrySettings {
  /** Ms until the second attempt. */
  readonly first: number
  /** Growth of each wait over the one before. */
  readonly factor: number
  /** Maximum wait in ms. */
  readonly max: number
  /** Age in ms at which a message is given up. */
  readonly for: number
}

/** Ms until the next attempt; undefined when the message is too old. `chance` (0 to 1) spreads waits by a tenth. */
export function nextAttempt(
  settings: RetrySettings,
  tried: { attempt: number; since: number; now: number; chance: number },
) {
  const age = tried.now - tried.since
  if (age >= settings.for) return undefined
  const wait = Math.min(settings.max, settings.first * settings.factor ** (tried.attempt - 1))
  const spread = Math.round(wait * (0.95 + 0.1 * tried.chance))
  // The last attempt happens exactly at the end of the lifetime, not after it.
  return Math.max(1, Math.min(spread, settings.for - age))
}
