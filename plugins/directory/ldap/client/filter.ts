/**
 * Search filters, built from names and octets or parsed from the administrator's text (RFC 4515).
 *
 * Invariants: a client's value is never parsed as part of a filter; it is inserted as octets. ldapjs's own filter
 * parser is not used, because it sends escapes literally.
 */
import { isUtf8 } from 'node:buffer'
import {
  AndFilter,
  ApproximateFilter,
  ExtensibleFilter,
  type Filter,
  GreaterThanEqualsFilter,
  LessThanEqualsFilter,
  NotFilter,
  OctetFilter,
  OrFilter,
  PresenceFilter,
  SubstringFilter,
} from './ldapjs.ts'

export type { Filter }

const MAX_DEPTH = 20

export class FilterError extends Error {}

export const equality = (attribute: string, value: string | Buffer): Filter =>
  new OctetFilter({ attribute, value: Buffer.from(value as Buffer) })
export const all = (...filters: readonly Filter[]): Filter => new AndFilter({ filters: [...filters] })
export const any = (...filters: readonly Filter[]): Filter => new OrFilter({ filters: [...filters] })

/** Throws FilterError. */
export function compileFilter(text: string): Filter {
  const { filter, end } = read(text.trim(), 0, 1)
  if (end !== text.trim().length) throw new FilterError('something follows the filter')
  return filter
}

interface Read {
  readonly filter: Filter
  readonly end: number
}

function read(text: string, at: number, depth: number): Read {
  if (depth > MAX_DEPTH) throw new FilterError('too deep')
  if (text[at] !== '(') throw new FilterError(`a filter begins with ( at ${at + 1}`)
  const mark = text[at + 1]
  if (mark === '&' || mark === '|') {
    const of: Filter[] = []
    let next = at + 2
    while (text[next] === '(') {
      const one = read(text, next, depth + 1)
      of.push(one.filter)
      next = one.end
    }
    return { filter: mark === '&' ? all(...of) : any(...of), end: closed(text, next) }
  }
  if (mark === '!') {
    const one = read(text, at + 2, depth + 1)
    return { filter: new NotFilter({ filter: one.filter }), end: closed(text, one.end) }
  }
  const end = text.indexOf(')', at)
  if (end < 0) throw new FilterError('a ) is missing')
  return { filter: term(text.slice(at + 1, end)), end: end + 1 }
}

function closed(text: string, at: number): number {
  if (text[at] !== ')') throw new FilterError(`a ) is missing at ${at + 1}`)
  return at + 1
}

const ATTRIBUTE = '[A-Za-z0-9][A-Za-z0-9.;-]*'

function term(text: string): Filter {
  const [, attribute = '', how = '', value = ''] = new RegExp(`^(${ATTRIBUTE})([~<>]?=)(.*)$`, 's').exec(text) ?? []
  if (attribute === '') return extensible(text)
  if (how === '=' && value === '*') return new PresenceFilter({ attribute })
  if (how === '=' && value.includes('*')) return substrings(attribute, value.split('*'))
  if (how === '=') return equality(attribute, octetsOf(value))
  const ordered = { attribute, value: textOf(value) }
  if (how === '~=') return new ApproximateFilter(ordered)
  return how === '>=' ? new GreaterThanEqualsFilter(ordered) : new LessThanEqualsFilter(ordered)
}

function substrings(attribute: string, pieces: readonly string[]): Filter {
  const [initial = '', ...rest] = pieces.map(textOf)
  const final = rest.pop() ?? ''
  const any = rest.filter((piece) => piece !== '')
  if (initial === '' && final === '' && any.length === 0) throw new FilterError('nothing but *')
  return new SubstringFilter({ attribute, initial, any, final })
}

function extensible(text: string): Filter {
  const [, matchType = '', dn, rule = '', value = ''] =
    new RegExp(`^(${ATTRIBUTE})?(:dn)?(?::(${ATTRIBUTE}))?:=(.*)$`, 's').exec(text) ?? []
  if (matchType === '' && rule === '') throw new FilterError(`${text} is no filter`)
  return new ExtensibleFilter({ matchType, rule, value: textOf(value), dnAttributes: dn !== undefined })
}

/** Decodes escapes. ldapjs accepts octets only for equality. */
function textOf(value: string): string {
  const octets = octetsOf(value)
  if (!isUtf8(octets)) throw new FilterError(`${value} is not UTF-8`)
  return octets.toString()
}

/** Decodes escapes. */
function octetsOf(value: string): Buffer {
  if (/\\(?![0-9A-Fa-f]{2})|[(\0]/.test(value)) throw new FilterError(`${value} has something to be escaped`)
  const pieces = value.split(/((?:\\[0-9A-Fa-f]{2})+)/)
  return Buffer.concat(
    pieces.map((piece) =>
      piece.startsWith('\\') ? Buffer.from(piece.replaceAll('\\', ''), 'hex') : Buffer.from(piece),
    ),
  )
}
