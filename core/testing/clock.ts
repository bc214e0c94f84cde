/**
 * A clock for tests: time advances only when the test says so.
 *
 * Invariants: timers fire in the order of their due times and never by themselves; each fires at its own time, except
 * those that are set while the time advances by days: they wait for at least a thousandth of that, so that polls of
 * idle servers cost little.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '../api/clock.ts'

export interface TestClock extends Clock {
  /** Advances the time by `ms` and fires the timers that become due, in order. */
  advance(ms: number): Promise<void>
}

const DAY_MS = 86_400_000

/** A stopped clock. Starts at 2026-01-01T00:00:00Z. */
export function testClock(start = Date.UTC(2026, 0, 1)): TestClock {
  let now = start
  /** Minimum ms of a timer that is set now. */
  let grain = 0
  const timers = new Set<{ at: number; call: () => void }>()
  const nextBy = (end: number) => [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
  return {
    now: () => now,
    after(ms, call) {
      const timer = { at: now + Math.max(ms, grain), call }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    async advance(ms) {
      const end = now + ms
      grain = ms > DAY_MS ? ms / 1000 : 0
      for (let timer = nextBy(end); timer; timer = nextBy(end)) {
        timers.delete(timer)
        now = Math.max(now, timer.at)
        timer.call()
        await turn()
      }
      grain = 0
      now = end
      await turn()
    },
  }
}
