/**
 * What has been looked up, for a while.
 *
 * What must stay true: what is told is no older than its lifetime, unless nobody can be asked and the admin allows it;
 * one question is asked once however many want to know; memory is bounded.
 */
import { Cache, type Clock } from 'iems'

export interface CacheOptions {
  /** Ms for what was found. */
  readonly lifetime: number
  /** Ms for what was not. */
  readonly absent: number
  /** Ms for which something is still told when it cannot be asked for again. */
  readonly stale: number
  /** Answers that are kept; the oldest go first. */
  readonly size: number
}

interface Kept {
  readonly value: unknown
  readonly at: number
}

export function createCache({ lifetime, absent, stale, size }: CacheOptions, clock: Pick<Clock, 'now'>) {
  const kept = new Cache<Kept>({ max: size })
  const asking = new Map<string, Promise<unknown>>()

  async function ask(name: string, look: () => Promise<unknown>, before: Kept | undefined): Promise<unknown> {
    try {
      const value = await look()
      kept.set(name, { value, at: clock.now() })
      return value
    } catch (cause) {
      if (before?.value !== undefined && clock.now() - before.at < Math.max(lifetime, stale)) return before.value
      throw cause
    } finally {
      asking.delete(name)
    }
  }

  return async function cached<T>(name: string, look: () => Promise<T>): Promise<T> {
    const found = kept.get(name)
    const age = found ? clock.now() - found.at : Number.POSITIVE_INFINITY
    if (found && age < (found.value === undefined ? absent : lifetime)) return found.value as T
    const answer = asking.get(name) ?? ask(name, look, found)
    asking.set(name, answer)
    return answer as Promise<T>
  }
}
export type Cached = ReturnType<typeof createCache>
