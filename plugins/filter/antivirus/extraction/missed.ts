/**
 * Extracts the parts that clamd would not see into a new message that it does: parts nested too deep for clamd, and
 * base64 after its first padding.
 *
 * clamd parses everything else itself. Invariants: lines, levels and parts bound memory and time for any message; only
 * content that cannot be parsed at all gets a verdict here.
 */
import { randomBytes } from 'node:crypto'
import { fieldName } from 'iems'
import { type PartFields, readFields } from './fields.ts'
import { linesOf } from './lines.ts'
import { createRepack, decoderFor, type TextDecoder } from './transfer.ts'

/** Receives parts for clamd. */
interface PartSink {
  /** Begins a part with that transfer encoding and ends the previous one. */
  begin(encoding: string): void
  line(line: string): void
}

/** The message cannot be parsed; the text is for people. */
export class Unscannable extends Error {}

export interface Limits {
  /** Maximum depth of parts. */
  readonly levels: number
  /** Maximum extracted parts. */
  readonly parts: number
}

/** Depth up to which clamd, which gives up at 16 or 17 by default, is trusted: attachments have levels of their own. */
const RELIED_ON = 8
/** Maximum lines of a part's header; a forwarded message may name thousands of recipients. */
const HEADER_LINES = 10_000
/** Maximum characters of a field. */
const FIELD = 65_536

/** Base64 parts with inner padding, by their number in the message. */
export type OddDeps = Set<number>

/**
 * The octets of that message; empty if clamd sees everything. Such a part is recognized only at its end, so a first
 * pass finds them and a second one extracts them.
 */
export async function* missedParts(
  content: AsyncIterable<Uint8Array>,
  { limits, odd }: { readonly limits: Limits; readonly odd: OddDeps },
): AsyncGenerator<Uint8Array> {
  const flat = createFlat(limits.parts)
  const walk = new EntityWalk({ flat, limits, odd, encoded: 0 }, 0)
  for await (const lines of linesOf(content)) {
    for (const line of lines) walk.line(line)
    const octets = flat.take()
    if (octets) yield octets
  }
  walk.end()
  const octets = flat.end()
  if (octets) yield octets
}

/** Writes a message with all parts at one level. */
function createFlat(most: number): PartSink & { take(): Buffer | undefined; end(): Buffer | undefined } {
  // Random, so that no line of a message matches the boundary.
  const boundary = randomBytes(18).toString('hex')
  let parts = 0
  let text = ''
  const take = () => {
    const octets = text === '' ? undefined : Buffer.from(text, 'latin1')
    text = ''
    return octets
  }
  return {
    begin(encoding) {
      if (++parts > most) throw new Unscannable(`more than ${most} parts`)
      if (parts === 1)
        text += `Received: by antivirus\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="${boundary}"\r\n`
      const type = 'Content-Type: application/octet-stream; name="part"\r\n'
      text += `\r\n--${boundary}\r\n${type}Content-Transfer-Encoding: ${encoding}\r\n\r\n`
    },
    line(line) {
      text += `${line}\r\n`
    },
    take,
    end() {
      if (parts > 0) text += `\r\n--${boundary}--\r\n`
      return take()
    },
  }
}

interface Walk {
  line(line: string): void
  end(): void
}

interface Way {
  readonly flat: PartSink
  readonly limits: Limits
  readonly odd: OddDeps
  /** Base64 parts so far. */
  encoded: number
}

/** Walks an entity at that level, or the parts between these boundaries. */
class EntityWalk implements Walk {
  readonly #way: Way
  readonly #base: number
  /** Open boundaries; a nested message has none. */
  readonly #levels: (string | undefined)[] = []
  /** The level of each boundary. */
  readonly #known = new Map<string, number>()
  #fields: string[] | undefined = []
  #headerLines = 0
  #body: Walk

  constructor(way: Way, base: number, between?: string) {
    this.#way = way
    this.#base = base
    this.#body = createText(way.flat, { encoding: '7bit', isCopied: false })
    if (between !== undefined) {
      this.#enter(between)
      this.#fields = undefined
    }
  }

  line(line: string): void {
    if (this.#isBoundary(line)) return
    if (this.#fields) this.#headerLine(line, this.#fields)
    else this.#body.line(line)
  }

  end(): void {
    this.#body.end()
  }

  #isDeep() {
    return this.#base + this.#levels.length >= RELIED_ON
  }

  #enter(boundary: string | undefined) {
    if (this.#base + this.#levels.length >= this.#way.limits.levels)
      throw new Unscannable(`more than ${this.#way.limits.levels} parts within parts`)
    if (boundary !== undefined && !this.#known.has(boundary)) this.#known.set(boundary, this.#levels.length)
    this.#levels.push(boundary)
  }

  #leaveTo(count: number) {
    this.#levels.length = count
    for (const [boundary, at] of this.#known) if (at >= count) this.#known.delete(boundary)
  }

  #beginHeader() {
    this.#fields = []
    this.#headerLines = 0
  }

  #textOf(encoding: string) {
    return createText(this.#way.flat, { encoding, isCopied: this.#isDeep() })
  }

  #beginBody({ type, boundary, encoding, isFragment }: PartFields, isBroken = false) {
    const isEncoded = encoding === 'base64' || encoding === 'quoted-printable'
    const isMessage = type.startsWith('message/')
    this.#fields = undefined
    if (isFragment) throw new Unscannable('a fragment of a message')
    const parts = type.startsWith('multipart/') ? boundary : undefined
    if (isEncoded && (isMessage || parts !== undefined)) {
      this.#enter(undefined)
      // RFC 2045 section 6.4 forbids an encoding of multiparts, and clamd ignores it.
      const depth = Math.max(this.#base + this.#levels.length, isMessage ? 0 : RELIED_ON)
      this.#body = createDecoded(decoderFor(encoding), new EntityWalk(this.#way, depth, parts))
    } else if (isMessage) {
      this.#enter(undefined)
      this.#beginHeader()
    } else if (parts !== undefined) {
      this.#enter(parts)
      this.#body = this.#textOf('7bit')
    } else
      this.#body = createLeaf(this.#way, {
        encoding,
        isText: !isEncoded || type.startsWith('text/'),
        isCopied: isBroken || this.#isDeep(),
      })
  }

  #headerLine(line: string, known: string[]) {
    const isFolded = known.length > 0 && /^[ \t]/.test(line)
    if (!isFolded && fieldName(line) === undefined) {
      this.#beginBody(readFields(known), line !== '')
      if (line !== '') this.#body.line(line)
      return
    }
    if (++this.#headerLines > HEADER_LINES) throw new Unscannable(`a header of more than ${HEADER_LINES} lines`)
    if (!isFolded) known.push(line)
    else if ((known.at(-1) as string).length < FIELD) known[known.length - 1] += line
  }

  /** Whether the line is a boundary. */
  #isBoundary(line: string): boolean {
    if (this.#known.size === 0 || !line.startsWith('--')) return false
    const name = line.slice(2).trimEnd()
    const opened = this.#known.get(name)
    const closed = name.endsWith('--') ? this.#known.get(name.slice(0, -2)) : undefined
    if (opened === undefined && closed === undefined) return false
    this.#body.end()
    this.#leaveTo(opened === undefined ? (closed as number) : opened + 1)
    this.#body = this.#textOf('7bit')
    if (opened === undefined) this.#fields = undefined
    else this.#beginHeader()
    return true
  }
}

/** Attachments that clamd parses itself. */
const NOTHING: Walk = { line() {}, end() {} }

interface Leaf {
  readonly encoding: string
  readonly isText: boolean
  /** clamd skips the part or reads it differently. */
  readonly isCopied: boolean
}

function createLeaf(way: Way, { encoding, isText, isCopied }: Leaf): Walk {
  const { flat, odd } = way
  const number = way.encoded
  if (encoding === 'base64') way.encoded++
  const isTaken = isCopied || (encoding === 'base64' && odd.has(number))
  const opaque = () => (isTaken ? createCopy(flat, encoding) : NOTHING)
  const leaf = isText ? createText(flat, { encoding, isCopied: isTaken }) : opaque()
  return encoding === 'base64' ? watchPadding(leaf, () => odd.add(number)) : leaf
}

function watchPadding(leaf: Walk, found: () => void): Walk {
  let isPadded = false
  return {
    line(line) {
      const padding = line.indexOf('=')
      if ((isPadded || padding >= 0) && /[A-Za-z0-9+/]/.test(isPadded ? line : line.slice(padding))) found()
      if (padding >= 0) isPadded = true
      leaf.line(line)
    },
    end: () => leaf.end(),
  }
}

/** The part unchanged, or base64 in canonical form. */
function createCopy(flat: PartSink, encoding: string): Walk {
  let hasBegun = false
  const copy: Walk = {
    line(line) {
      if (!hasBegun) flat.begin(encoding)
      hasBegun = true
      flat.line(line)
    },
    end() {},
  }
  return encoding === 'base64' ? createDecoded(createRepack(), copy) : copy
}

/** A text, extracted only if it must be copied. */
function createText(flat: PartSink, { encoding, isCopied }: Omit<Leaf, 'isText'>): Walk {
  if (!isCopied) return NOTHING
  let isOpen = false
  return createDecoded(decoderFor(encoding), {
    line(line) {
      if (!isOpen && line === '') return
      if (!isOpen) flat.begin('8bit')
      isOpen = true
      flat.line(line)
    },
    end() {},
  })
}

function createDecoded(decoder: TextDecoder | undefined, to: Walk): Walk {
  if (!decoder) return to
  return {
    line(line) {
      for (const decoded of decoder.decode(line)) to.line(decoded)
    },
    end() {
      for (const decoded of decoder.end()) to.line(decoded)
      to.end()
    },
  }
}
