/**
 * Sets of UIDs as ranges, in which mailboxes are stored and opened.
 *
 * Invariants: ranges are ordered, disjoint and minimal; every function is linear in the number of ranges, so a client's
 * 1:4294967295 costs nothing.
 */
import type { UidRange, Uids } from './api.ts'

/** The set of any ranges, in any order. */
export function uidsOf(ranges: Iterable<UidRange>): Uids {
  const sorted = [...ranges].sort(([a], [b]) => a - b)
  const set: [number, number][] = []
  for (const [first, last] of sorted) {
    const before = set.at(-1)
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last)
    else set.push([first, last])
  }
  return set
}

export function countUids(uids: Uids): number {
  return uids.reduce((sum, [first, last]) => sum + last - first + 1, 0)
}

/** The UIDs in both. */
export function intersectUids(a: Uids, b: Uids): Uids {
  const both: UidRange[] = []
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [left, right] = [a[i] as UidRange, b[j] as UidRange]
    const [first, last] = [Math.max(left[0], right[0]), Math.min(left[1], right[1])]
    if (first <= last) both.push([first, last])
    if (left[1] < right[1]) i++
    else j++
  }
  return both
}

/** The UIDs in the first but not in the second. */
export function subtractUids(from: Uids, uids: Uids): Uids {
  const left: UidRange[] = []
  let next = 0
  for (const [first, last] of from) {
    let start = first
    while (next > 0 && (uids[next - 1]?.[1] ?? -1) >= start) next--
    for (; next < uids.length && (uids[next] as UidRange)[0] <= last; next++) {
      const [from, to] = uids[next] as UidRange
      if (to < start) continue
      if (from > start) left.push([start, from - 1])
      start = to + 1
    }
    if (start <= last) left.push([start, last])
  }
  return left
}

/** Each of them. */
export function* eachUid(uids: Uids): Generator<number> {
  for (const [first, last] of uids) for (let uid = first; uid <= last; uid++) yield uid
}

/** UIDs of a mailbox are stored in buckets, so that a change rewrites only one. */
const BUCKET = 10_000

export const bucketOf = (uid: number): number => Math.floor(uid / BUCKET)

/** The buckets in which these may be. */
export function bucketsOf(uids: Uids): readonly number[] {
  const buckets = new Set<number>()
  for (const [first, last] of uids)
    for (let bucket = bucketOf(first); bucket <= bucketOf(last); bucket++) buckets.add(bucket)
  return [...buckets]
}
