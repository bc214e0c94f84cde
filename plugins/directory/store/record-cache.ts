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

const isSame = (one: Value | undefined, other: Value | undefined) =>
  one === other || (one !== undefined && other !== undefined && Buffer.compare(one, other) === 0)

export type Kept = ReturnType<typeof createKept>

const latin1 = (at: Key) => Buffer.from(at.buffer, at.byteOffset, at.byteLength).toString('latin1')

export function createKept(store: Pick<Store, 'get' | 'scan'>, limits = LIMITS) {
  const records = new Cache<unknown>({ max: limits.records })
  const ranges = new Cache<readonly string[]>({ max: limits.ids, weigh: (ids) => ids.length + 1 })
  let revision = 0
  /** The record of the revision. */
  let last: Value | undefined
  let isFresh = false

  /** The directory's revision, read once per turn. */
  async function current(): Promise<number> {
    if (isFresh) return revision
    const value = await store.get(revisionKey)
    isFresh = true
    setImmediate(expire)
    if (isSame(value, last)) return revision
    records.clear()
    ranges.clear()
    last = value
    revision = value ? decode<RevisionRecord>(value).revision : 0
    return revision
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

  const rangeName = ({ from, to }: Range) => `${latin1(from)} ${latin1(to)}`

  return {
    revision: current,
    /** Called after every change of this process. */
    expire,
    get: <T>(at: Key) => named<T>(latin1(at), () => at),
    entry: <T>(id: string) => named<T>(id, () => entryKey(id)),
    /** The entry if the answer needs no read. */
    known: <T>(id: string) => (isFresh ? (records.get(id) as T | undefined) : undefined),
    /** The ids that a range of an index names, in order, if they are cached. */
    async ids(range: Range): Promise<readonly string[] | undefined> {
      await current()
      return ranges.get(rangeName(range))
    },
    /** Reads a range from the store, for the next time. */
    async *read(
      range: Range,
      idOf: (at: Key, value: Value) => string,
    ): AsyncGenerator<readonly [id: string, value: Value]> {
      const asked = await current()
      const found: string[] = []
      for await (const [at, value] of store.scan(range)) {
        const id = idOf(at, value)
        if (found.length <= limits.range) found.push(id)
        yield [id, value]
      }
      if (found.length <= limits.range && asked === revision) ranges.set(rangeName(range), found)
    },
  }
}
