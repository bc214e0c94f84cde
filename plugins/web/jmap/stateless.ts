/**
 * Changes of types whose states have no history: nothing since the present state, and unknown since any other.
 */
import type { TypeChanges } from './api.ts'
import { MethodError } from './errors.ts'

/** Throws `cannotCalculateChanges`. */
export function changesSince(since: string, now: string): TypeChanges {
  if (since !== now) throw new MethodError('cannotCalculateChanges')
  return { created: [], updated: [], destroyed: [], newState: now, hasMoreChanges: false }
}
