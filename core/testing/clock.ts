/**
 * A clock for tests: time advances only when the test says so.
 *
 * Invariants: timers fire in the order of their due times, each at its own time, and never by themselves.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '../api/clock.ts'

export interface TestClock extends Clock {
  /** Advances the time by `ms` and fires the timers that become due, in order. */
  advance(ms: number): Promise<void>
}

/** A stopped clock. Starts at 2026-01-01T00:00:00Z. */
export function testClock(start = Date.UTC(2026, 0, 1)): TestClock {
  let now = start
  const timers = new Set<{ at: number; call: () => void }>()
  const nextBy = (end: number) => [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
  return {
    now: () => now,
    after(ms, call) {
      const timer = { at: now + ms, call }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    async advance(ms) {
      const end = now + ms
      for (let timer = nextBy(end); timer; timer = nextBy(end)) {
        timers.delete(timer)
        now = Math.max(now, timer.at)
        timer.call()
        await turn()
      }
      now = end
      await turn()
    },
  }
}
