/**
 * Long sets of UIDs, so many messages in one commit.
 */
import type { Refused, UidRange, Uids } from './api.ts'

/** Messages changed in one commit. */
const BATCH = 1000

/** Does the work for one batch after the other; stops at a refusal. */
export async function inBatches(
  uids: Uids,
  work: (batch: Uids) => Promise<Refused | undefined>,
): Promise<Refused | undefined> {
  for (const batch of batchesOf(uids)) {
    const refusal = await work(batch)
    if (refusal) return refusal
  }
  return undefined
}

function* batchesOf(uids: Uids): Generator<Uids> {
  let batch: UidRange[] = []
  let left = BATCH
  for (let [first, last] of uids) {
    while (first <= last) {
      const end = Math.min(last, first + left - 1)
      batch.push([first, end])
      left -= end - first + 1
      first = end + 1
      if (left > 0) continue
      yield batch
      batch = []
      left = BATCH
    }
  }
  if (batch.length > 0) yield batch
}
