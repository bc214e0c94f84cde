/**
 * Parses content into MIME parts line by line, as it streams.
 *
 * Invariants: no body is held in memory; every offset refers to the original octets; memory is bounded by one header
 * and by the parts that the budget allows; linear time.
 */
import { Boundaries } from './boundaries.ts'
import { readFields } from './header.ts'
import { createHeaderScanner } from './header-end.ts'
import {
  beginPart,
  bodyOf,
  boundaryOf,
  describePart,
  isMessageType,
  MAX_BOUNDARY,
  OPAQUE,
  type OpenPart,
} from './open-part.ts'

/** Maximum octets of a header that are parsed; the rest is skipped. */
const MAX_HEADER = 262_144
const DASH = 45
const LF = 10
const CR = 13

/** The remaining limits, shared by a message and its encoded messages. */
export interface StructureBudget {
  depth: number
  parts: number
  octets: number
}

export class StructureReader {
  readonly #root = beginPart(0, true)
  readonly #stack: OpenPart[] = [this.#root]
  readonly #boundaries = new Boundaries()
  readonly #budget: StructureBudget
  /** Encoded messages with their depth. */
  readonly encoded: { readonly part: OpenPart; readonly depth: number }[] = []

  constructor(budget: StructureBudget) {
    this.#budget = budget
  }

  /** Start of the current line. */
  #start = 0
  #offset = 0
  #lines = 0
  /** Length of the line break before the current line. */
  #breakBefore = 0
  /** The beginning of an incomplete line. */
  #held: Buffer[] = []
  #heldSize = 0
  /** The header being read; undefined in a body. */
  #header: Buffer[] | undefined = []
  #headerSize = 0
  /** Scans that header, and counts its octets. */
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

  finish(): OpenPart {
    if (this.#heldSize > 0) this.#line(this.#whole(Buffer.alloc(0)))
    if (this.#header !== undefined) this.#endHeader(this.#offset)
    while (this.#stack.length > 0) this.#close(this.#stack.pop() as OpenPart, this.#offset, this.#lines)
    return this.#root
  }

  #hold(piece: Buffer): void {
    this.#offset += piece.length
    // In a body only the beginning of a long line matters.
    const most = this.#header === undefined ? MAX_BOUNDARY + 10 : MAX_HEADER
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

  /** Skips an ordinary line. */
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
      // The body begins with this line, without a blank one: it may be a boundary or start a header.
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
    if (this.#headerSize < MAX_HEADER) this.#header?.push(Buffer.from(line))
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

  /** Ends the header; the body begins at an offset. */
  #endHeader(body: number): void {
    const part = this.#stack.at(-1) as OpenPart
    const fields = readFields(Buffer.concat(this.#header ?? []))
    this.#header = undefined
    part.body = body
    part.end = body
    part.linesBefore = this.#lines
    describePart(part, fields)
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
      else if (/^(?:7bit|8bit|binary)$/.test(part.encoding)) this.#enter(part, beginPart(body, true))
      else this.encoded.push({ part, depth: this.#stack.length })
    }
  }

  #enter(parent: OpenPart, part: OpenPart): void {
    parent.parts.push(part)
    this.#stack.push(part)
    this.#budget.parts--
    this.#beginHeader()
  }

  // --- boundaries ---

  #isBoundary(line: Buffer): boolean {
    const found = this.#boundaries.find(line)
    if (found) this.#divide(this.#stack[found.depth] as OpenPart, found.depth, found.isLast)
    return found !== undefined
  }

  #divide(parent: OpenPart, depth: number, isLast: boolean): void {
    if (this.#header !== undefined && depth < this.#stack.length - 1) this.#endHeader(this.#start)
    const end = this.#start - this.#breakBefore
    while (this.#stack.length > depth + 1)
      this.#close(this.#stack.pop() as OpenPart, end, this.#lines - (this.#breakBefore > 0 ? 1 : 0))
    this.#header = undefined
    if (!isLast && this.#budget.parts > 0)
      this.#enter(parent, beginPart(this.#offset, false, parent.subtype === 'digest'))
    else this.#endParts(parent)
  }

  #endParts(part: OpenPart): void {
    if (part.boundary) this.#boundaries.close(part.boundary)
    part.boundary = undefined
  }

  #close(part: OpenPart, end: number, lines: number): void {
    this.#endParts(part)
    part.end = Math.max(part.body, end)
    part.lines = Math.max(0, lines - part.linesBefore)
    // A multipart without parts is shown as a single part rather than as nothing.
    if (part.type === 'multipart' && part.parts.length === 0) part.parts.push(bodyOf(part))
  }
}
