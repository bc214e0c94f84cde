import type { Clock } from '../api/clock.ts'

/** The system clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, call) {
    // setTimeout is limited to 2^31 ms; longer waits are set again then.
    const timer = setTimeout(call, Math.min(ms, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
}
