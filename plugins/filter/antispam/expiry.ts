/**
 * Records that expire.
 *
 * Invariants: the cost of a sweep depends on the expired records only.
 */
import type { Key, Op, Store, Value } from 'iems'

const LANE = 'expiring'
const BATCH = 500
const LEASE_MS = 60_000

/** Writes a record that expires in `ms`, or changes its expiry. */
export function expiring(put: Key, value: Value, ms: number): readonly Op[] {
  return [
    { put, value },
    { due: put, lane: LANE, in: ms },
  ]
}

/** Removes expired records. */
export async function sweep(store: Store): Promise<void> {
  for (;;) {
    const due = await store.take(LANE, BATCH, LEASE_MS)
    if (due.length === 0) return
    // A record that was rewritten meanwhile stays.
    await Promise.all(
      due.map(({ key, generation: lease }) =>
        store.commit([{ del: key }, { undue: key, lane: LANE }], [{ due: key, lane: LANE, lease }]),
      ),
    )
  }
}
