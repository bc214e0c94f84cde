/**
 * Pages of what LevelDB holds between two keys. Invariants: the iterator is closed however the reading ends; a page is
 * bounded, so that long lists do not keep the thread.
 */
import { itemsOf } from '../items.ts'
import type { Key, Range, Value } from '../store.ts'
import type { Records } from './database.ts'
import { readRecordKey, recordKey } from './key-layout.ts'

/** Entries of a page: few at first, because most ranges are small; all if their number is known to be small. */
const FIRST = 16
const NEXT = 1000

interface Iterator<T> extends AsyncDisposable {
  nextv(size: number): Promise<T[]>
}

export async function* pagesOf<T>(entries: Iterator<T>, limit = Number.POSITIVE_INFINITY): AsyncGenerator<T[]> {
  await using iterator = entries
  let left = limit
  for (let most = limit <= NEXT ? limit : FIRST; left > 0; most = NEXT) {
    const page = await iterator.nextv(Math.min(most, left))
    if (page.length === 0) return
    left -= page.length
    yield page
  }
}

/** The records of a range. `place.iterate` explains what fails while they are read. */
export const scanRecords = (
  place: { iterate<T>(read: () => AsyncIterable<T>): AsyncGenerator<T> },
  records: Records,
  { from, to, limit, reverse = false }: Range,
): AsyncIterableIterator<readonly [Key, Value]> =>
  itemsOf(
    place.iterate(() => pagesOf(records.iterator({ gte: recordKey(from), lt: recordKey(to), reverse }), limit)),
    ([at, value]) => [readRecordKey(at), value],
  )
