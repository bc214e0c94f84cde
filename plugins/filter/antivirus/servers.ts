/**
 * The clamd servers, with limited concurrency: each scan takes a thread and megabytes there.
 *
 * Invariants: a caller that waits for a slot learns in time that no server answers.
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
  const turns = createSemaphore({ limit: options.concurrency, waitTimeout: options.timeout })
  return {
    states: outside.states,
    backends: outside.backends,
    async ask(question, timeout) {
      // While all servers are down, callers need not wait for that.
      if (!outside.isUp()) throw new AllBackendsDown('no clamd answers')
      try {
        return await turns.take(() => outside.ask(question, timeout))
      } catch (cause) {
        throw cause instanceof SemaphoreRejected ? new AllBackendsDown('all scans at a time are under way') : cause
      }
    },
  }
}
