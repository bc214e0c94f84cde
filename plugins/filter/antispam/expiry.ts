/**
 * Records that go when their time is over.
 *
 * What must stay true: the cost of a sweep is that of what goes, however much stays.
 */
import type { Key, Op, Store, Value } from 'iems'

const LANE = 'expiring'
const BATCH = 500
const LEASE_MS = 60_000

/** Writes a record that goes in so many ms, also if it was there and was to go at another time. */
export function expiring(put: Key, value: Value, ms: number): readonly Op[] {
  return [
    { put, value },
    { due: put, lane: LANE, in: ms },
  ]
}

/** Removes what is past its time. */
export async function sweep(store: Store): Promise<void> {
  for (;;) {
    const due = await store.take(LANE, BATCH, LEASE_MS)
    if (due.length === 0) return
    // One that was written anew since it was taken stays.
    await Promise.all(
      due.map(({ key, generation: lease }) =>
        store.commit([{ del: key }, { undue: key, lane: LANE }], [{ due: key, lane: LANE, lease }]),
      ),
    )
  }
}
