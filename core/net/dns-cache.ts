/**
 * Caches answers for their time to live, evicts the least recently used beyond the memory limit, and merges concurrent
 * equal questions.
 */
import { Cache } from '../api/cache.ts'

interface Entry<T> {
  readonly value: Promise<T>
  readonly weight: number
  readonly isUnderWay: boolean
}

/** Overhead of an entry in octets. */
const OVERHEAD = 400

export class AnswerCache<T> {
  readonly #entries: Cache<Entry<T>>

  constructor(max: number, now: () => number) {
    this.#entries = new Cache({ max, now, weigh: ({ weight }) => weight })
  }

  get size(): number {
    return this.#entries.size
  }

  /** `make` must not reject. */
  get(key: string, make: () => Promise<{ readonly value: T; readonly ms: number }>, fresh: boolean): Promise<T> {
    const known = this.#entries.get(key)
    if (known && (known.isUnderWay || !fresh)) return known.value
    const made = make()
    const value = made.then((one) => one.value)
    const base = OVERHEAD + 2 * key.length
    this.#entries.set(key, { value, weight: base, isUnderWay: true })
    void made.then(({ value: settled, ms }) =>
      this.#entries.set(key, { value, weight: base + weightOf(settled), isUnderWay: false }, ms),
    )
    return value
  }
}

/** Approximate memory in octets, counting two octets per character. */
function weightOf(value: unknown): number {
  if (typeof value === 'string') return 32 + 2 * value.length
  if (value instanceof Uint8Array) return 64 + value.length
  if (typeof value !== 'object' || value === null) return 8
  return Object.values(value).reduce((sum: number, part) => sum + 16 + weightOf(part), 32)
}
