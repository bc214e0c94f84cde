/**
 * Distinguished names: parses and writes RFC 4514, and folds names for comparison.
 *
 * Invariants: output is UTF-8 with minimal escaping; names that differ only in case, spaces, escapes or attribute
 * aliases are equal.
 */
import { isUtf8 } from 'node:buffer'
import { escaped } from '../../../store/api.ts'

export interface Ava {
  /** As written. */
  readonly type: string
  readonly value: string
}
/** Usually one; several values have no order. */
export type Rdn = readonly Ava[]
/** The entry's own name first, the root last. */
export type Dn = readonly Rdn[]

/** Limits beyond any real directory. */
const MAX_RDNS = 100
const LONGEST = 8192

const TYPE = /^(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)$/

/** Undefined when malformed. */
export function parseDn(text: string): Dn | undefined {
  if (text.length > LONGEST) return undefined
  if (text.trim() === '') return []
  const rdns: Ava[][] = [[]]
  let at = 0
  for (;;) {
    const equals = text.indexOf('=', at)
    const type = text.slice(at, equals).trim()
    if (equals < 0 || !TYPE.test(type)) return undefined
    const read = readValue(text, equals + 1)
    if (!read) return undefined
    rdns.at(-1)?.push({ type, value: read.value })
    at = read.end
    if (at >= text.length) return rdns
    // RFC 2253 section 4: old clients use semicolons as separators.
    if (text[at] !== '+') rdns.push([])
    if (rdns.length > MAX_RDNS) return undefined
    at++
  }
}

/** A value up to its end: `,`, `;`, `+` or the end of text. */
function readValue(text: string, from: number): { readonly value: string; readonly end: number } | undefined {
  let at = from
  while (text[at] === ' ') at++
  if (text[at] === '#') return readHex(text, at + 1)
  const pieces: Buffer[] = []
  /** Start of text not yet copied; its end excludes trailing spaces. */
  let plain = at
  let kept = at
  for (; at < text.length && !',;+'.includes(text[at] as string); at++) {
    const letter = text[at] as string
    if (letter === '"' || letter === '\0') return undefined
    if (letter !== '\\') {
      if (letter !== ' ') kept = at + 1
      continue
    }
    const escaped = readEscape(text, at + 1)
    if (!escaped) return undefined
    pieces.push(Buffer.from(text.slice(plain, at)), escaped.octets)
    at += escaped.length
    plain = at + 1
    kept = plain
  }
  const octets = Buffer.concat([...pieces, Buffer.from(text.slice(plain, kept))])
  return isUtf8(octets) ? { value: octets.toString(), end: at } : undefined
}

function readEscape(text: string, at: number): { readonly octets: Buffer; readonly length: number } | undefined {
  const pair = text.slice(at, at + 2)
  if (/^[0-9A-Fa-f]{2}$/.test(pair)) return { octets: Buffer.from(pair, 'hex'), length: 2 }
  const [letter] = pair
  return letter !== undefined && ' "#+,;<=>\\'.includes(letter) ? { octets: Buffer.from(letter), length: 1 } : undefined
}

/** RFC 4514 section 2.4: `#` and the value's BER encoding, of which only strings are supported. */
function readHex(text: string, from: number): { readonly value: string; readonly end: number } | undefined {
  const [hex = ''] = /^(?:[0-9A-Fa-f]{2})+/.exec(text.slice(from)) ?? []
  const octets = Buffer.from(hex, 'hex')
  const end = from + hex.length + (/^ */.exec(text.slice(from + hex.length))?.[0].length ?? 0)
  const isString = [0x04, 0x0c, 0x13, 0x16].includes(octets[0] ?? 0)
  const value = octets.subarray(2)
  if (!isString || octets[1] !== value.length || value.length > 127 || !isUtf8(value)) return undefined
  return end >= text.length || ',;+'.includes(text[end] as string) ? { value: value.toString(), end } : undefined
}

export const formatRdn = (rdn: Rdn): string => rdn.map(({ type, value }) => `${type}=${escaped(value)}`).join('+')
export const formatDn = (dn: Dn): string => dn.map(formatRdn).join(',')

/** Folds a string for case- and width-insensitive comparison (a subset of RFC 4518). */
export const foldText = (text: string): string =>
  PLAIN.test(text) ? text.toLowerCase() : text.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ')
/** ASCII without spaces; only its case is folded. */
const PLAIN = /^[!-~]*$/

/** Aliases of attributes in DNs (RFC 4519). */
const ALIASES: Readonly<Record<string, string>> = {
  userid: 'uid',
  commonname: 'cn',
  surname: 'sn',
  domaincomponent: 'dc',
  organizationname: 'o',
  organizationalunitname: 'ou',
  countryname: 'c',
  localityname: 'l',
  '0.9.2342.19200300.100.1.1': 'uid',
  '0.9.2342.19200300.100.1.25': 'dc',
  '2.5.4.3': 'cn',
  '2.5.4.4': 'sn',
  '2.5.4.6': 'c',
  '2.5.4.7': 'l',
  '2.5.4.10': 'o',
  '2.5.4.11': 'ou',
}

/** The canonical name of an attribute in a DN. */
export function foldType(type: string): string {
  const lower = type.toLowerCase()
  return ALIASES[lower] ?? lower
}

function foldRdn(rdn: Rdn): string {
  return rdn
    .map(({ type, value }) => formatRdn([{ type: foldType(type), value: foldText(value) }]))
    .sort()
    .join('+')
}

/** The form in which DNs are compared. */
export const foldDn = (dn: Dn): string => dn.map(foldRdn).join(',')

/** The names of a DN below a base; undefined when it is not below it. */
export function relativeTo(dn: Dn, base: Dn): Dn | undefined {
  const own = dn.length - base.length
  return own >= 0 && foldDn(dn.slice(own)) === foldDn(base) ? dn.slice(0, own) : undefined
}
