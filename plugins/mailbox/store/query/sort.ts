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
  const columns = order.map((key) => items.map(({ sorted }) => compared(key, sorted)))
  const signs = order.map(({ isReverse }) => (isReverse ? -1 : 1))
  const itemAt = (index: number): T => (items[index] as { readonly item: T }).item
  // With 5,000 items this runs 60,000 times.
  const compare = (a: number, b: number): number => {
    for (let key = 0; key < columns.length; key++) {
      const column = columns[key] as Sortable[]
      const [left, right] = [column[a] as Sortable, column[b] as Sortable]
      if (left !== right) return (left < right ? -1 : 1) * (signs[key] as number)
    }
    return last(itemAt(a), itemAt(b))
  }
  return [...items.keys()].sort(compare).map(itemAt)
}
