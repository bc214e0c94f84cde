/**
 * LDIF (RFC 2849): entries as attributes with values.
 *
 * Invariants: every value reads back unchanged; lines and entries are bounded when read.
 */
import { isUtf8 } from 'node:buffer'
import { unescaped } from '../places.ts'

const ENTRY_LENGTH = 16 * 1024 * 1024
const LINE = 76

export interface LdifEntry {
  /** Line in the file, from 1. */
  readonly line: number
  readonly dn: string
  /** Lower-case names, in the order of the file. */
  readonly attributes: readonly (readonly [name: string, value: string])[]
}

/** Throws for invalid LDIF and for change records: only entries are read. */
export async function* readLdif(input: AsyncIterable<Uint8Array>): AsyncGenerator<LdifEntry> {
  let lines: { at: number; text: string }[] = []
  let size = 0
  let at = 0
  for await (const text of linesOf(input)) {
    at++
    if (text.startsWith('#')) continue
    const last = lines.at(-1)
    if (text.startsWith(' ') && last) last.text += text.slice(1)
    else if (text === '') {
      const entry = entryOf(lines)
      if (entry) yield entry
      lines = []
      size = 0
      continue
    } else lines.push({ at, text })
    size += text.length
    if (size > ENTRY_LENGTH) throw new Error(`line ${at}: the entry is too long`)
  }
  const entry = entryOf(lines)
  if (entry) yield entry
}

function entryOf(lines: readonly { readonly at: number; readonly text: string }[]): LdifEntry | undefined {
  const pairs = lines.map(({ at, text }) => {
    const [, name, mark, value] = /^([A-Za-z][\w.;-]*):([:<]?)(.*)$/s.exec(text) ?? []
    if (name === undefined || value === undefined) throw new Error(`line ${at}: this is no LDIF`)
    if (mark === '<') throw new Error(`line ${at}: values in other files are not read`)
    return [name.toLowerCase(), mark === ':' ? decoded(value.trimStart()) : value.replace(/^ +/, '')] as const
  })
  const [first, ...rest] = pairs[0]?.[0] === 'version' ? pairs.slice(1) : pairs
  if (!first) return undefined
  const line = lines[0]?.at ?? 0
  if (first[0] !== 'dn') throw new Error(`line ${line}: an entry begins with dn:`)
  if (rest[0]?.[0] === 'changetype' && rest[0][1] !== 'add') throw new Error(`line ${line}: only new entries are read`)
  return { line, dn: first[1], attributes: rest.filter(([name]) => name !== 'changetype') }
}

/** Binary values stay base64: entries hold text, and LDAP knows which attributes are binary. */
function decoded(base64: string): string {
  const octets = Buffer.from(base64, 'base64')
  return isUtf8(octets) ? octets.toString() : base64
}

/** Binary attributes (RFC 2798, RFC 4523), as `decoded` leaves them. */
const BINARY = /^(?:jpegPhoto|photo|audio|userCertificate|userSMIMECertificate|userPKCS12)(?:;|$)/i
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let left = ''
  for await (const piece of input) {
    left += decoder.decode(piece, { stream: true })
    const lines = left.split('\n')
    left = lines.pop() as string
    if (left.length > ENTRY_LENGTH) throw new Error('a line is too long')
    for (const line of lines) yield line.replace(/\r$/, '')
  }
  if (left !== '') yield left.replace(/\r$/, '')
}

/** RFC 2849: anything but a SAFE-STRING is base64. */
const isSafe = (value: string) => /^(?![ :<])[ -~]*(?<! )$/.test(value)

export function ldifOf(dn: string, attributes: readonly (readonly [name: string, value: string])[]): string {
  const lines = [['dn', dn] as const, ...attributes].map(([name, value]) => {
    const isBinary = BINARY.test(name) && BASE64.test(value)
    const base64 = isBinary ? value : Buffer.from(value).toString('base64')
    const line = isSafe(value) && !isBinary ? `${name}: ${value}` : `${name}:: ${base64}`
    return line.length <= LINE ? line : folded(line)
  })
  return `${lines.join('\n')}\n\n`
}

/** RFC 2849: continuation lines begin with a space. */
function folded(line: string): string {
  const lines = [line.slice(0, LINE)]
  for (let at = LINE; at < line.length; at += LINE - 1) lines.push(line.slice(at, at + LINE - 1))
  return lines.join('\n ')
}

/** The types and values of a DN, from the entry upwards, without RFC 4514 escapes. */
export function namesIn(dn: string): (readonly [name: string, value: string])[] {
  const parts = dn.match(/(?:\\.|[^\\,])+/gs) ?? []
  return parts.map((part) => {
    const at = part.indexOf('=')
    return [part.slice(0, at).trim().toLowerCase(), unescaped(part.slice(at + 1).trim())] as const
  })
}
