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

interface Entry<V, K> {
  readonly key: K
  readonly value: V
  readonly weight: number
  readonly until: number
  /** The entries used before and after it. */
  older: Entry<V, K> | undefined
  newer: Entry<V, K> | undefined
}

export class Cache<V, K = string> {
  readonly #options: CacheOptions<V, K>
  readonly #now: () => number
  /** Its own order is not used: to find the first entry, a Map passes over all that were deleted before it. */
  readonly #entries = new Map<K, Entry<V, K>>()
  /** The least and the most recently used entry. */
  #oldest: Entry<V, K> | undefined
  #newest: Entry<V, K> | undefined
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
    if (entry !== this.#newest) {
      this.#unlink(entry)
      this.#link(entry)
    }
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
    const entry: Entry<V, K> = { key, value, weight, until, older: undefined, newer: undefined }
    this.#entries.set(key, entry)
    this.#link(entry)
    this.#weight += weight
    this.#trim()
  }

  delete(key: K): boolean {
    const entry = this.#entries.get(key)
    if (!entry) return false
    this.#weight -= entry.weight
    this.#unlink(entry)
    return this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
    this.#oldest = undefined
    this.#newest = undefined
    this.#weight = 0
  }

  /** The keys, the least recently used first. */
  *keys(): Generator<K> {
    for (const { key } of this.#inOrder()) yield key
  }

  /** The entries, the least recently used first, expired ones included. */
  *entries(): Generator<[K, V]> {
    for (const { key, value } of this.#inOrder()) yield [key, value]
  }

  /** Entries may be deleted meanwhile. */
  *#inOrder(): Generator<Entry<V, K>> {
    for (let entry = this.#oldest; entry; ) {
      const { newer } = entry
      if (this.#entries.get(entry.key) === entry) yield entry
      entry = newer
    }
  }

  #valid(key: K): Entry<V, K> | undefined {
    const entry = this.#entries.get(key)
    if (!entry || entry.until === Number.POSITIVE_INFINITY || entry.until > this.#now()) return entry
    this.delete(key)
    return undefined
  }

  /** Makes an entry the most recently used one. */
  #link(entry: Entry<V, K>): void {
    entry.older = this.#newest
    entry.newer = undefined
    if (this.#newest) this.#newest.newer = entry
    else this.#oldest = entry
    this.#newest = entry
  }

  #unlink({ older, newer }: Entry<V, K>): void {
    if (older) older.newer = newer
    else this.#oldest = newer
    if (newer) newer.older = older
    else this.#newest = older
  }

  #trim(): void {
    for (const { key, value, weight } of this.#inOrder()) {
      if (this.#weight <= this.#max) return
      if (weight === 0) continue
      this.delete(key)
      this.#options.evicted?.(value, key)
    }
  }
}
