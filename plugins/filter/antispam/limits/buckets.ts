/**
 * Token buckets, refilled over time.
 *
 * Invariants: the number of keys is bounded; an evicted key restarts with a full bucket.
 */
import type { Cache } from 'iems'
import type { Rate } from './options.ts'

export interface Bucket {
  left: number
  at: number
}

export interface BucketsDeps {
  /** Least recently used first; its maximum limits the number of keys. */
  readonly buckets: Cache<Bucket>
  now(): number
}

export function createBuckets({ buckets, now }: BucketsDeps) {
  return {
    get size() {
      return buckets.size
    },
    /** Takes one if there is one. */
    take(key: string, { count, ms }: Rate): boolean {
      const at = now()
      const known = buckets.get(key)
      const left = known ? Math.min(count, known.left + ((at - known.at) * count) / ms) : count
      const isEnough = left >= 1
      buckets.set(key, { left: isEnough ? left - 1 : left, at })
      return isEnough
    },
  }
}
