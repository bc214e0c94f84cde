/**
 * What a plugin does again and again, for as long as it stands.
 *
 * What must stay true: never twice at a time; a round that fails is told, and the next one tries again.
 */

import type { Clock } from '../api/clock.ts'
import type { Log } from './log.ts'

export interface RepeatDeps {
  readonly clock: Clock
  readonly log: Log
  /** Aborted when it is over. */
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
