/**
 * Records at hand: one recipient asks for the same few again and again.
 *
 * What must stay true: nothing is answered that was not true when it was asked: whatever is kept goes with the first
 * change, this process's own at once and another's before the next turn of the event loop.
 */
import { Cache, type Key, type Store } from 'iems'
import { decode, type RevisionRecord, revisionKey } from './records.ts'

/** Records; the oldest go first. */
const MOST = 10_000

export type Kept = ReturnType<typeof createKept>

export function createKept(store: Pick<Store, 'get'>) {
  const records = new Cache<unknown>({ max: MOST })
  let revision = -1
  let isFresh = false

  /** The directory's revision, looked at once a turn. */
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
      // Somebody may have changed it while it was read.
      if (asked !== revision) return record
      records.set(name, record)
      return record
    },
  }
}
