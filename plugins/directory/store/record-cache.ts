/**
 * Caches records and what index ranges hold, because one recipient or client causes repeated lookups of the same few.
 *
 * Invariants: a cached answer was valid when it was requested: a change clears the cache, at once within this process
 * and before the next turn of the event loop for other processes. Values derived from a cached record may be kept with
 * that object: after a change, another object takes its place.
 */
import { Cache, type Key, type Range, type Store, type Value } from 'iems'
import { decode, entryKey, type RevisionRecord, revisionKey } from './records.ts'

const LIMITS = {
  /** Maximum records; the oldest is evicted. */
  records: 10_000,
  /** Maximum ids in all cached ranges. */
  ids: 40_000,
  /** A longer range is read from the store each time. */
  range: 10_000,
}

export type Kept = ReturnType<typeof createKept>

const latin1 = (at: Key) => Buffer.from(at.buffer, at.byteOffset, at.byteLength).toString('latin1')

export function createKept(store: Pick<Store, 'get' | 'scan'>, limits = LIMITS) {
  const records = new Cache<unknown>({ max: limits.records })
  const ranges = new Cache<readonly string[]>({ max: limits.ids, weigh: (ids) => ids.length + 1 })
  let revision = -1
  let isFresh = false

  /** The directory's revision, read once per turn. */
  async function current(): Promise<number> {
    if (isFresh) return revision
    const value = await store.get(revisionKey)
    const now = value ? decode<RevisionRecord>(value).revision : 0
    if (now !== revision) {
      records.clear()
      ranges.clear()
    }
    revision = now
    isFresh = true
    setImmediate(expire)
    return now
  }

  const expire = () => {
    isFresh = false
  }

  async function named<T>(name: string, at: () => Key): Promise<T | undefined> {
    const asked = isFresh ? revision : await current()
    const known = records.get(name)
    if (known !== undefined || records.has(name)) return known as T | undefined
    const value = await store.get(at())
    const record = value && decode<T>(value)
    // It may have been changed during the read.
    if (asked !== revision) return record
    records.set(name, record)
    return record
  }

  return {
    revision: current,
    /** Called after every change of this process. */
    expire,
    get: <T>(at: Key) => named<T>(latin1(at), () => at),
    entry: <T>(id: string) => named<T>(id, () => entryKey(id)),
    /** The ids that a range of an index names, in order; with the value when the store was read. */
    async *ids(
      range: Range,
      idOf: (at: Key, value: Value) => string,
    ): AsyncGenerator<readonly [id: string, value?: Value]> {
      const asked = await current()
      const name = `${latin1(range.from)} ${latin1(range.to)}`
      const known = ranges.get(name)
      if (known) {
        for (const id of known) yield [id]
        return
      }
      const found: string[] = []
      for await (const [at, value] of store.scan(range)) {
        const id = idOf(at, value)
        if (found.length <= limits.range) found.push(id)
        yield [id, value]
      }
      if (found.length <= limits.range && asked === revision) ranges.set(name, found)
    },
  }
}
