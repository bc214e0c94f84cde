/**
 * Caches scan results of equal content.
 *
 * Invariants: a result is valid for the signatures it was made with, and only briefly, because clamd's version does not
 * include the administrator's own signatures.
 */
import { Cache } from 'iems'
import type { Answer } from './clamd.ts'
import type { Options } from './options.ts'

export type Results = ReturnType<typeof createResults>

export function createResults({ entries, keep }: Options['cache'], now: () => number) {
  return new Cache<Answer>({ max: entries, ttl: keep, now })
}
