/**
 * The clamds, never asked by too many at once: each scan takes a thread of theirs and megabytes.
 *
 * What must stay true: who waits to be let in is told in time that nobody answers.
 */
import {
  AllBackendsDown,
  type BackendPool,
  createBackendPool,
  createSemaphore,
  type Log,
  SemaphoreRejected,
} from 'iems'
import type { Options } from './options.ts'

export interface ServersDeps {
  readonly options: Pick<Options, 'servers' | 'timeout' | 'failures' | 'pause' | 'concurrency'>
  readonly now: () => number
  readonly log: Log
}

export type Servers = Pick<BackendPool, 'ask' | 'states' | 'backends'>

export function createServers({ options, now, log }: ServersDeps): Servers {
  const outside = createBackendPool({ ...options, service: 'clamd', now, log })
  const turns = createSemaphore({ atOnce: options.concurrency, patience: options.timeout })
  return {
    states: outside.states,
    backends: outside.backends,
    async ask(question, timeout) {
      // While none is in use nobody need wait for that.
      if (!outside.isUp()) throw new AllBackendsDown('no clamd answers')
      try {
        return await turns.take(() => outside.ask(question, timeout))
      } catch (cause) {
        throw cause instanceof SemaphoreRejected ? new AllBackendsDown('all scans at a time are under way') : cause
      }
    },
  }
}
