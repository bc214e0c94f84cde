/**
 * The MIME structure of content as it was received: where each part stands, and what its header says of it.
 *
 * The content is read once, as it comes, line by line. What must stay true: no body is ever held; whatever a stranger
 * sends is some structure, never an error; beyond a limit what is left is one opaque part; a multipart has at least one
 * part, and message/rfc822 and message/global have exactly one; every offset is that of the octets as they are, so
 * sections come back byte for byte.
 */
import { type ByteRange, createHeaderScanner, Pace } from 'iems'
import { readAddresses } from './addresses.ts'
import { Boundaries } from './boundaries.ts'
import { gather } from './gather.ts'
import { type Fields, readFields } from './header.ts'
import { readLong, readParameters } from './parameters.ts'
import { type EncodedBody, MAX_DECODED, octetsSource, type Readable } from './sources.ts'
import { partBody } from './transfer.ts'

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
  /** If it stands in an encoded message: the offsets are those of what that decodes to. */
  readonly within?: EncodedBody
  /** Of a multipart, at least one; of message/rfc822 and message/global the one message inside. */
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
  /** Of a multipart whose last boundary has not come. */
  boundary: Buffer | undefined
  readonly parts: Open[]
  /** Of an encoded message. */
  decoded?: MimePart
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

/** What is left of the limits; shared by a message and the encoded ones within. */
interface Budget {
  depth: number
  parts: number
  octets: number
}

class Reading {
  readonly #root = begin(0, true)
  readonly #stack: Open[] = [this.#root]
  readonly #boundaries = new Boundaries()
  readonly #budget: Budget
  /** Messages that are encoded, with how deep they stand. */
  readonly encoded: { readonly part: Open; readonly depth: number }[] = []

  constructor(budget: Budget) {
    this.#budget = budget
  }

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
  /** Of the header, with the octets that it has seen. */
  #scanner = createHeaderScanner()
  #scanned = 0

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

  finish(): Open {
    if (this.#heldSize > 0) this.#line(this.#whole(Buffer.alloc(0)))
    if (this.#header !== undefined) this.#endHeader(this.#offset)
    while (this.#stack.length > 0) this.#close(this.#stack.pop() as Open, this.#offset, this.#lines)
    return this.#root
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
    if (this.#header !== undefined && !this.#headerLine(line, hasBreak)) {
      // The body begins with this line, without a blank one: it may be a boundary, or begin a header of its own.
      this.#endHeader(this.#start)
      this.#line(line)
      return
    }
    this.#start = this.#offset
    this.#lines += lines
    this.#breakBefore = lineBreak
    if (this.#isBodyNext) this.#beginBody()
  }

  // --- headers ---

  #isBodyNext = false

  /** Whether the line belongs to the header. */
  #headerLine(line: Buffer, hasBreak: boolean): boolean {
    const before = this.#scanned
    this.#scanned += line.length
    const end = this.#scanner.push(line) ?? (hasBreak ? undefined : this.#scanner.finish())
    if (end?.body === before) return false
    if (end?.fields === before) {
      this.#isBodyNext = true
      return true
    }
    if (this.#headerSize < HEADER) this.#header?.push(Buffer.from(line))
    this.#headerSize += line.length
    return true
  }

  #beginHeader(): void {
    this.#header = []
    this.#headerSize = 0
    this.#scanner = createHeaderScanner()
    this.#scanned = 0
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
    part.body = body
    part.end = body
    part.linesBefore = this.#lines
    describe(part, fields)
    const isOpaque = this.#stack.length >= this.#budget.depth || this.#budget.parts <= 0
    if (part.type === 'multipart') {
      const boundary = boundaryOf(part)
      if (isOpaque) Object.assign(part, OPAQUE)
      else if (boundary) {
        part.boundary = boundary
        this.#boundaries.open(boundary, this.#stack.length - 1)
      }
    } else if (isMessageType(part)) {
      if (isOpaque) Object.assign(part, OPAQUE)
      else if (/^(?:7bit|8bit|binary)$/.test(part.encoding)) this.#enter(part, begin(body, true))
      else this.encoded.push({ part, depth: this.#stack.length })
    }
  }

  #enter(parent: Open, part: Open): void {
    parent.parts.push(part)
    this.#stack.push(part)
    this.#budget.parts--
    this.#beginHeader()
  }

  // --- boundaries ---

  #isBoundary(line: Buffer): boolean {
    const found = this.#boundaries.find(line)
    if (found) this.#divide(this.#stack[found.depth] as Open, found.depth, found.isLast)
    return found !== undefined
  }

  #divide(parent: Open, depth: number, isLast: boolean): void {
    if (this.#header !== undefined && depth < this.#stack.length - 1) this.#endHeader(this.#start)
    const end = this.#start - this.#breakBefore
    while (this.#stack.length > depth + 1)
      this.#close(this.#stack.pop() as Open, end, this.#lines - (this.#breakBefore > 0 ? 1 : 0))
    this.#header = undefined
    if (!isLast && this.#budget.parts > 0) this.#enter(parent, begin(this.#offset, false, parent.subtype === 'digest'))
    else this.#endParts(parent)
  }

  #endParts(part: Open): void {
    if (part.boundary) this.#boundaries.close(part.boundary)
    part.boundary = undefined
  }

  #close(part: Open, end: number, lines: number): void {
    this.#endParts(part)
    part.end = Math.max(part.body, end)
    part.lines = Math.max(0, lines - part.linesBefore)
    // What should have had parts is shown as the one thing that it is, rather than as nothing.
    if (part.type === 'multipart' && part.parts.length === 0) part.parts.push(bodyOf(part))
  }
}

/** Of what cannot be taken apart. */
const OPAQUE = { type: 'application', subtype: 'octet-stream' }

/** The body of a multipart as a part of its own. */
function bodyOf({ body, end, lines, encoding }: Open): Open {
  return { ...begin(body, false), parameters: { charset: 'us-ascii' }, encoding, end, lines }
}

function boundaryOf({ parameters }: Open): Buffer | undefined {
  // RFC 2046: a boundary does not end with white space.
  const boundary = Buffer.from((parameters.boundary ?? readLong(parameters, 'boundary') ?? '').trimEnd())
  return boundary.length > 0 && boundary.length <= BOUNDARY ? boundary : undefined
}

const isMessageType = ({ type, subtype }: Pick<Open, 'type' | 'subtype'>) =>
  type === 'message' && (subtype === 'rfc822' || subtype === 'global')

// --- what a header says --------------------------------------------------------------------------

const TOKEN = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+$/

function describe(part: Open, fields: Fields): void {
  const [typeText = '', parameters] = readParameters(fields.get('content-type') ?? '')
  const [type = '', subtype = ''] = typeText
    .toLowerCase()
    .split('/')
    .map((text) => text.trim())
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
    date: fields.last('date'),
    subject: fields.last('subject'),
    inReplyTo: fields.last('in-reply-to'),
    messageId: fields.last('message-id'),
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

function partOf(part: Open, within: EncodedBody | undefined): MimePart {
  const { type, subtype, parameters, encoding, facts, header, body, end, lines, parts, decoded, envelope } = part
  const inner = decoded ? [decoded] : parts.map((one) => partOf(one, within))
  return {
    type,
    subtype,
    parameters,
    encoding,
    ...facts,
    header,
    body,
    end,
    ...(within ? { within } : {}),
    ...(type === 'text' || isMessageType(part) ? { lines } : {}),
    ...(inner.length > 0 ? { parts: inner } : {}),
    ...(envelope ? { envelope } : {}),
  }
}

/** Octets that are read before it is looked whether it is the turn of others: of the smallest parts a few ms of work. */
const SLICE = 8192

async function readAll(source: AsyncIterable<Uint8Array>, reading: Reading): Promise<Open> {
  const pace = new Pace()
  for await (const chunk of source) {
    const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    for (let at = 0; at < octets.length; at += SLICE) {
      const wait = pace.due()
      if (wait) await wait
      reading.push(octets.subarray(at, at + SLICE))
    }
  }
  return reading.finish()
}

/** Reads a message that stands in a source, and the encoded ones within. */
async function readWithin(source: Readable, range: ByteRange, budget: Budget, within?: EncodedBody): Promise<MimePart> {
  const reading = new Reading(budget)
  const root = await readAll(source.open(range), reading)
  for (const { part, depth } of reading.encoded) {
    const { encoding, body, end } = part
    const encoded: EncodedBody = { encoding, body, end, ...(within ? { within } : {}) }
    const octets = await gather(partBody(source, encoded) ?? [], budget.octets + 1)
    if (octets.length === 0 || octets.length > budget.octets || budget.parts <= 0) Object.assign(part, OPAQUE)
    else {
      budget.octets -= octets.length
      budget.parts--
      const inner = { ...budget, depth: budget.depth - depth }
      part.decoded = await readWithin(octetsSource(octets), { start: 0, end: octets.length }, inner, encoded)
      budget.parts = inner.parts
      budget.octets = inner.octets
    }
  }
  return partOf(root, within)
}

/** Reads the structure of content. Throws only what the content's source throws. */
export function readStructure(open: (range?: ByteRange) => AsyncIterable<Uint8Array>, size: number): Promise<MimePart> {
  const budget = { depth: DEPTH, parts: PARTS - 1, octets: MAX_DECODED }
  return readWithin({ open }, { start: 0, end: size }, budget)
}
