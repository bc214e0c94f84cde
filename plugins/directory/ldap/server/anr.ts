/**
 * Ambiguous name resolution: `(anr=ann ex)`, with which Outlook searches for typed names.
 *
 * Invariants: each such term becomes a bounded number of indexed terms.
 */
import type { Filter } from './protocol/filter.ts'

/** Attributes with names of people. */
const NAMES = ['displayName', 'givenName', 'sn', 'cn', 'uid', 'mail'] as const

const equal = (attribute: string, value: Buffer): Filter => ({ kind: 'equal', attribute, value })
const begins = (attribute: string, initial: Buffer): Filter => ({ kind: 'substrings', attribute, initial, any: [] })
const or = (of: readonly Filter[]): Filter => ({ kind: 'or', of })
const and = (of: readonly Filter[]): Filter => ({ kind: 'and', of })

/** The same filter without anr terms. */
export function withoutAnr(filter: Filter): Filter {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return { kind: filter.kind, of: filter.of.map(withoutAnr) }
    case 'not':
      return { kind: 'not', of: withoutAnr(filter.of) }
    case 'equal':
    case 'approx':
      return isAnr(filter.attribute) ? namesLike(filter.value.toString().trim()) : filter
    case 'substrings':
      return isAnr(filter.attribute) && filter.initial ? namesLike(filter.initial.toString().trim()) : filter
    default:
      return filter
  }
}

const isAnr = (attribute: string) => attribute.toLowerCase() === 'anr'

/** Prefix matches or, after a second `=`, equality; with two words also given name and surname in either order. */
function namesLike(typed: string): Filter {
  const isExact = typed.startsWith('=')
  const text = isExact ? typed.slice(1).trim() : typed
  if (text === '') return or([])
  const is = (attribute: string, value: string) => (isExact ? equal : begins)(attribute, Buffer.from(value))
  const gap = text.search(/[\s,]/)
  const [one, other] = gap < 0 ? [text, ''] : [text.slice(0, gap), text.slice(gap + 1).trim()]
  const halves =
    other === '' ? [] : [and([is('givenName', one), is('sn', other)]), and([is('sn', one), is('givenName', other)])]
  return or([...NAMES.map((name) => is(name, text)), ...halves])
}
