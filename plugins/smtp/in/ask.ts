/**
 * Calls the kernel. Invariants: an internal error is 451, never 5xx.
 */
import type { Log, Refusal } from 'iems'
import { NO } from './replies.ts'

export type Ask = <T>(call: () => Promise<T>) => Promise<T | Refusal>

export function createAsk(log: Log): Ask {
  return async (call) => {
    try {
      return await call()
    } catch (cause) {
      log.error('a command failed', { cause })
      return { kind: 'refuse', reply: NO.fault }
    }
  }
}
