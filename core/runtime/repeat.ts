/**
 * Repeated work of a plugin, for as long as it is set up.
 *
 * Invariants: runs never overlap; a failed run is logged, and the next one still happens.
 */

import type { Clock } from '../api/clock.ts'
import type { Log } from './log.ts'

export interface RepeatDeps {
  readonly clock: Clock
  readonly log: Log
  /** Aborts when the repetition ends. */
  readonly signal: AbortSignal
}

export function repeat(parts: RepeatDeps, ms: number, what: string, run: () => Promise<unknown>): void {
  const { clock, log, signal } = parts
  if (signal.aborted) return
  const cancel = clock.after(ms, async () => {
    signal.removeEventListener('abort', cancel)
    try {
      await run()
    } catch (cause) {
      log.warn(`${what} has failed and will be tried again`, { cause })
    }
    repeat(parts, ms, what, run)
  })
  signal.addEventListener('abort', cancel, { once: true })
}
