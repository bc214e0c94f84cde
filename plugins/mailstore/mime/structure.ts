/**
 * The MIME structure of content as it was received: where each part stands, and what its header says of it.
 *
 * The content is read once, as it comes, line by line. What must stay true: no body is ever held; whatever a stranger
 * sends is some structure, never an error; beyond a limit what is left is one opaque part; every offset is that of the
 * octets as they are, so sections come back byte for byte.
 */
import type { ByteRange } from 'iems'
import { readAddresses } from './addresses.ts'
import { type Fields, readFields } from './header.ts'
import { readParameters } from './parameters.ts'

/** One part of a message's MIME structure, as BODYSTRUCTURE (RFC 9051) needs it, with where it is in the content. */
export interface MimePart {
  /** Lower case: `text`, `multipart`, … */
  readonly type: string
  readonly subtype: string
  readonly parameters: Readonly<Record<string, string>>
  readonly id?: string
  readonly description?: string
  readonly encoding: string
  readonly disposition?: { readonly type: string; readonly parameters: Readonly<Record<string, string>> }
  readonly languages?: readonly string[]
  readonly location?: string
  readonly md5?: string
  /** Octet offsets in the content: the part's header, then its body up to `end` (without the line break before a boundary). */
  readonly header: number
  readonly body: number
  readonly end: number
  /** Lines of the body, for text and message/rfc822. */
  readonly lines?: number
  /** Of a multipart; of message/rfc822 the one message inside. */
  readonly parts?: readonly MimePart[]
  /** Of the message itself and of message/rfc822. */
  readonly envelope?: Envelope
}

export interface Envelope {
  readonly date?: string
  readonly subject?: string
  readonly from: readonly EnvelopeAddress[]
  readonly sender: readonly EnvelopeAddress[]
  readonly replyTo: readonly EnvelopeAddress[]
  readonly to: readonly EnvelopeAddress[]
  readonly cc: readonly EnvelopeAddress[]
  readonly bcc: readonly EnvelopeAddress[]
  readonly inReplyTo?: string
  readonly messageId?: string
}

/** RFC 9051 section 7.5.2; a group begins with only a mailbox and ends with nothing. */
export interface EnvelopeAddress {
  readonly name?: string
  /** The obsolete route, `@one,@two`. */
  readonly route?: string
  readonly mailbox?: string
  readonly host?: string
}

// --- limits ---------------------------------------------------------------------------------

/** Parts within parts. */
const DEPTH = 100
const PARTS = 10_000
/** Octets of one header that are looked at; what is beyond is part of it, unread. */
const HEADER = 262_144
/** Octets of a boundary (RFC 2046 allows 70; some write more). */
const BOUNDARY = 250

// --- a part while it is being read ---------------------------------------------------------------

interface Open {
  type: string
  subtype: string
  parameters: Readonly<Record<string, string>>
  encoding: string
  facts: Pick<MimePart, 'id' | 'description' | 'disposition' | 'languages' | 'location' | 'md5'>
  envelope: Envelope | undefined
  readonly header: number
  body: number
  end: number
  /** Line breaks before the body, of the whole content. */
  linesBefore: number
  lines: number
  /** With its two dashes; of a multipart whose last boundary has not come. */
  boundary: Buffer | undefined
  readonly parts: Open[]
  /** Whether it is a message, whose header has an envelope. */
  readonly isMessage: boolean
  readonly isDigestPart: boolean
}

function begin(header: number, isMessage: boolean, isDigestPart = false): Open {
  const [type, subtype] = isDigestPart ? ['message', 'rfc822'] : ['text', 'plain']
  return {
    type: type as string,
    subtype: subtype as string,
    parameters: {},
    encoding: '7bit',
    facts: {},
    envelope: undefined,
    header,
    body: header,
    end: header,
    linesBefore: 0,
    lines: 0,
    boundary: undefined,
    parts: [],
    isMessage,
    isDigestPart,
  }
}

const DASH = 45
const LF = 10
const CR = 13

class Reading {
  readonly #root = begin(0, true)
  readonly #stack: Open[] = [this.#root]
  #count = 1
  /** Of the present line. */
  #start = 0
  #offset = 0
  #lines = 0
  /** Octets of the line break before the present line. */
  #breakBefore = 0
  /** The beginning of a line whose end has not come. */
  #held: Buffer[] = []
  #heldSize = 0
  /** The header that is being read; undefined in a body. */
  #header: Buffer[] | undefined = []
  #headerSize = 0

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      const end = chunk.indexOf(LF, at)
      if (end < 0) {
        this.#hold(chunk.subarray(at))
        return
      }
      this.#offset += end + 1 - at
      if (this.#header !== undefined || this.#held.length > 0 || chunk[at] === DASH)
        this.#line(this.#whole(chunk.subarray(at, end + 1)))
      else this.#passed(chunk[end - 1] === CR && end > at ? 2 : 1)
      at = end + 1
    }
  }

  finish(): MimePart {
    if (this.#heldSize > 0) this.#line(this.#whole(Buffer.alloc(0)))
    if (this.#header !== undefined) this.#endHeader(this.#offset)
    for (const part of this.#stack) this.#close(part, this.#offset, this.#lines)
    return partOf(this.#root)
  }

  #hold(piece: Buffer): void {
    this.#offset += piece.length
    // Of a long line in a body only the beginning matters.
    const most = this.#header === undefined ? BOUNDARY + 10 : HEADER
    if (this.#heldSize < most) this.#held.push(Buffer.from(piece.subarray(0, most)))
    this.#heldSize += piece.length
  }

  #whole(piece: Buffer): Buffer {
    if (this.#held.length === 0) return piece
    const line = Buffer.concat([...this.#held, piece])
    this.#held = []
    this.#heldSize = 0
    return line
  }

  /** A line that means nothing here. */
  #passed(lineBreak: number): void {
    this.#start = this.#offset
    this.#lines++
    this.#breakBefore = lineBreak
  }

  #line(line: Buffer): void {
    const hasBreak = line.at(-1) === LF
    const lineBreak = hasBreak ? (line.at(-2) === CR ? 2 : 1) : 0
    if (line[0] === DASH && line[1] === DASH && this.#isBoundary(line.subarray(0, line.length - lineBreak))) {
      this.#passed(lineBreak)
      return
    }
    const lines = hasBreak ? 1 : 0
    if (this.#header !== undefined) this.#headerLine(line, lineBreak)
    this.#start = this.#offset
    this.#lines += lines
    this.#breakBefore = lineBreak
    if (this.#isBodyNext) this.#beginBody()
  }

  // --- headers ---

  #isBodyNext = false

  #headerLine(line: Buffer, lineBreak: number): void {
    if (line.length === lineBreak) {
      this.#isBodyNext = true
      return
    }
    if (this.#headerSize < HEADER) this.#header?.push(Buffer.from(line))
    this.#headerSize += line.length
  }

  #beginBody(): void {
    this.#isBodyNext = false
    this.#endHeader(this.#offset)
  }

  /** The header has ended, and the body begins at an offset. */
  #endHeader(body: number): void {
    const part = this.#stack.at(-1) as Open
    const fields = readFields(Buffer.concat(this.#header ?? []))
    this.#header = undefined
    this.#headerSize = 0
    part.body = body
    part.end = body
    part.linesBefore = this.#lines
    describe(part, fields)
    const isOpaque = this.#stack.length >= DEPTH || this.#count >= PARTS
    if (part.type === 'multipart') {
      const boundary = part.parameters.boundary ?? ''
      if (boundary !== '' && boundary.length <= BOUNDARY && !isOpaque) part.boundary = Buffer.from(`--${boundary}`)
      else if (isOpaque) Object.assign(part, { type: 'application', subtype: 'octet-stream' })
    } else if (isMessageType(part) && !isOpaque && /^(?:7bit|8bit|binary)$/.test(part.encoding))
      this.#enter(part, begin(body, true))
  }

  #enter(parent: Open, part: Open): void {
    parent.parts.push(part)
    this.#stack.push(part)
    this.#count++
    this.#header = []
  }

  // --- boundaries ---

  #isBoundary(line: Buffer): boolean {
    for (let depth = this.#stack.length - 1; depth >= 0; depth--) {
      const part = this.#stack[depth] as Open
      if (!part.boundary || !startsWith(line, part.boundary)) continue
      const rest = line.toString('latin1', part.boundary.length)
      // RFC 2046 section 5.1.1: nothing but white space may follow.
      if (!/^(?:--)?[ \t]*$/.test(rest)) continue
      this.#divide(part, depth, rest.startsWith('--'))
      return true
    }
    return false
  }

  #divide(parent: Open, depth: number, isLast: boolean): void {
    if (this.#header !== undefined && depth < this.#stack.length - 1) this.#endHeader(this.#start)
    const end = this.#start - this.#breakBefore
    while (this.#stack.length > depth + 1)
      this.#close(this.#stack.pop() as Open, end, this.#lines - (this.#breakBefore > 0 ? 1 : 0))
    this.#header = undefined
    if (isLast) parent.boundary = undefined
    else if (this.#count < PARTS) this.#enter(parent, begin(this.#offset, false, parent.subtype === 'digest'))
    else parent.boundary = undefined
  }

  #close(part: Open, end: number, lines: number): void {
    part.end = Math.max(part.body, end)
    part.lines = Math.max(0, lines - part.linesBefore)
  }
}

function startsWith(line: Buffer, start: Buffer): boolean {
  return line.length >= start.length && line.compare(start, 0, start.length, 0, start.length) === 0
}

const isMessageType = ({ type, subtype }: Pick<Open, 'type' | 'subtype'>) =>
  type === 'message' && (subtype === 'rfc822' || subtype === 'global')

// --- what a header says --------------------------------------------------------------------------

const TOKEN = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+$/

function describe(part: Open, fields: Fields): void {
  const [typeText = '', parameters] = readParameters(fields.get('content-type') ?? '')
  const [type = '', subtype = ''] = typeText.toLowerCase().split(/\s*\/\s*/)
  if (TOKEN.test(type) && TOKEN.test(subtype)) Object.assign(part, { type, subtype, parameters })
  else if (!part.isDigestPart) part.parameters = { charset: 'us-ascii' }
  if (part.type === 'text' && !part.parameters.charset) part.parameters = { ...part.parameters, charset: 'us-ascii' }
  const [encoding = ''] = readParameters(fields.get('content-transfer-encoding') ?? '')
  part.encoding = TOKEN.test(encoding) ? encoding.toLowerCase() : '7bit'
  part.facts = factsOf(fields)
  if (part.isMessage) part.envelope = envelopeOf(fields)
}

function factsOf(fields: Fields): Open['facts'] {
  const [kind = '', parameters] = readParameters(fields.get('content-disposition') ?? '')
  const languages = fields
    .get('content-language')
    ?.split(',')
    .map((one) => one.trim())
    .filter((one) => TOKEN.test(one))
  const texts = {
    id: fields.get('content-id'),
    description: fields.get('content-description'),
    location: fields.get('content-location'),
    md5: fields.get('content-md5'),
  }
  return {
    ...Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== undefined && value !== '')),
    ...(TOKEN.test(kind) ? { disposition: { type: kind.toLowerCase(), parameters } } : {}),
    ...(languages && languages.length > 0 ? { languages } : {}),
  }
}

export function envelopeOf(fields: Fields): Envelope {
  const texts = {
    date: fields.get('date'),
    subject: fields.get('subject'),
    inReplyTo: fields.get('in-reply-to'),
    messageId: fields.get('message-id'),
  }
  const addresses = (name: string) => readAddresses(fields.all(name).join(', '))
  return {
    ...Object.fromEntries(
      Object.entries(texts).flatMap(([name, text]) => (text === undefined ? [] : [[name, text.replaceAll('\t', ' ')]])),
    ),
    from: addresses('from'),
    sender: addresses('sender'),
    replyTo: addresses('reply-to'),
    to: addresses('to'),
    cc: addresses('cc'),
    bcc: addresses('bcc'),
  }
}

function partOf(part: Open): MimePart {
  const { type, subtype, parameters, encoding, facts, header, body, end, lines, parts, envelope } = part
  const inner = parts.map(partOf)
  return {
    type,
    subtype,
    parameters,
    encoding,
    ...facts,
    header,
    body,
    end,
    ...(type === 'text' || isMessageType(part) ? { lines } : {}),
    ...(inner.length > 0 || type === 'multipart' ? { parts: inner } : {}),
    ...(envelope ? { envelope } : {}),
  }
}

/** Octets after which others get their turn. */
const TURN = 4_000_000

/** Reads the structure of content. Throws only what the content's source throws. */
export async function readStructure(
  open: (range?: ByteRange) => AsyncIterable<Uint8Array>,
  size: number,
): Promise<MimePart> {
  const reading = new Reading()
  let since = 0
  for await (const chunk of open({ start: 0, end: size })) {
    reading.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    since += chunk.byteLength
    if (since < TURN) continue
    since = 0
    await new Promise(setImmediate)
  }
  return reading.finish()
}
