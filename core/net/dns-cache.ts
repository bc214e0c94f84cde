/**
 * Caches answers for their time to live, evicts the least recently used beyond the memory limit, and merges concurrent
 * equal questions.
 */

interface Entry<T> {
  readonly value: Promise<T>
  readonly weight: number
  readonly until: number
}

/** Overhead of an entry in octets. */
const OVERHEAD = 400

export class AnswerCache<T> {
  readonly #entries = new Map<string, Entry<T>>()
  readonly #maxWeight: number
  readonly #now: () => number
  #weight = 0

  constructor(maxWeight: number, now: () => number) {
    this.#maxWeight = maxWeight
    this.#now = now
  }

  get size(): number {
    return this.#entries.size
  }

  /** `make` must not reject. */
  get(key: string, make: () => Promise<{ readonly value: T; readonly ms: number }>, fresh: boolean): Promise<T> {
    const known = this.#entries.get(key)
    if (known && known.until > this.#now() && !(fresh && known.until !== Number.POSITIVE_INFINITY)) {
      this.#keep(key, known)
      return known.value
    }
    const made = make()
    const value = made.then((one) => one.value)
    const base = OVERHEAD + 2 * key.length
    this.#keep(key, { value, weight: base, until: Number.POSITIVE_INFINITY })
    void made.then(({ value: settled, ms }) =>
      this.#keep(key, { value, weight: base + weightOf(settled), until: this.#now() + ms }),
    )
    return value
  }

  #keep(key: string, entry: Entry<T>): void {
    this.#weight += entry.weight - (this.#entries.get(key)?.weight ?? 0)
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    for (const [oldest, { weight }] of this.#entries) {
      if (this.#weight <= this.#maxWeight) break
      this.#entries.delete(oldest)
      this.#weight -= weight
    }
  }
}

/** Approximate memory in octets, counting two octets per character. */
function weightOf(value: unknown): number {
  if (typeof value === 'string') return 32 + 2 * value.length
  if (value instanceof Uint8Array) return 64 + value.length
  if (typeof value !== 'object' || value === null) return 8
  return Object.values(value).reduce((sum: number, part) => sum + 16 + weightOf(part), 32)
}
