/**
 * Sequence sets and UID sets: `1:3,7,*`, `$`, and their output.
 *
 * Invariants: the cost of a set depends on its text, not on its numbers.
 */
import type { UidRange, Uids } from '../../../mailbox/store/api.ts'
import type { Cursor } from './cursor.ts'

/** `*` is the largest number in use. */
export type SetEnd = number | '*'
export type SequenceSet = readonly (readonly [SetEnd, SetEnd])[] | '$'

/** Maximum ranges of one set. */
const MOST = 10_000

export function readSet(cursor: Cursor): SequenceSet {
  // RFC 5182: the result of the last SEARCH.
  if (cursor.takes('$')) return '$'
  const ranges: (readonly [SetEnd, SetEnd])[] = []
  do {
    const first = readEnd(cursor)
    ranges.push([first, cursor.takes(':') ? readEnd(cursor) : first])
    if (ranges.length > MOST) cursor.fail('a shorter set')
  } while (cursor.takes(','))
  return ranges
}

function readEnd(cursor: Cursor): SetEnd {
  if (cursor.takes('*')) return '*'
  const value = cursor.number('a message number')
  return value > 0 ? value : cursor.fail('a number above 0')
}

/** The set as ordered ranges, with `*` replaced by the given number. */
export function rangesOf(set: Exclude<SequenceSet, '$'>, last: number): [number, number][] {
  const value = (end: SetEnd) => (end === '*' ? last : end)
  return set
    .map(([a, b]): [number, number] => [Math.min(value(a), value(b)), Math.max(value(a), value(b))])
    .sort(([a], [b]) => a - b)
}

/** The UIDs among these that a set names, whether or not they still exist. */
export function within(uids: Uids, set: Exclude<SequenceSet, '$'>, last: number): [number, number][] {
  const asked = merge(rangesOf(set, last))
  const found: [number, number][] = []
  let at = 0
  for (const [first, end] of uids) {
    while ((asked[at]?.[1] ?? end) < first) at++
    for (let next = at; (asked[next]?.[0] ?? end + 1) <= end; next++) {
      const [from, to] = asked[next] as [number, number]
      found.push([Math.max(first, from), Math.min(end, to)])
    }
  }
  return found
}

/** Whether ordered, disjoint ranges contain a number. */
export function holds(ranges: Uids, number: number): boolean {
  let [low, high] = [0, ranges.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ranges[middle]?.[1] as number) < number) low = middle + 1
    else high = middle
  }
  return (ranges[low]?.[0] ?? Number.POSITIVE_INFINITY) <= number
}

/** The last `most` UIDs, and the first of them; `from` is absent when that is all. */
export function lastOf(uids: Uids, most: number): { readonly uids: Uids; readonly from?: number } {
  const kept: UidRange[] = []
  let left = most
  for (let at = uids.length - 1; at >= 0; at--) {
    const [first, last] = uids[at] as UidRange
    const from = Math.max(first, last - left + 1)
    left -= last - from + 1
    kept.unshift([from, last])
    if (left === 0) return from > first || at > 0 ? { uids: kept, from } : { uids }
  }
  return { uids }
}

/** Ordered, disjoint ranges. */
export function merge(ranges: Uids): [number, number][] {
  const merged: [number, number][] = []
  for (const [first, last] of [...ranges].sort(([a], [b]) => a - b)) {
    const before = merged.at(-1)
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last)
    else merged.push([first, last])
  }
  return merged
}

/** As clients parse it: `1:3,7`. */
export function formatSet(ranges: Uids): string {
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}:${last}`)).join(',')
}

/** The fewest ranges that cover ordered numbers. */
export function compact(numbers: Iterable<number>): [number, number][] {
  const ranges: [number, number][] = []
  for (const number of numbers) {
    const before = ranges.at(-1)
    if (before && number === before[1] + 1) before[1] = number
    else ranges.push([number, number])
  }
  return ranges
}
