/**
 * The clamds, never asked by too many at once: each scan takes a thread of theirs and megabytes.
 *
 * What must stay true: who waits to be let in is told in time that nobody answers.
 */
import { createOutside, type Log, NoServer, type Outside } from 'iems'
import type { Options } from './options.ts'

export interface ServersParts {
  readonly options: Pick<Options, 'servers' | 'timeout' | 'failures' | 'pause' | 'concurrency'>
  readonly now: () => number
  readonly log: Log
}

export type Servers = Pick<Outside, 'ask' | 'states'>

export function createServers({ options, now, log }: ServersParts): Servers {
  const outside = createOutside({ ...options, service: 'clamd', now, log })
  const enter = createTurnstile(options.concurrency, options.timeout)
  return {
    states: outside.states,
    async ask(question, timeout) {
      // While none is in use nobody need wait for that.
      if (!outside.isUp()) throw new NoServer('no clamd answers')
      const leave = await enter()
      try {
        return await outside.ask(question, timeout)
      } finally {
        leave()
      }
    },
  }
}

/** Lets so many in at a time, in order; who waits longer than that is told that nobody answers. */
function createTurnstile(most: number, ms: number) {
  let inside = 0
  const waiting: (() => void)[] = []
  const leave = () => {
    inside--
    waiting.shift()?.()
  }
  return async function enter(): Promise<() => void> {
    if (inside >= most)
      await new Promise<void>((resolve, reject) => {
        const mayEnter = () => {
          clearTimeout(timer)
          resolve()
        }
        const timer = setTimeout(() => {
          waiting.splice(waiting.indexOf(mayEnter), 1)
          reject(new NoServer('all scans at a time are under way'))
        }, ms)
        waiting.push(mayEnter)
      })
    inside++
    return leave
  }
}
