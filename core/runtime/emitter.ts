/**
 * Emits every event: as a log line, to watchers of tests and tools, and to taps of the `event` hook.
 */
import type { Clock } from '../api/clock.ts'
import type { KernelEvent } from '../api/hooks.ts'
import type { Emit, LogWriter } from './log.ts'
import type { Hooks } from './wiring.ts'

interface EmitterDeps {
  readonly log: LogWriter
  readonly clock: Clock
  readonly watch: ((event: KernelEvent) => void) | undefined
  count(event: KernelEvent): void
}

export function emitter({ log, clock, watch, count }: EmitterDeps, hooks: () => Hooks | undefined): Emit {
  return (name, fields = {}) => {
    const event: KernelEvent = { ...fields, name, at: clock.now() }
    count(event)
    log.event(event)
    watch?.(event)
    if (hooks()?.isTapped('event')) hooks()?.emit(event)
  }
}
