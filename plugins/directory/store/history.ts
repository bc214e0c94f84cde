/**
 * What is left of changes after a time: nothing.
 *
 * What must stay true: a record of a change goes with its index, the oldest first.
 */
import { below, type Clock, key, type Op, type Store, unkey } from 'iems'
import { decode, type HistoryRecord, historyOfKey } from './records.ts'

const BATCH = 500

/** Forgets changes that are older than so many ms. */
export async function sweepHistory(store: Store, clock: Clock, keepMs: number): Promise<void> {
  const range = { from: below('h').from, to: key('h', Math.max(0, clock.now() - keepMs)), limit: BATCH }
  for (;;) {
    const ops: Op[] = []
    for await (const [at, value] of store.scan(range)) {
      const [, when, number] = unkey(at) as [string, number, number]
      ops.push({ del: at }, { del: historyOfKey(decode<HistoryRecord>(value).id, when, number) })
    }
    if (ops.length === 0) return
    await store.commit(ops)
  }
}
