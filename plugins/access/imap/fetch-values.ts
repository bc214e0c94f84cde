/**
 * The values of FETCH: how each item is read and written.
 *
 * Invariants: large content streams; only small values, and those that must be decoded to know their size, are held in
 * memory.
 */
import { gather } from 'iems/mime'
import { type Email, type Entry, IN_ONE_PIECE, type PartRange } from '../../mailbox/store/api.ts'
import type { CommandContext } from './context.ts'
import { type FetchItem, formatSection, type Partial, type Section } from './grammar/fetch.ts'
import { chooseFields, findPart, rangeOf } from './sections.ts'
import { formatEnvelope, formatStructure } from './structure.ts'
import { dateTime, flagList, string } from './text.ts'

/** A written value; or octets in memory, or content that is streamed, after its name. */
export type Value =
  | string
  | { readonly name: string; readonly octets: Buffer; readonly isBinary?: boolean }
  | { readonly name: string; readonly size: number; open(): AsyncIterable<Uint8Array> }

export const UNKNOWN_ENCODING = Symbol('an unknown transfer encoding')

/** Undefined when it has been written; otherwise resolves when the content has. */
export function writeValue({ output }: CommandContext, value: Value): Promise<void> | undefined {
  if (typeof value === 'string') output.write(value)
  else if ('octets' in value) {
    const { name, octets, isBinary } = value
    output.write(`${name} ${isBinary ? '~' : ''}{${octets.length}}\r\n`)
    output.write(isBinary ? octets : inPlaceOfNul(octets))
  } else {
    output.write(`${value.name} {${value.size}}\r\n`)
    return output.content(withoutNul(value.open()), value.size)
  }
  return undefined
}

/** RFC 9051 section 4.3: an ordinary literal cannot contain NUL. Like Dovecot, the server sends this octet instead. */
const IN_PLACE_OF_NUL = 0x80

function inPlaceOfNul(octets: Buffer): Buffer {
  return octets.includes(0) ? Buffer.from(octets.map((octet) => (octet === 0 ? IN_PLACE_OF_NUL : octet))) : octets
}

async function* withoutNul(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) yield inPlaceOfNul(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
}

/** Of an item that needs no content; undefined for others. */
export function entryValue(entry: Entry, item: FetchItem): string | undefined {
  switch (item.kind) {
    case 'UID':
      return `UID ${entry.uid}`
    case 'FLAGS':
      return `FLAGS ${flagList(entry.flags)}`
    case 'INTERNALDATE':
      return `INTERNALDATE ${dateTime(entry.received)}`
    case 'RFC822.SIZE':
      return `RFC822.SIZE ${entry.size}`
    case 'MODSEQ':
      return `MODSEQ (${entry.modseq})`
    case 'EMAILID':
      return `EMAILID (${entry.email})`
    case 'THREADID':
      return `THREADID (${entry.thread})`
    case 'SAVEDATE':
      return `SAVEDATE ${dateTime(entry.saved)}`
    default:
      return undefined
  }
}

export async function contentValue(
  { isUtf8: utf8 }: CommandContext,
  email: Email,
  item: FetchItem,
): Promise<Value | typeof UNKNOWN_ENCODING> {
  switch (item.kind) {
    case 'ENVELOPE':
      return `ENVELOPE ${formatEnvelope(await email.envelope(), utf8)}`
    case 'structure':
      return `${item.isExtended ? 'BODYSTRUCTURE' : 'BODY'} ${formatStructure(await email.structure(), item.isExtended, utf8)}`
    case 'PREVIEW':
      return `PREVIEW ${string(await email.preview(), utf8)}`
    case 'body':
      return bodyValue(email, item)
    case 'binary':
      return binaryValue(email, item)
    case 'binarySize':
      return binarySize(email, item.section)
    default:
      throw new TypeError(`${item.kind} needs no content`)
  }
}

async function bodyValue(email: Email, item: Extract<FetchItem, { kind: 'body' }>): Promise<Value> {
  const { section, partial } = item
  const name = item.name.startsWith('BODY[') ? item.name : item.name.toUpperCase()
  const label = partial ? `${name}<${partial.start}>` : name
  // The whole message and its header need no MIME structure.
  const header = section.part.length === 0 && section.what ? await email.header() : undefined
  if (header && section.what !== 'TEXT') return octetsValue(label, chosenOf(header, section), partial)
  const range = header ? { start: header.length, end: email.size } : await rangeIn(email, section)
  if (!range) return `${label} NIL`
  if (section.fields) {
    const header = await gather(email.open(range), Math.min(range.end - range.start, HEADER_LIMIT))
    return octetsValue(label, chosenOf(header, section), partial)
  }
  const cut = cutTo(range, partial)
  // It is in memory already, where a stream costs more.
  if (email.size <= IN_ONE_PIECE && !cut.within) return { name: label, octets: await email.read(cut) }
  return { name: label, size: cut.end - cut.start, open: () => email.open(cut) }
}

async function rangeIn(email: Email, section: Section): Promise<PartRange | undefined> {
  const isWhole = section.part.length === 0 && section.what === undefined
  return isWhole ? { start: 0, end: email.size } : rangeOf(await email.structure(), section)
}

function cutTo(range: PartRange, partial: Partial | undefined): PartRange {
  if (!partial) return range
  const from = Math.min(range.end, range.start + partial.start)
  return { ...range, start: from, end: Math.min(range.end, from + partial.length) }
}

/** Maximum octets of a header from which fields are selected. */
const HEADER_LIMIT = 1024 * 1024

/** The selected fields, or the whole header. */
function chosenOf(header: Uint8Array, { fields, what }: Section): Buffer {
  const octets = Buffer.from(header.buffer, header.byteOffset, header.byteLength)
  return fields
    ? Buffer.from(chooseFields(octets.toString('latin1'), fields, what === 'HEADER.FIELDS.NOT'), 'latin1')
    : octets
}

function octetsValue(name: string, all: Buffer, partial: Partial | undefined): Value {
  const { start, end } = cutTo({ start: 0, end: all.length }, partial)
  return { name, octets: all.subarray(start, end) }
}

async function binaryValue(
  email: Email,
  { section, partial }: Extract<FetchItem, { kind: 'binary' }>,
): Promise<Value | typeof UNKNOWN_ENCODING> {
  const name = `BINARY[${formatSection(section)}]${partial ? `<${partial.start}>` : ''}`
  const decoded = await decode(email, section)
  if (decoded === UNKNOWN_ENCODING) return decoded
  if (!decoded) return `${name} NIL`
  const { start, end } = cutTo({ start: 0, end: decoded.length }, partial)
  const octets = decoded.subarray(start, end)
  return { name, octets, isBinary: octets.includes(0) }
}

async function binarySize(email: Email, section: Section): Promise<Value | typeof UNKNOWN_ENCODING> {
  const decoded = await decode(email, section)
  return decoded === UNKNOWN_ENCODING ? decoded : `BINARY.SIZE[${formatSection(section)}] ${decoded?.length ?? 0}`
}

/** A literal starts with its size, so decoded content is held in memory. */
async function decode(email: Email, { part: numbers }: Section): Promise<Buffer | undefined | typeof UNKNOWN_ENCODING> {
  const structure = await email.structure()
  if (numbers.length === 0) return gather(email.open(), email.size)
  const part = findPart(structure, numbers)
  if (!part || part.type === 'multipart') return undefined
  const stream = email.decoded(part)
  // Decoded content is never larger than encoded content.
  return stream ? gather(stream, part.end - part.body) : UNKNOWN_ENCODING
}
