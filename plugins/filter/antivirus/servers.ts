/**
 * The clamds, never asked by too many at once: each scan takes a thread of theirs and megabytes.
 *
 * What must stay true: who waits to be let in is told in time that nobody answers.
 */
import { createOutside, createTurns, type Log, NoServer, NoTurn, type Outside } from 'iems'
import type { Options } from './options.ts'

export interface ServersParts {
  readonly options: Pick<Options, 'servers' | 'timeout' | 'failures' | 'pause' | 'concurrency'>
  readonly now: () => number
  readonly log: Log
}

export type Servers = Pick<Outside, 'ask' | 'states' | 'backends'>

export function createServers({ options, now, log }: ServersParts): Servers {
  const outside = createOutside({ ...options, service: 'clamd', now, log })
  const turns = createTurns({ atOnce: options.concurrency, patience: options.timeout })
  return {
    states: outside.states,
    backends: outside.backends,
    async ask(question, timeout) {
      // While none is in use nobody need wait for that.
      if (!outside.isUp()) throw new NoServer('no clamd answers')
      try {
        return await turns.take(() => outside.ask(question, timeout))
      } catch (cause) {
        throw cause instanceof NoTurn ? new NoServer('all scans at a time are under way') : cause
      }
    },
  }
}
