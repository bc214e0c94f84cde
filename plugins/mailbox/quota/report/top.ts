/**
 * The largest of many, in bounded memory.
 */
export class Top<T> {
  readonly #rows: { readonly row: T; readonly by: number }[] = []
  readonly #size: number
  readonly #by: (row: T) => number
  constructor(size: number, by: (row: T) => number) {
    this.#size = size
    this.#by = by
  }

  /** Whether something of this measure would be among them. */
  takes(by: number): boolean {
    return this.#rows.length < this.#size || by > (this.#rows.at(-1)?.by ?? Number.NEGATIVE_INFINITY)
  }

  add(row: T): void {
    const by = this.#by(row)
    if (!this.takes(by)) return
    const behind = this.#rows.findIndex((one) => one.by < by)
    this.#rows.splice(behind < 0 ? this.#rows.length : behind, 0, { row, by })
    if (this.#rows.length > this.#size) this.#rows.pop()
  }

  rows(): readonly T[] {
    return this.#rows.map(({ row }) => row)
  }
}
