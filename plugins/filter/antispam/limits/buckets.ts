/**
 * Token buckets: how much of something is left for a key, filled up again as time passes.
 *
 * What must stay true: the number of keys is bounded; a key that is forgotten begins with a full bucket.
 */
import type { Cache } from 'iems'
import type { Rate } from './options.ts'

export interface Bucket {
  left: number
  at: number
}

export interface BucketsDeps {
  /** Longest silent first; its maximum is the number of keys. */
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
