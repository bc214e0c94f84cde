/**
 * A wait with an end.
 */
import { setTimeout as delay } from 'node:timers/promises'

/** The answer, or undefined after `ms`. */
export async function inTime<T>(answer: Promise<T>, ms: number): Promise<T | undefined> {
  const late = new AbortController()
  try {
    return await Promise.race([answer, delay(ms, undefined, { signal: late.signal })])
  } finally {
    late.abort()
  }
}
