/**
 * Evaluates a filter for an entry (RFC 4511 section 4.5.1.7): true, false or undefined.
 *
 * Invariants: an unreadable attribute evaluates as an unknown one; each value costs one comparison per term, so an
 * entry costs at most the filter's terms times its values.
 */
import { isUtf8 } from 'node:buffer'
import { foldDn, foldType, parseDn } from './protocol/dn.ts'
import { type Filter, termsOf } from './protocol/filter.ts'
import {
  type AttributeDescription,
  appliesTo,
  describe,
  foldByRule,
  foldPart,
  foldValue,
  hasOrdering,
  hasSubstrings,
} from './schema.ts'

/** An entry being evaluated. */
export interface Candidate {
  readonly id: string | undefined
  readonly dn: string
  /** Values of an attribute and its subtypes; empty when there are none, undefined when unreadable. */
  values(description: AttributeDescription): readonly string[] | undefined
  /** All readable attributes by base name. */
  all(): Iterable<readonly [base: string, values: readonly string[]]>
  /** The attribute of this group's members: `member` or `uniquemember`. */
  readonly memberBase: string
}

export type Truth = boolean | undefined
export type Predicate = (candidate: Candidate) => Truth

/** Members and groups that a filter names, by their folded DN. */
export interface Memberships {
  /** Ids of the groups that contain a member. */
  readonly groupsOf: ReadonlyMap<string, ReadonlySet<string>>
  /** Ids of a group's members. */
  readonly membersOf: ReadonlyMap<string, ReadonlySet<string>>
}

const UNKNOWN: Predicate = () => undefined
const textOf = (value: Buffer) => (isUtf8(value) ? value.toString() : undefined)
export const foldDnText = (text: string) => {
  const dn = parseDn(text)
  return dn && foldDn(dn)
}

export function compile(filter: Filter, memberships: Memberships): Predicate {
  switch (filter.kind) {
    case 'and':
      return all(filter.of.map((one) => compile(one, memberships)))
    case 'or':
      return any(filter.of.map((one) => compile(one, memberships)))
    case 'not': {
      const inner = compile(filter.of, memberships)
      return (candidate) => {
        const truth = inner(candidate)
        return truth === undefined ? undefined : !truth
      }
    }
    case 'extensible':
      return extensible(filter)
    default: {
      const description = describe(filter.attribute)
      if (!description) return UNKNOWN
      if (filter.kind === 'present') return (candidate) => truthOf(candidate.values(description), () => true)
      if (filter.kind === 'substrings') return substrings(description, filter)
      return comparison(description, filter, memberships)
    }
  }
}

const all =
  (of: readonly Predicate[]): Predicate =>
  (candidate) => {
    let truth: Truth = true
    for (const one of of) {
      const own = one(candidate)
      if (own === false) return false
      if (own === undefined) truth = undefined
    }
    return truth
  }

const any =
  (of: readonly Predicate[]): Predicate =>
  (candidate) => {
    let truth: Truth = false
    for (const one of of) {
      const own = one(candidate)
      if (own === true) return true
      if (own === undefined) truth = undefined
    }
    return truth
  }

function truthOf(values: readonly string[] | undefined, is: (value: string) => boolean): Truth {
  return values === undefined ? undefined : values.some(is)
}

function comparison(
  description: AttributeDescription,
  { kind, value }: { readonly kind: 'equal' | 'atLeast' | 'atMost' | 'approx'; readonly value: Buffer },
  { groupsOf, membersOf }: Memberships,
): Predicate {
  const { base } = description
  const text = textOf(value)
  const wanted = text === undefined ? undefined : foldValue(base, text)
  if (wanted === undefined) return UNKNOWN
  // Looked up from the member's side, because a group may be very large.
  const isMember = base === 'member' || base === 'uniquemember'
  const ids = isMember ? groupsOf.get(wanted) : base === 'memberof' ? membersOf.get(wanted) : undefined
  if (isMember || base === 'memberof')
    return (candidate) => {
      if (candidate.values(description) === undefined) return undefined
      return (!isMember || candidate.memberBase === base) && (ids?.has(candidate.id ?? '') ?? false)
    }
  if (kind === 'atLeast' || kind === 'atMost') {
    if (!hasOrdering(base)) return UNKNOWN
    return (candidate) =>
      truthOf(candidate.values(description), (one) => {
        const folded = foldValue(base, one)
        return folded !== undefined && (kind === 'atLeast' ? folded >= wanted : folded <= wanted)
      })
  }
  return (candidate) => truthOf(candidate.values(description), (one) => foldValue(base, one) === wanted)
}

function substrings(
  description: AttributeDescription,
  { initial, any, final }: Extract<Filter, { kind: 'substrings' }>,
): Predicate {
  const { base } = description
  if (!hasSubstrings(base)) return UNKNOWN
  const part = (octets: Buffer | undefined) => {
    const text = octets && textOf(octets)
    return text === undefined ? undefined : foldPart(base, text)
  }
  const parts = [initial, ...any, final].filter((octets) => octets !== undefined)
  if (parts.some((octets) => !isUtf8(octets))) return UNKNOWN
  // RFC 4518 section 2.6.1: leading and trailing spaces do not count.
  const start = part(initial)?.trimStart() ?? ''
  const end = part(final)?.trimEnd() ?? ''
  const between = any.map((octets) => part(octets) as string)
  return (candidate) =>
    truthOf(candidate.values(description), (one) => {
      const value = foldValue(base, one) ?? ''
      if (!value.startsWith(start) || !value.endsWith(end)) return false
      let at = start.length
      for (const piece of between) {
        const found = value.indexOf(piece, at)
        if (found < 0) return false
        at = found + piece.length
      }
      return at <= value.length - end.length
    })
}

function extensible({ rule, attribute, value, inDn }: Extract<Filter, { kind: 'extensible' }>): Predicate {
  const description = attribute === undefined ? undefined : describe(attribute)
  const text = textOf(value)
  if (text === undefined || (attribute !== undefined && !description)) return UNKNOWN
  if (!description) return rule === undefined ? UNKNOWN : anywhere(rule, text, inDn)
  const { base } = description
  const fold = rule === undefined ? (one: string) => foldValue(base, one) : foldByRule(rule)
  const wanted = fold?.(text)
  if (!fold || wanted === undefined) return UNKNOWN
  const isIt = (one: string) => fold(one) === wanted
  return (candidate) => {
    const own = truthOf(candidate.values(description), isIt)
    if (!inDn || own === true) return own
    const named = (parseDn(candidate.dn) ?? []).flat()
    return named.some((ava) => foldType(ava.type) === base && isIt(ava.value)) || own
  }
}

/** RFC 4511 section 4.5.1.7.7: all attributes to which the rule applies. */
function anywhere(rule: string, text: string, inDn: boolean): Predicate {
  const fold = foldByRule(rule)
  const wanted = fold?.(text)
  if (!fold || wanted === undefined) return UNKNOWN
  return (candidate) => {
    for (const [base, values] of candidate.all())
      if (appliesTo(rule, base) && values.some((one) => fold(one) === wanted)) return true
    if (!inDn) return false
    const named = (parseDn(candidate.dn) ?? []).flat()
    return named.some(({ type, value }) => appliesTo(rule, foldType(type)) && fold(value) === wanted)
  }
}

/** The DNs whose membership the filter tests. */
export function dnsIn(filter: Filter, bases: readonly string[]): string[] {
  return termsOf(filter).flatMap((term) => {
    const isEqual = term.kind === 'equal' || term.kind === 'approx'
    return isEqual && bases.includes(describe(term.attribute)?.base ?? '') ? [term.value.toString()] : []
  })
}
