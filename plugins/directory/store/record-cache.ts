/**
 * Caches records, because one recipient causes repeated lookups of the same few.
 *
 * Invariants: a cached answer was valid when it was requested: a change clears the cache, at once within this process
 * and before the next turn of the event loop for other processes.
 */
import { Cache, type Key, type Store } from 'iems'
import { decode, type RevisionRecord, revisionKey } from './records.ts'

/** Maximum records; the oldest is evicted. */
const MOST = 10_000

export type Kept = ReturnType<typeof createKept>

export function createKept(store: Pick<Store, 'get'>) {
  const records = new Cache<unknown>({ max: MOST })
  let revision = -1
  let isFresh = false

  /** The directory's revision, read once per turn. */
  async function current(): Promise<number> {
    if (isFresh) return revision
    const value = await store.get(revisionKey)
    const now = value ? decode<RevisionRecord>(value).revision : 0
    if (now !== revision) records.clear()
    revision = now
    isFresh = true
    setImmediate(expire)
    return now
  }

  const expire = () => {
    isFresh = false
  }

  return {
    revision: current,
    /** Called after every change of this process. */
    expire,
    async get<T>(at: Key): Promise<T | undefined> {
      const asked = await current()
      const name = Buffer.from(at.buffer, at.byteOffset, at.byteLength).toString('latin1')
      if (records.has(name)) return records.get(name) as T | undefined
      const value = await store.get(at)
      const record = value && decode<T>(value)
      // It may have been changed during the read.
      if (asked !== revision) return record
      records.set(name, record)
      return record
    },
  }
}
