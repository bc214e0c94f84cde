/**
 * A filter's operators (RFC 8620 section 5.5), for types that look at each object by itself.
 */
import type { Filter } from './api.ts'

/** Whether an object meets a filter, by what `meets` says of each condition. */
export function meetsFilter<C extends object>(
  filter: Filter<C> | undefined,
  meets: (condition: C) => boolean,
): boolean {
  if (!filter) return true
  if (!('operator' in filter)) return meets(filter)
  const all = filter.conditions.map((one) => meetsFilter(one, meets))
  if (filter.operator === 'AND') return all.every(Boolean)
  return filter.operator === 'OR' ? all.some(Boolean) : !all.some(Boolean)
}
