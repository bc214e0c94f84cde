/**
 * Order of messages and emails by sort keys (RFC 5256, RFC 5957).
 */
import type { SortKey } from '../api.ts'
import type { MessageSummary } from './summaries.ts'

type Sortable = string | number
/** Sort keys; flags and thread only if the order needs them. */
type Sorted = MessageSummary & { readonly flags?: readonly string[]; readonly thread?: string }

const VALUES: Readonly<Record<Exclude<SortKey['by'], 'flag' | 'threads'>, (summary: MessageSummary) => Sortable>> = {
  received: ({ received }) => received,
  cc: ({ cc }) => cc,
  sent: ({ sent, received }) => sent ?? received,
  displayFrom: ({ displayFrom }) => displayFrom,
  displayTo: ({ displayTo }) => displayTo,
  from: ({ from }) => from,
  size: ({ size }) => size,
  subject: ({ subject }) => subject,
  to: ({ to }) => to,
}

/** Whether an order compares only what records say. */
export const isOfRecords = (order: readonly SortKey[]): boolean =>
  order.every(({ by }) => ['received', 'size', 'flag', 'threads'].includes(by))

function compared(key: SortKey, sorted: Sorted): Sortable {
  if (key.by === 'threads') return key.ids.has(sorted.thread ?? '') ? 0 : 1
  if (key.by !== 'flag') return VALUES[key.by](sorted)
  const flag = key.flag.toLowerCase()
  return sorted.flags?.some((one) => one.toLowerCase() === flag) ? 0 : 1
}

/** Sorts items; `last` breaks ties. */
export function sortBy<T>(
  items: readonly { readonly item: T; readonly sorted: Sorted }[],
  order: readonly SortKey[],
  last: (a: T, b: T) => number,
): readonly T[] {
  const rows = items.map(({ item, sorted }) => ({ item, values: order.map((key) => compared(key, sorted)) }))
  rows.sort((a, b) => {
    for (const [index, { isReverse }] of order.entries()) {
      const [left, right] = [a.values[index] as Sortable, b.values[index] as Sortable]
      if (left !== right) return (left < right ? -1 : 1) * (isReverse ? -1 : 1)
    }
    return last(a.item, b.item)
  })
  return rows.map(({ item }) => item)
}
