/**
 * Removes old change records.
 *
 * Invariants: a record is removed with its indexes, oldest first; the change feed records how far it has been swept.
 */
import { below, type Clock, key, type Op, type Store, unkey } from 'iems'
import { decode, encode, feedKey, type HistoryRecord, historyOfKey, sweptKey } from './records.ts'

const BATCH = 500

/** Removes changes older than `keepMs`. */
export async function sweepHistory(store: Store, clock: Clock, keepMs: number): Promise<void> {
  const range = { from: below('h').from, to: key('h', Math.max(0, clock.now() - keepMs)), limit: BATCH }
  for (;;) {
    const ops: Op[] = []
    const before = await store.get(sweptKey)
    let swept = before ? decode<number>(before) : 0
    for await (const [at, value] of store.scan(range)) {
      const [, when, number] = unkey(at) as [string, number, number]
      ops.push({ del: at }, { del: feedKey(number) })
      ops.push({ del: historyOfKey(decode<HistoryRecord>(value).id, when, number) })
      swept = Math.max(swept, number)
    }
    if (ops.length === 0) return
    await store.commit([...ops, { put: sweptKey, value: encode(swept) }])
  }
}
