/**
 * A clock for tests with clients of their own time, such as a browser: it goes by itself, and the test can put it ahead.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { TestClock } from '../../core/testing/clock.ts'

const MAX_TIMEOUT_MS = 2_147_483_647

export function movingClock(): TestClock {
  let ahead = 0
  const now = () => Date.now() + ahead
  const timers = new Set<{ readonly at: number; fire(): void }>()
  return {
    now,
    after(ms, call) {
      const timer = {
        at: now() + ms,
        fire() {
          cancel()
          call()
        },
      }
      const timeout = setTimeout(timer.fire, Math.min(ms, MAX_TIMEOUT_MS))
      const cancel = () => {
        clearTimeout(timeout)
        return timers.delete(timer)
      }
      timers.add(timer)
      return cancel
    },
    async advance(ms) {
      const end = now() + ms
      const next = () => [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      ahead += ms
      for (let timer = next(); timer; timer = next()) {
        timer.fire()
        await turn()
      }
      await turn()
    },
  }
}
