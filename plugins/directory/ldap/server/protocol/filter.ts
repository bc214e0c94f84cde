/**
 * Search filters (RFC 4511 section 4.5.1.7).
 *
 * Invariants: depth and number of terms are limited for any input.
 */
import { BerError, type BerReader } from './ber.ts'

export type Filter =
  | { readonly kind: 'and' | 'or'; readonly of: readonly Filter[] }
  | { readonly kind: 'not'; readonly of: Filter }
  | Term

/** A condition on one attribute. */
export type Term =
  | { readonly kind: 'present'; readonly attribute: string }
  | { readonly kind: 'equal' | 'atLeast' | 'atMost' | 'approx'; readonly attribute: string; readonly value: Buffer }
  | {
      readonly kind: 'substrings'
      readonly attribute: string
      readonly initial?: Buffer
      readonly any: readonly Buffer[]
      readonly final?: Buffer
    }
  | {
      readonly kind: 'extensible'
      readonly rule?: string
      readonly attribute?: string
      readonly value: Buffer
      readonly inDn: boolean
    }

export interface FilterLimits {
  readonly filterDepth: number
  readonly filterTerms: number
}

/** Well-formed but beyond the limits: the result is adminLimitExceeded. */
export class FilterTooLarge extends Error {}

const COMPARISONS = { 163: 'equal', 165: 'atLeast', 166: 'atMost', 168: 'approx' } as const

export function readFilter(reader: BerReader, { filterDepth, filterTerms }: FilterLimits): Filter {
  let terms = 0
  function read(from: BerReader, depth: number): Filter {
    if (depth > filterDepth || ++terms > filterTerms) throw new FilterTooLarge()
    const { tag } = from
    switch (tag) {
      case 0xa0:
      case 0xa1: {
        const set = from.inside(tag)
        const of: Filter[] = []
        while (!set.isAtEnd) of.push(read(set, depth + 1))
        return { kind: tag === 0xa0 ? 'and' : 'or', of }
      }
      case 0xa2: {
        const inner = from.inside(tag)
        const of = read(inner, depth + 1)
        if (!inner.isAtEnd) throw new BerError('a negation is of one filter')
        return { kind: 'not', of }
      }
      case 0xa3:
      case 0xa5:
      case 0xa6:
      case 0xa8: {
        const pair = from.inside(tag)
        return { kind: COMPARISONS[tag], attribute: pair.text(), value: pair.octets() }
      }
      case 0xa4:
        return readSubstrings(from.inside(tag))
      case 0x87:
        return { kind: 'present', attribute: from.text(tag) }
      case 0xa9:
        return readExtensible(from.inside(tag))
      default:
        throw new BerError('no such filter')
    }
  }
  return read(reader, 1)
}

function readSubstrings(reader: BerReader): Filter {
  const attribute = reader.text()
  const parts = reader.inside()
  const any: Buffer[] = []
  let initial: Buffer | undefined
  let final: Buffer | undefined
  while (!parts.isAtEnd) {
    const { tag } = parts
    const isFirst = initial === undefined && any.length === 0
    if (final !== undefined) throw new BerError('nothing comes behind the final part')
    if (tag === 0x80 && isFirst) initial = parts.octets(tag)
    else if (tag === 0x81) any.push(parts.octets(tag))
    else final = parts.octets(0x82)
  }
  if (initial === undefined && final === undefined && any.length === 0) throw new BerError('substrings without parts')
  return {
    kind: 'substrings',
    attribute,
    any,
    ...(initial === undefined ? {} : { initial }),
    ...(final === undefined ? {} : { final }),
  }
}

function readExtensible(reader: BerReader): Filter {
  const rule = reader.tag === 0x81 ? reader.text(0x81) : undefined
  const attribute = reader.tag === 0x82 ? reader.text(0x82) : undefined
  const value = reader.octets(0x83)
  const inDn = reader.isAtEnd ? false : reader.boolean(0x84)
  if (rule === undefined && attribute === undefined) throw new BerError('neither a rule nor an attribute')
  return {
    kind: 'extensible',
    value,
    inDn,
    ...(rule === undefined ? {} : { rule }),
    ...(attribute === undefined ? {} : { attribute }),
  }
}

/** All terms of a filter. */
export function termsOf(filter: Filter): readonly Term[] {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return filter.of.flatMap(termsOf)
    case 'not':
      return termsOf(filter.of)
    default:
      return [filter]
  }
}
