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

/** A sorted list of strings with binary search. */
export function createOrder() {
  const names: string[] = []
  /** Index of the first name that is not less than this one. */
  function find(name: string): number {
    let [low, high] = [0, names.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((names[middle] as string) < name) low = middle + 1
      else high = middle
    }
    return low
  }
  return {
    add(name: string) {
      const at = find(name)
      if (names[at] !== name) names.splice(at, 0, name)
    },
    remove(name: string) {
      const at = find(name)
      if (names[at] === name) names.splice(at, 1)
    },
    between: (from: string, to: string) => names.slice(find(from), find(to)),
    first: (limit: number) => names.slice(0, limit),
  }
}

/** The keys of a lane, also in the order of their times. */
export class MemoryLane {
  readonly #placed = new Map<string, Placed>()
  readonly #order = createOrder()

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
