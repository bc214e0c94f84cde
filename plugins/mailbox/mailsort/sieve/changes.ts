/**
 * Changes to a message: header fields added and deleted (RFC 5293), parts replaced, the message enclosed (RFC 5703).
 *
 * Invariants: the message that came is never touched; unchanged parts come back byte for byte; all functions are linear
 * in the size of the header.
 */
import { createHash } from 'node:crypto'
import type { ByteRange } from 'iems'
import { encodeWords, type MimePart, readFields } from 'iems/mime'
import type { MessageSource } from './environment.ts'
import { type Position, SieveError } from './syntax.ts'

/** Octets that scripts may add to a header. */
const MAX_ADDED = 65_536
/** Octets of the text of one change. */
const MAX_TEXT = 262_144
/** Characters of a line (RFC 5322 section 2.1.1). */
const LINE = 78

/** A raw header field, octets as characters, with its line endings. */
interface RawField {
  /** Lower case; empty for a line that is no field. */
  readonly name: string
  readonly text: string
}

const latin1 = (octets: Uint8Array) =>
  Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1')

/** A header that fields are added to and deleted from. */
export class HeaderFields {
  #fields: RawField[] = []
  /** The blank line, and anything after the fields. */
  readonly #end: string
  #added = 0

  constructor(header: Uint8Array) {
    const text = latin1(header)
    let start = 0
    while (start < text.length) {
      let end = text.indexOf('\n', start) + 1 || text.length
      if (/^\r?\n$/.test(text.slice(start, end))) break
      while (text[end] === ' ' || text[end] === '\t') end = text.indexOf('\n', end) + 1 || text.length
      const field = text.slice(start, end)
      const colon = field.indexOf(':')
      this.#fields.push({ name: colon < 0 ? '' : field.slice(0, colon).trimEnd().toLowerCase(), text: field })
      start = end
    }
    this.#end = text.slice(start)
  }

  /** Values of all fields of a name, in their order. */
  values(name: string): readonly string[] {
    return this.#fields
      .filter((field) => field.name === name)
      .map(({ text }) => readFields(Buffer.from(text, 'latin1')).list[0]?.value ?? '')
  }

  /** Deletes the fields of a name at those positions among them, from 0. */
  delete(name: string, isMeant: (place: number) => boolean = () => true): void {
    let place = 0
    this.#fields = this.#fields.filter((field) => field.name !== name || !isMeant(place++))
  }

  /** Throws a SieveError for a header that grows beyond its limit. */
  add(name: string, value: string, at: Position, isLast = false): void {
    const field = { name: name.toLowerCase(), text: Buffer.from(written(name, value)).toString('latin1') }
    this.#added += field.text.length
    if (this.#added > MAX_ADDED) throw new SieveError(at, `more than ${MAX_ADDED} octets of header fields are added`)
    if (isLast) this.#fields.push(ended(this.#fields.pop()), field)
    else this.#fields.unshift(field)
    this.#fields = this.#fields.filter(({ text }) => text !== '')
  }

  /** Another header, with the fields of these names alone. */
  only(names: ReadonlySet<string>): HeaderFields {
    const other = new HeaderFields(Buffer.from('\r\n'))
    other.#fields = this.#fields.filter(({ name }) => names.has(name)).map(ended)
    return other
  }

  get octets(): Uint8Array {
    return Buffer.from(this.#fields.map(({ text }) => text).join('') + this.#end, 'latin1')
  }
}

/** The last field of a header without a body may have no line end. */
const ended = (field: RawField = { name: '', text: '' }): RawField =>
  field.text === '' || field.text.endsWith('\n') ? field : { ...field, text: `${field.text}\r\n` }

/** A field on lines of their length where spaces allow it; a value that is not ASCII as encoded words. */
function written(name: string, value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are removed
  const words = encodeWords(value.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim()).split(' ')
  const lines: string[] = []
  let line = `${name}:`
  for (const word of words) {
    if (line.length + word.length >= LINE && line.trim() !== '' && word !== '' && !line.endsWith(':')) {
      lines.push(line)
      line = ''
    }
    line += ` ${word}`
  }
  return `${[...lines, line].join('\r\n')}\r\n`
}

type Piece = Uint8Array | ByteRange
const lengthOf = (piece: Piece) => (piece instanceof Uint8Array ? piece.byteLength : piece.end - piece.start)

/** A message made of new octets and of ranges of another; the first piece is its header. */
function assembled(of: MessageSource, header: Uint8Array, pieces: readonly Piece[]): MessageSource {
  const all: readonly Piece[] = [header, ...pieces.filter((piece) => lengthOf(piece) > 0)]
  const size = all.reduce((sum, piece) => sum + lengthOf(piece), 0)
  return {
    size,
    header,
    async *open({ start, end } = { start: 0, end: size }) {
      let at = 0
      for (const piece of all) {
        const [from, to] = [Math.max(start - at, 0), Math.min(end - at, lengthOf(piece))]
        if (from < to && piece instanceof Uint8Array) yield piece.subarray(from, to)
        else if (from < to)
          yield* of.open({ start: (piece as ByteRange).start + from, end: (piece as ByteRange).start + to })
        at += lengthOf(piece)
      }
    },
  }
}

/** The message with another header. */
export const withHeader = (of: MessageSource, header: Uint8Array): MessageSource =>
  assembled(of, header, [{ start: of.header.byteLength, end: of.size }])

/** A text as an entity with its header: plain text, or with `:mime` the text itself. */
function entityOf(text: string, isMime: boolean, at: Position): { readonly head: string; readonly body: string } {
  if (Buffer.byteLength(text) > MAX_TEXT) throw new SieveError(at, `more than ${MAX_TEXT} octets of text`)
  const lines = text.toWellFormed().replace(/\r\n|\r|\n/g, '\r\n')
  if (!isMime) {
    const encoded = Buffer.from(lines)
      .toString('base64')
      .replace(/.{1,76}/g, '$&\r\n')
    return { head: 'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n', body: encoded }
  }
  const end = lines.startsWith('\r\n') ? 0 : lines.indexOf('\r\n\r\n')
  if (end < 0) throw new SieveError(at, 'the text has no header', 'begin it with Content-Type: and an empty line')
  const head = lines
    .slice(0, end)
    .split(/\r\n(?![ \t])/)
    .filter((field) => /^content-[a-z-]+:/i.test(field))
    .map((field) => `${field}\r\n`)
  return { head: head.join(''), body: lines.slice(end === 0 ? 2 : end + 4) }
}

export interface Replacement {
  readonly text: string
  readonly isMime: boolean
  readonly at: Position
}

export interface WholeReplacement extends Replacement {
  readonly subject: string | undefined
  readonly from: string | undefined
}

/** Fields that describe the body. */
const MIME_FIELD = /^(?:mime-version|content-[a-z-]+)$/

/** Moves a field out of the way of a new value (RFC 5703 section 5). */
function supersede(fields: HeaderFields, name: string, value: string, at: Position): void {
  const [old] = fields.values(name.toLowerCase())
  fields.delete(name.toLowerCase())
  if (old !== undefined) fields.add(`Original-${name}`, old, at)
  fields.add(name, value, at)
}

function withoutMime(header: Uint8Array): HeaderFields {
  const fields = new HeaderFields(header)
  const names = new Set(readFields(header).list.map(({ name }) => name))
  for (const name of names) if (MIME_FIELD.test(name)) fields.delete(name)
  return fields
}

const joined = (fields: HeaderFields, head: string): Uint8Array => {
  const own = Buffer.from(fields.octets)
    .toString('latin1')
    .replace(/\r?\n$/, '')
  const start = own === '' || own.endsWith('\n') ? own : `${own}\r\n`
  return Buffer.from(`${start}MIME-Version: 1.0\r\n${Buffer.from(head).toString('latin1')}\r\n`, 'latin1')
}

/** The whole message gives way to a text; fields that do not describe the body stay. */
export function replaceMessage(
  of: MessageSource,
  { text, isMime, subject, from, at }: WholeReplacement,
): MessageSource {
  const { head, body } = entityOf(text, isMime, at)
  const fields = withoutMime(of.header)
  if (subject !== undefined) supersede(fields, 'Subject', subject, at)
  if (from !== undefined) supersede(fields, 'From', from, at)
  return assembled(of, joined(fields, head), [Buffer.from(body)])
}

/** Replaces parts by texts, including all their subparts. */
export function replaceParts(of: MessageSource, changes: ReadonlyMap<MimePart, Replacement>): MessageSource {
  const pieces: Piece[] = []
  let at = of.header.byteLength
  for (const [part, { text, isMime, at: where }] of [...changes].sort(([a], [b]) => a.header - b.header)) {
    if (part.header < at || part.within) continue
    const { head, body } = entityOf(text, isMime, where)
    pieces.push({ start: at, end: part.header }, Buffer.from(`${head}\r\n${body.replace(/\r\n$/, '')}`))
    at = part.end
  }
  return assembled(of, of.header, [...pieces, { start: at, end: of.size }])
}

export interface Enclosure {
  readonly text: string
  readonly subject: string | undefined
  /** Fields that are copied, in lower case. */
  readonly headers: readonly string[]
  readonly from: string
  readonly date: string
  readonly at: Position
}

/** The message becomes an attachment of a new one (RFC 5703 section 6). */
export function encloseMessage(
  of: MessageSource,
  { text, subject, headers, from, date, at }: Enclosure,
): MessageSource {
  const { head, body } = entityOf(text, false, at)
  const old = readFields(of.header)
  const boundary = `enclosed-${createHash('sha256').update(of.header).update(text).digest('hex').slice(0, 32)}`
  const copied = new Set(headers.filter((name) => !MIME_FIELD.test(name)))
  const fields = new HeaderFields(of.header).only(copied)
  const add = (name: string, value: string | undefined) => {
    if (value !== undefined && !copied.has(name.toLowerCase())) fields.add(name, value, at, true)
  }
  add('From', from)
  add('Date', date)
  if (subject !== undefined) fields.delete('subject')
  const title = subject ?? (copied.has('subject') ? undefined : old.get('subject'))
  if (title !== undefined) fields.add('Subject', title, at, true)
  const top = `--${boundary}\r\n${head}\r\n${body}--${boundary}\r\nContent-Type: message/rfc822\r\n\r\n`
  return assembled(of, joined(fields, `Content-Type: multipart/mixed; boundary="${boundary}"\r\n`), [
    Buffer.from(top),
    { start: 0, end: of.size },
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ])
}
