/**
 * Distinguished names: read and written as RFC 4514 has them, and brought into the one form in which they are compared.
 *
 * What must stay true: what is written is UTF-8, with nothing escaped that need not be; names that differ only in case,
 * in spaces, in escapes or in which of its names an attribute is called by are the same.
 */
import { isUtf8 } from 'node:buffer'

export interface Ava {
  /** As it was written. */
  readonly type: string
  readonly value: string
}
/** Usually one; several stand for each other in any order. */
export type Rdn = readonly Ava[]
/** The entry's own name first, the top last. */
export type Dn = readonly Rdn[]

/** More levels and letters than any directory has. */
const MAX_RDNS = 100
const LONGEST = 8192

const TYPE = /^(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)$/

/** Undefined for what is no name. */
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
    // RFC 2253 section 4: old clients divide by semicolons.
    if (text[at] !== '+') rdns.push([])
    if (rdns.length > MAX_RDNS) return undefined
    at++
  }
}

/** A value up to what ends it: `,`, `;`, `+` or the end. */
function readValue(text: string, from: number): { readonly value: string; readonly end: number } | undefined {
  let at = from
  while (text[at] === ' ') at++
  if (text[at] === '#') return readHex(text, at + 1)
  const pieces: Buffer[] = []
  /** What has not been taken begins here, and what of it is no space at the value's end stops there. */
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

/** RFC 4514 section 2.4: `#` and the BER of the value, of which only strings have a meaning here. */
function readHex(text: string, from: number): { readonly value: string; readonly end: number } | undefined {
  const [hex = ''] = /^(?:[0-9A-Fa-f]{2})+/.exec(text.slice(from)) ?? []
  const octets = Buffer.from(hex, 'hex')
  const end = from + hex.length + (/^ */.exec(text.slice(from + hex.length))?.[0].length ?? 0)
  const isString = [0x04, 0x0c, 0x13, 0x16].includes(octets[0] ?? 0)
  const value = octets.subarray(2)
  if (!isString || octets[1] !== value.length || value.length > 127 || !isUtf8(value)) return undefined
  return end >= text.length || ',;+'.includes(text[end] as string) ? { value: value.toString(), end } : undefined
}

function escapeValue(value: string): string {
  return value
    .replace(/[\\,+"<>;=]/g, '\\$&')
    .replace(/^[ #]| $/g, '\\$&')
    .replace(/\p{Cc}/gu, (letter) =>
      [...Buffer.from(letter)].map((octet) => `\\${octet.toString(16).padStart(2, '0')}`).join(''),
    )
}

export const formatRdn = (rdn: Rdn): string => rdn.map(({ type, value }) => `${type}=${escapeValue(value)}`).join('+')
export const formatDn = (dn: Dn): string => dn.map(formatRdn).join(',')

/** A string as it is compared where case and width make no difference (RFC 4518, as far as people notice). */
export const foldText = (text: string): string => text.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ')

/** Other names of attributes that stand in names (RFC 4519). */
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

/** What an attribute in a name is called in the end. */
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

/** The form in which names are compared. */
export const foldDn = (dn: Dn): string => dn.map(foldRdn).join(',')

/** What of a name is above another one, the other included; undefined when it is not below it. */
export function relativeTo(dn: Dn, base: Dn): Dn | undefined {
  const own = dn.length - base.length
  return own >= 0 && foldDn(dn.slice(own)) === foldDn(base) ? dn.slice(0, own) : undefined
}
