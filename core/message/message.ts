/**
 * A message: a stored body, header edits over it, and each plugin's box.
 *
 * The bytes that came in are never rewritten. What the header gains stands in a prefix, what it loses is a list of
 * cuts; reading puts the three together. What must stay true: content is read as a stream and as often as wanted; an
 * edit can neither split a field nor smuggle in another one; this file knows nothing of queues, routes or fates.
 */
import { randomBytes } from 'node:crypto'
import type { ParsedMail } from 'mailparser'
import { IemsError } from '../api/errors.ts'
import type {
  Finding,
  Headers,
  MailParameters,
  Message,
  Priority,
  ReadableMessage,
  Recipient,
  Session,
} from '../api/hooks.ts'
import { createHeaderScanner, FIELD_START, type HeaderEnd } from '../mime/header-end.ts'
import type { ByteRange } from '../store/store.ts'
import { MAX_PARSED_HEADER, parseMessage } from './parse.ts'

// --- ids ------------------------------------------------------------------------------

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** 26 letters and digits that sort by time (10 for the millisecond) and cannot be guessed (16 random). */
export function newId(now: number): string {
  let id = ''
  for (let rest = now, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) id = ALPHABET[rest % 32] + id
  for (const byte of randomBytes(16)) id += ALPHABET[byte % 32]
  return id
}

/** The smallest id of that millisecond, for ranges over time. */
export function idAt(ms: number): string {
  return newId(ms).slice(0, 10)
}

// --- header -----------------------------------------------------------------------------

/** What is added above the stored bytes, and which of them are left out: ordered, without overlap. */
export interface Edits {
  prefix: string
  cuts: [start: number, end: number][]
}

interface Field {
  readonly name: string
  readonly start: number
  readonly end: number
}

/** Where each field of a header block begins and ends, continuation lines included. */
function fieldsOf(block: string): Field[] {
  const fields: Field[] = []
  for (let start = 0; start < block.length; ) {
    let end = block.indexOf('\n', start) + 1 || block.length
    while (block[end] === ' ' || block[end] === '\t') end = block.indexOf('\n', end) + 1 || block.length
    const [mark] = FIELD_START.exec(block.slice(start, end)) ?? []
    if (mark !== undefined) fields.push({ name: mark.slice(0, -1).trimEnd().toLowerCase(), start, end })
    start = end
  }
  return fields
}

/** A field as its octets, one character each. */
export interface RawField {
  readonly name: string
  /** Everything behind the colon but the last line's end: spaces and folds are there. */
  readonly value: string
}

export interface SplitContent {
  /** From the top. Lines that are no fields are left out. */
  readonly fields: readonly RawField[]
  /** Can be read once. */
  readonly body: AsyncIterable<Uint8Array>
}

/** A content in its two parts; undefined when the header is longer than `most` octets. */
export async function splitContent(
  content: AsyncIterable<Uint8Array>,
  most: number,
): Promise<SplitContent | undefined> {
  const pieces = content[Symbol.asyncIterator]()
  const scanner = createHeaderScanner()
  const read: Uint8Array[] = []
  let size = 0
  let found: HeaderEnd | undefined
  while (!found && size <= most) {
    const { done, value } = await pieces.next()
    if (done) break
    read.push(value)
    size += value.byteLength
    found = scanner.push(value)
  }
  const end = found?.body ?? (size > most ? size : scanner.finish().body)
  if (end > most) {
    await pieces.return?.()
    return undefined
  }
  const head = Buffer.concat(read)
  const block = head.toString('latin1', 0, end)
  const fields = fieldsOf(block).map((field) => {
    const colon = block.indexOf(':', field.start)
    return {
      name: block.slice(field.start, colon).trimEnd(),
      value: block.slice(colon + 1, field.end).replace(/\r?\n$/, ''),
    }
  })
  async function* rest() {
    if (end < head.length) yield head.subarray(end)
    yield* { [Symbol.asyncIterator]: () => pieces }
  }
  return { fields, body: rest() }
}

function fieldValue(block: string, { start, end }: Field): string {
  const raw = block.slice(block.indexOf(':', start) + 1, end)
  return Buffer.from(raw, 'latin1')
    .toString('utf8')
    .replace(/\r?\n(?=[ \t])/g, '')
    .trim()
}

/** Folds at spaces so that no line passes 78 characters where a space allows it (RFC 5322 section 2.2.3). */
function fold(field: string): string {
  let line = ''
  const lines: string[] = []
  for (const word of field.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > 78 && line.trim() !== '') {
      lines.push(line)
      line = ` ${word}`
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].join('\r\n')
}

/** One header field as it is written, folded. Throws IEMS_HEADER_INVALID. */
export function headerField(name: string, value: string): string {
  if (!/^[!-9;-~]+$/.test(name))
    throw new IemsError('IEMS_HEADER_INVALID', { name, why: 'the name has forbidden characters' })
  // A value that is folded already keeps its folds; any other line break would begin a new field or the body.
  if (/[\r\n](?![ \t])|\0/.test(value.replace(/\r\n(?=[ \t])/g, ''))) {
    throw new IemsError('IEMS_HEADER_INVALID', { name, why: 'the value has line breaks or NUL' })
  }
  return `${value.includes('\r\n') ? `${name}: ${value}` : fold(`${name}: ${value}`)}\r\n`
}

/** The header of stored bytes seen through edits, which `prepend` and `remove` extend. */
export function createHeaders(block: Uint8Array, edits: Edits): Headers {
  const text = Buffer.from(block.buffer, block.byteOffset, block.byteLength).toString('latin1')
  let fields: Field[] | undefined
  const stored = () => {
    fields ??= fieldsOf(text)
    // Fields and cuts stand in the same order: thousands of either cost one pass.
    let next = 0
    return fields.filter(({ start }) => {
      while ((edits.cuts[next]?.[1] ?? Number.POSITIVE_INFINITY) <= start) next++
      return start < (edits.cuts[next]?.[0] ?? Number.POSITIVE_INFINITY)
    })
  }
  const added = () => Buffer.from(edits.prefix).toString('latin1')
  return {
    get(name) {
      const wanted = name.toLowerCase()
      const prefix = added()
      const of = (source: string, list: Field[]) =>
        list.filter((field) => field.name === wanted).map((field) => fieldValue(source, field))
      return [...(prefix === '' ? [] : of(prefix, fieldsOf(prefix))), ...of(text, stored())]
    },
    prepend(name, value) {
      edits.prefix = headerField(name, value) + edits.prefix
    },
    remove(name, isMeant = () => true) {
      const wanted = name.toLowerCase()
      const prefix = added()
      const goes = (source: string, field: Field) => field.name === wanted && isMeant(fieldValue(source, field))
      const kept = fieldsOf(prefix).filter((field) => !goes(prefix, field))
      edits.prefix = Buffer.from(kept.map(({ start, end }) => prefix.slice(start, end)).join(''), 'latin1').toString()
      const cuts = stored().filter((field) => goes(text, field))
      edits.cuts = [...edits.cuts, ...cuts.map(({ start, end }): [number, number] => [start, end])].sort(
        ([a], [b]) => a - b,
      )
    },
  }
}

// --- content -----------------------------------------------------------------------------

/** Stored bytes that can be read from anywhere: what is staged, or a blob. */
export interface Body {
  readonly size: number
  /** All of them, when they are in memory anyhow. */
  readonly bytes?: Uint8Array | undefined
  open(range?: ByteRange): AsyncIterable<Uint8Array>
}

/** Octets of a body seen through edits. */
export function sizeWith(body: Body, edits: Edits): number {
  const cut = edits.cuts.reduce((sum, [start, end]) => sum + end - start, 0)
  return Buffer.byteLength(edits.prefix) + body.size - cut
}

/**
 * A piece of a body, exactly. Throws `IEMS_BLOB_DAMAGED` behind it when it is shorter than it was when it was stored,
 * or, at the end of the body, when more follows: content of another size is never taken for the whole.
 */
async function* wholePiece(body: Body, { start, end }: ByteRange): AsyncGenerator<Uint8Array> {
  const isLast = end === body.size
  let left = end - start
  for await (const chunk of body.open({ start, end: isLast ? end + 1 : end })) {
    if (chunk.byteLength > left) throw new IemsError('IEMS_BLOB_DAMAGED', { how: 'longer', size: body.size })
    left -= chunk.byteLength
    yield chunk
  }
  if (left > 0) throw new IemsError('IEMS_BLOB_DAMAGED', { how: 'shorter', size: body.size })
}

/** A body seen through edits: all of it, or a range of what is seen. */
export async function* openWith(body: Body, edits: Edits, range?: ByteRange): AsyncGenerator<Uint8Array> {
  const { start: first, end: last } = range ?? { start: 0, end: Number.POSITIVE_INFINITY }
  const prefix = Buffer.from(edits.prefix)
  if (prefix.length > first && last > 0) yield prefix.subarray(first, last)
  /** Where the next piece of the body begins in what is seen. */
  let seen = prefix.length
  let start = 0
  for (const [from, to] of [...edits.cuts, [body.size, body.size] as const]) {
    const piece = { start: start + Math.max(0, first - seen), end: Math.min(from, start + last - seen) }
    if (piece.end > piece.start) {
      if (body.bytes) yield body.bytes.subarray(piece.start, piece.end)
      else yield* wholePiece(body, piece)
    }
    seen += Math.max(0, from - start)
    start = to
  }
}

// --- the message -----------------------------------------------------------------------------

/** What a message is made of. */
export interface MessageDeps {
  readonly id: string
  readonly session: Session
  readonly from: string
  readonly parameters: MailParameters
  readonly priority: Priority
  readonly recipients: readonly Recipient[]
  /** Those so far: later taps see what earlier ones found. */
  findings(): readonly Finding[]
  readonly edits: Edits
  readonly body: Body
  /** The stored bytes up to the end of the header. */
  readonly header: Uint8Array
  /** Octets up to which `parse` reads. */
  readonly parseLimit: number
}

/** A plugin without types hears at once that a header is not changed here, instead of seeing no effect. */
function readOnly({ get }: Headers): Headers {
  const refused = () => {
    throw new TypeError('headers are changed in modify and dispatch only')
  }
  return { get, prepend: refused, remove: refused }
}

/** The message as plugins read it. */
export function createMessage(parts: MessageDeps): ReadableMessage {
  const { id, session, from, parameters, priority, recipients, edits, body, header, parseLimit } = parts
  let headers: Headers | undefined
  let parsed: Promise<ParsedMail | undefined> | undefined
  const open = (range?: ByteRange) => openWith(body, edits, range)
  return {
    id,
    session,
    from,
    parameters,
    priority,
    recipients,
    get findings() {
      return parts.findings()
    },
    get size() {
      return sizeWith(body, edits)
    },
    get headers() {
      headers ??= readOnly(createHeaders(header, edits))
      return headers
    },
    open,
    parse() {
      const isTooLarge =
        sizeWith(body, edits) > parseLimit || edits.prefix.length + header.byteLength > MAX_PARSED_HEADER
      parsed ??= isTooLarge ? Promise.resolve(undefined) : parseMessage(open())
      return parsed
    },
  }
}

/** What `modify` taps made of a message. */
export interface ChangedMessage {
  readonly parts: MessageDeps
  /** Addresses that the sender did not name. */
  readonly added: readonly string[]
}

/** The message as `modify` taps change it; `replace` is given the new content, of which it makes the new parts. */
export function createChangeableMessage(
  first: MessageDeps,
  replace: (source: AsyncIterable<Uint8Array>) => Promise<MessageDeps>,
): { readonly message: Message; changed(): ChangedMessage } {
  let parts = first
  let { from, recipients } = first
  let added: readonly string[] = []
  let inner = createMessage(first)
  let headers = createHeaders(first.header, first.edits)
  const isFor = (address: string) => (one: Recipient) => [one.address, one.original].includes(address)
  const message: Message = {
    id: first.id,
    session: first.session,
    get from() {
      return from
    },
    parameters: first.parameters,
    priority: first.priority,
    get recipients() {
      return recipients
    },
    get findings() {
      return inner.findings
    },
    get size() {
      return inner.size
    },
    get headers() {
      return headers
    },
    open: (range) => inner.open(range),
    parse: () => inner.parse(),
    async replaceContent(source) {
      parts = await replace(source)
      inner = createMessage(parts)
      headers = createHeaders(parts.header, parts.edits)
    },
    setSender(address) {
      from = address
    },
    addRecipient(address) {
      if (recipients.some(isFor(address))) return
      added = [...added, address]
      recipients = [...recipients, { address, original: address }]
    },
    removeRecipient(address) {
      added = added.filter((one) => one !== address)
      recipients = recipients.filter((one) => !isFor(address)(one))
    },
  }
  return { message, changed: () => ({ parts: { ...parts, from, recipients }, added }) }
}
