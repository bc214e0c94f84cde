/**
 * Server-side sorting (RFC 2891) and virtual list views (draft-ietf-ldapext-ldapv3-vlv-09).
 *
 * Invariants: an attribute that the client may not read does not influence the order; the number of entries that are
 * sorted is limited by the caller.
 */
import { isUtf8 } from 'node:buffer'
import { isReadable } from './access.ts'
import { readSortKeys, type ViewRequest } from './protocol/requests.ts'
import type { ResultName } from './protocol/responses.ts'
import { type AttributeDescription, describe, foldValue } from './schema.ts'
import type { Visible } from './search.ts'

export interface Order {
  readonly description: AttributeDescription
  readonly isReverse: boolean
}

const MAX_KEYS = 5

/** The keys of a sort control, or the result that refuses it. */
export function readOrder(
  value: Buffer | undefined,
): { readonly keys: readonly Order[] } | { readonly result: ResultName } {
  const keys: Order[] = []
  for (const { attribute, isReverse } of readSortKeys(value)) {
    const description = describe(attribute)
    if (!description) return { result: 'noSuchAttribute' }
    keys.push({ description, isReverse })
  }
  return keys.length > 0 && keys.length <= MAX_KEYS ? { keys } : { result: 'unwillingToPerform' }
}

interface Ranked {
  readonly one: Visible
  /** The compared value for each key; undefined if the entry has none. */
  readonly values: readonly (string | undefined)[]
}

/** RFC 2891: by the smallest value of an attribute; entries without a value are last. */
export function ranked(found: readonly Visible[], keys: readonly Order[]): Ranked[] {
  const all = found.map((one) => ({
    one,
    values: keys.map(({ description: { base, key } }) =>
      isReadable(one.readable, base)
        ? (one.attributes.get(key) ?? []).map((value) => foldValue(base, value) ?? '').sort()[0]
        : undefined,
    ),
  }))
  return all.sort((a, b) => {
    for (const [at, { isReverse }] of keys.entries()) {
      const order = compareTexts(a.values[at], b.values[at])
      if (order !== 0) return isReverse ? -order : order
    }
    return 0
  })
}

function compareTexts(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0
  if (a === undefined) return 1
  if (b === undefined) return -1
  return a < b ? -1 : 1
}

/** The entries of a view and the position of its target, from 1; one more than the count is after the last. */
export interface View {
  readonly entries: readonly Visible[]
  readonly position: number
}

export function viewOf(all: readonly Ranked[], keys: readonly Order[], request: ViewRequest): View | undefined {
  const position = positionIn(all, keys, request)
  if (position === undefined) return undefined
  const start = Math.max(0, position - 1 - request.before)
  return { position, entries: all.slice(start, position + request.after).map(({ one }) => one) }
}

/** Undefined when the offset is out of range. */
function positionIn(all: readonly Ranked[], [first]: readonly Order[], { target }: ViewRequest): number | undefined {
  const count = all.length
  if ('offset' in target) {
    const { offset, contentCount } = target
    if (offset < 1) return undefined
    // The client's offset refers to the list size that it knows.
    if (contentCount === 0 || contentCount === count || offset === 1) return Math.min(offset, count + 1)
    if (offset >= contentCount) return Math.max(1, count)
    return Math.max(1, Math.min(count, Math.round((count * offset) / contentCount)))
  }
  const wanted = isUtf8(target.atLeast)
    ? foldValue(first?.description.base ?? '', target.atLeast.toString())
    : undefined
  const isThere = ({ values: [value] }: Ranked) => {
    const order = compareTexts(value, wanted)
    return first?.isReverse ? order <= 0 : order >= 0
  }
  const at = all.findIndex(isThere)
  return at < 0 ? count + 1 : at + 1
}
