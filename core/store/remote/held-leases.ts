/**
 * The leases of one handle, so that they end with it.
 */
import type { Key, Lease, Op, Store } from '../store.ts'

/** Number of leases at which expired ones are removed. */
const MANY_LEASES = 1000

export class HeldLeases {
  readonly #store: Store
  readonly #held = new Map<string, { readonly lane: string; readonly lease: Lease }>()
  #many = MANY_LEASES

  constructor(store: Store) {
    this.#store = store
  }

  hold(lane: string, lease: Lease): void {
    this.#held.set(spotOf(lane, lease.key), { lane, lease })
    if (this.#held.size <= this.#many) return
    const now = this.#store.now()
    for (const [spot, { lease: one }] of this.#held) if (one.until <= now) this.#held.delete(spot)
    this.#many = Math.max(MANY_LEASES, 2 * this.#held.size)
  }

  /** Removes leases on keys that were rescheduled or removed. */
  settle(ops: readonly Op[]): void {
    for (const op of ops) {
      if ('due' in op) this.#held.delete(spotOf(op.lane, op.due))
      else if ('undue' in op) this.#held.delete(spotOf(op.lane, op.undue))
    }
  }

  /** Makes all keys still leased due again, after the commits already sent. */
  async end(): Promise<void> {
    const held = [...this.#held.values()]
    this.#held.clear()
    await Promise.allSettled(
      held.map(({ lane, lease: { key, generation } }) =>
        this.#store.commit([{ due: key, lane, in: 0 }], [{ due: key, lane, lease: generation }]),
      ),
    )
  }
}

const spotOf = (lane: string, key: Key): string => `${lane}\0${Buffer.from(key).toString('latin1')}`
