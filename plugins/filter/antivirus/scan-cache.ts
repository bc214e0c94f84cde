/**
 * Results of what has been scanned, for the same content again.
 *
 * What must stay true: a result counts for the signatures it was made with, and not for long: clamd does not count
 * every signature of its admin's own in its version.
 */
import { Cache } from 'iems'
import type { Answer } from './clamd.ts'
import type { Options } from './options.ts'

export type Results = ReturnType<typeof createResults>

export function createResults({ entries, keep }: Options['cache'], now: () => number) {
  return new Cache<Answer>({ max: entries, ttl: keep, now })
}
