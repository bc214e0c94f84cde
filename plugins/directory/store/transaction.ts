/**
 * Uncommitted changes: reads the store with them applied.
 *
 * Invariants: nothing is written before the commit; a nested draft is merged with `keep` or dropped.
 */
import type { Key, Op, Range, Store, Value } from 'iems'

type Below = Pick<Store, 'get' | 'scan'>

const nameOf = (at: Key) => Buffer.from(at.buffer, at.byteOffset, at.byteLength).toString('latin1')

export class Draft implements Below {
  readonly #below: Below
  readonly #written = new Map<string, { readonly at: Key; readonly value: Value | undefined }>()

  constructor(below: Below) {
    this.#below = below
  }

  async get(at: Key): Promise<Value | undefined> {
    const written = this.#written.get(nameOf(at))
    return written ? written.value : this.#below.get(at)
  }

  put(at: Key, value: Value): void {
    this.#written.set(nameOf(at), { at, value })
  }

  del(at: Key): void {
    this.#written.set(nameOf(at), { at, value: undefined })
  }

  /** Unordered and without limit, for scans of everything. */
  async *scan({ from, to }: Range): AsyncGenerator<readonly [Key, Value]> {
    for await (const [at, value] of this.#below.scan({ from, to }))
      if (!this.#written.has(nameOf(at))) yield [at, value]
    for (const { at, value } of this.#written.values())
      if (value && Buffer.compare(at, from) >= 0 && Buffer.compare(at, to) < 0) yield [at, value]
  }

  /** Merges this draft's changes into the outer one. */
  keep(into: Draft): void {
    for (const [name, written] of this.#written) into.#written.set(name, written)
  }

  get isEmpty(): boolean {
    return this.#written.size === 0
  }

  ops(): Op[] {
    return [...this.#written.values()].map(({ at, value }) => (value ? { put: at, value } : { del: at }))
  }
}
