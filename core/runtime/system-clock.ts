import type { Clock } from '../api/clock.ts'

/** The time of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, call) {
    // setTimeout counts only to 2^31 ms; what is further away is looked at again then.
    const timer = setTimeout(call, Math.min(ms, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
}
