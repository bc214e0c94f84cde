/** Comparison of secrets. */
import { timingSafeEqual } from 'node:crypto'

/** Compares in constant time; lengths are no secret. Text is compared as UTF-8. */
export function isSameSecret(one: string | Uint8Array, other: string | Uint8Array): boolean {
  const [first, second] = [Buffer.from(one), Buffer.from(other)]
  return first.length === second.length && timingSafeEqual(first, second)
}
