/**
 * Orders of the store in memory: sorted names, and the keys of a lane by their times. Taking the first keys of a lane
 * costs what they are, not what the lane holds.
 */

export interface Placed {
  /** When it is due, or its lease ends. */
  readonly at: number
  /** Generation of its latest lease. */
  readonly lease?: number
}

/** Maximum number of names in one chunk of an order: moving them costs less than finding one. */
const MAX_CHUNK = 512

/** A sorted list of strings in chunks, so that adding one moves a few hundred names and not all. */
export class Order {
  /** Sorted, each sorted in itself, none empty. */
  readonly #chunks: string[][] = []

  /** Index of the first one that does not come before. */
  static #first(length: number, comesBefore: (index: number) => boolean): number {
    let [low, high] = [0, length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (comesBefore(middle)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Place of the first name that is not less than this one. */
  #find(name: string): { readonly chunk: number; readonly at: number } {
    const chunk = Order.#first(this.#chunks.length, (index) => (this.#chunks[index]?.at(-1) as string) < name)
    const names = this.#chunks[chunk] ?? []
    return { chunk, at: Order.#first(names.length, (index) => (names[index] as string) < name) }
  }

  add(name: string): void {
    if (this.#chunks.length === 0) this.#chunks.push([name])
    const { chunk, at } = this.#find(name)
    // Behind the last name, the last chunk grows.
    const index = Math.min(chunk, this.#chunks.length - 1)
    const names = this.#chunks[index] as string[]
    const place = index === chunk ? at : names.length
    if (names[place] === name) return
    names.splice(place, 0, name)
    if (names.length > MAX_CHUNK) this.#chunks.splice(index + 1, 0, names.splice(MAX_CHUNK / 2))
  }

  remove(name: string): void {
    const { chunk, at } = this.#find(name)
    const names = this.#chunks[chunk]
    if (names?.[at] !== name) return
    names.splice(at, 1)
    if (names.length === 0) this.#chunks.splice(chunk, 1)
  }

  /** The names from `from` up to and without `to`. */
  *between(from: string, to: string): Generator<string> {
    const { chunk, at } = this.#find(from)
    for (const [index, names] of this.#chunks.slice(chunk).entries())
      for (const name of index === 0 ? names.slice(at) : names) {
        if (name >= to) return
        yield name
      }
  }

  /** The names before `to` down to and with `from`. */
  *downward(from: string, to: string): Generator<string> {
    const { chunk, at } = this.#find(to)
    for (let index = Math.min(chunk, this.#chunks.length - 1); index >= 0; index--) {
      const names = this.#chunks[index] as string[]
      for (const name of (index === chunk ? names.slice(0, at) : names).toReversed()) {
        if (name < from) return
        yield name
      }
    }
  }

  first(limit: number): Iterable<string> {
    return this.between('', '\uffff').take(limit)
  }
}

/** The keys of a lane, also in the order of their times. */
export class MemoryLane {
  readonly #placed = new Map<string, Placed>()
  readonly #order = new Order()

  /** Times are positive and have at most 16 digits. */
  #timed(at: number, name: string): string {
    return String(Math.max(0, at)).padStart(16, '0') + name
  }

  get size(): number {
    return this.#placed.size
  }

  get(name: string): Placed | undefined {
    return this.#placed.get(name)
  }

  set(name: string, placed: Placed): void {
    this.delete(name)
    this.#placed.set(name, placed)
    this.#order.add(this.#timed(placed.at, name))
  }

  delete(name: string): void {
    const placed = this.#placed.get(name)
    if (!placed) return
    this.#placed.delete(name)
    this.#order.remove(this.#timed(placed.at, name))
  }

  /** The first ones that are due until a time. */
  first(limit: number, until = Number.POSITIVE_INFINITY): [name: string, placed: Placed][] {
    const found: [string, Placed][] = []
    for (const timed of this.#order.first(limit)) {
      const name = timed.slice(16)
      const placed = this.#placed.get(name)
      if (!placed || placed.at > until) break
      found.push([name, placed])
    }
    return found
  }
}
