/**
 * A bounded cache: beyond its maximum the least recently used entry is evicted.
 *
 * Invariants: `get` and `set` cost the same for any number of entries; an expired entry is absent. Everything that is
 * remembered in memory for speed is one of these, so that no input can make memory grow without bound.
 */
export interface CacheOptions<V, K = string> {
  /** Maximum number of entries; with `weigh`, maximum sum of their weights. */
  readonly max: number
  /** Lifetime of an entry in ms, from when it was set. Default: no limit. */
  readonly ttl?: number
  /** Ms since any fixed time. Default: `performance.now`. */
  readonly now?: () => number
  /** Weight of an entry; weight 0 is never evicted. Default: 1. */
  readonly weigh?: (value: V, key: K) => number
  /** Called with each entry that the maximum evicts, and with none that `delete` or `clear` removes. */
  readonly evicted?: (value: V, key: K) => void
}

interface Entry<V> {
  readonly value: V
  readonly weight: number
  readonly until: number
}

export class Cache<V, K = string> {
  readonly #options: CacheOptions<V, K>
  readonly #now: () => number
  /** In order of use, the least recently used first. */
  readonly #entries = new Map<K, Entry<V>>()
  #max: number
  #weight = 0

  constructor(options: CacheOptions<V, K>) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#max = options.max
  }

  /** Number of entries, expired ones included. */
  get size(): number {
    return this.#entries.size
  }

  /** Sets another maximum, such as that of a new configuration. */
  set max(max: number) {
    this.#max = max
    this.#trim()
  }

  has(key: K): boolean {
    return this.#valid(key) !== undefined
  }

  /** The value, which counts as used; undefined when it is absent or has expired. */
  get(key: K): V | undefined {
    const entry = this.#valid(key)
    if (!entry) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.value
  }

  /** The value as `get` returns it, or the one that `make` makes and that is then kept. */
  getOrMake(key: K, make: () => V): V {
    const entry = this.#valid(key)
    if (entry) return this.get(key) as V
    const value = make()
    this.set(key, value)
    return value
  }

  /** Sets a value, which is weighed now. `ttl` in ms replaces that of the cache. */
  set(key: K, value: V, ttl = this.#options.ttl): void {
    this.delete(key)
    const weight = this.#options.weigh?.(value, key) ?? 1
    const until = ttl === undefined ? Number.POSITIVE_INFINITY : this.#now() + ttl
    this.#entries.set(key, { value, weight, until })
    this.#weight += weight
    this.#trim()
  }

  delete(key: K): boolean {
    const entry = this.#entries.get(key)
    if (!entry) return false
    this.#weight -= entry.weight
    return this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
    this.#weight = 0
  }

  /** The keys, the least recently used first. */
  keys(): IterableIterator<K> {
    return this.#entries.keys()
  }

  /** The entries, the least recently used first, expired ones included. */
  *entries(): Generator<[K, V]> {
    for (const [key, { value }] of this.#entries) yield [key, value]
  }

  #valid(key: K): Entry<V> | undefined {
    const entry = this.#entries.get(key)
    if (!entry || entry.until === Number.POSITIVE_INFINITY || entry.until > this.#now()) return entry
    this.delete(key)
    return undefined
  }

  #trim(): void {
    for (const [key, { value, weight }] of this.#entries) {
      if (this.#weight <= this.#max) return
      if (weight === 0) continue
      this.delete(key)
      this.#options.evicted?.(value, key)
    }
  }
}
