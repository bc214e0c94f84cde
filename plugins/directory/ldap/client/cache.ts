/**
 * A cache of lookups.
 *
 * Invariants: a result is no older than its lifetime, unless no server answers and the administrator allows stale
 * results; concurrent equal lookups are sent once; memory is bounded.
 */
import { Cache, type Clock } from 'iems'

export interface CacheOptions {
  /** Lifetime of a found entry in ms. */
  readonly lifetime: number
  /** Lifetime of an absence in ms. */
  readonly absent: number
  /** Ms for which an expired result is used while no server answers. */
  readonly stale: number
  /** Maximum results; the oldest is evicted. */
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
