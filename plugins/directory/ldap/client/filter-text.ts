/**
 * Search filters as people write them (RFC 4515), brought into the octets that are sent.
 *
 * What must stay true: a value that somebody typed is never read as part of a filter: it goes in as octets.
 */
import { element, octetString, sequence } from '../server/api.ts'

/** More than anybody writes. */
const DEEPEST = 20

export class FilterError extends Error {}

export const equality = (attribute: string, value: string | Buffer): Buffer =>
  element(0xa3, octetString(attribute), octetString(value))
export const present = (attribute: string): Buffer => octetString(attribute, 0x87)
export const all = (...of: readonly Buffer[]): Buffer => element(0xa0, ...of)
export const any = (...of: readonly Buffer[]): Buffer => element(0xa1, ...of)

/** Throws FilterError. */
export function compileFilter(text: string): Buffer {
  const { filter, end } = read(text.trim(), 0, 1)
  if (end !== text.trim().length) throw new FilterError('something follows the filter')
  return filter
}

interface Read {
  readonly filter: Buffer
  readonly end: number
}

function read(text: string, at: number, depth: number): Read {
  if (depth > DEEPEST) throw new FilterError('too deep')
  if (text[at] !== '(') throw new FilterError(`a filter begins with ( at ${at + 1}`)
  const mark = text[at + 1]
  if (mark === '&' || mark === '|') {
    const of: Buffer[] = []
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
    return { filter: element(0xa2, one.filter), end: closed(text, one.end) }
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

function term(text: string): Buffer {
  const [, attribute = '', how = '', value = ''] = new RegExp(`^(${ATTRIBUTE})([~<>]?=)(.*)$`, 's').exec(text) ?? []
  if (attribute === '') return extensible(text)
  if (how === '=' && value === '*') return present(attribute)
  if (how === '=' && value.includes('*')) return substrings(attribute, value.split('*'))
  const tag = { '=': 0xa3, '>=': 0xa5, '<=': 0xa6, '~=': 0xa8 }[how] as number
  return element(tag, octetString(attribute), octetString(octetsOf(value)))
}

function substrings(attribute: string, pieces: readonly string[]): Buffer {
  const parts = pieces.flatMap((piece, at) => {
    if (piece === '') return []
    const tag = at === 0 ? 0x80 : at === pieces.length - 1 ? 0x82 : 0x81
    return [octetString(octetsOf(piece), tag)]
  })
  if (parts.length === 0) throw new FilterError('nothing but *')
  return element(0xa4, octetString(attribute), sequence(...parts))
}

function extensible(text: string): Buffer {
  const [, attribute = '', dn, rule = '', value = ''] =
    new RegExp(`^(${ATTRIBUTE})?(:dn)?(?::(${ATTRIBUTE}))?:=(.*)$`, 's').exec(text) ?? []
  if (attribute === '' && rule === '') throw new FilterError(`${text} is no filter`)
  return element(
    0xa9,
    ...(rule === '' ? [] : [octetString(rule, 0x81)]),
    ...(attribute === '' ? [] : [octetString(attribute, 0x82)]),
    octetString(octetsOf(value), 0x83),
    ...(dn ? [element(0x84, Buffer.from([0xff]))] : []),
  )
}

/** With its escapes undone. */
function octetsOf(value: string): Buffer {
  if (/\\(?![0-9A-Fa-f]{2})|[(\0]/.test(value)) throw new FilterError(`${value} has something to be escaped`)
  const pieces = value.split(/((?:\\[0-9A-Fa-f]{2})+)/)
  return Buffer.concat(
    pieces.map((piece) =>
      piece.startsWith('\\') ? Buffer.from(piece.replaceAll('\\', ''), 'hex') : Buffer.from(piece),
    ),
  )
}
