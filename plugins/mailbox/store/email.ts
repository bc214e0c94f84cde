/**
 * An email in use: its content is read when it is asked for, and small content once for all readers.
 *
 * A class, because a FETCH makes one for each message: closures in its place were the most memory that a session made.
 */
import type { ByteRange, Content, ContentStore } from 'iems'
import { createSources, type EncodedBody, type MimePart, partBody, readFields, readText } from 'iems/mime'
import { type Digest, type Email, IN_ONE_PIECE, type PartRange } from './api.ts'
import type { Derived } from './derived.ts'
import { digestOf, readEnvelope } from './digest.ts'
import { HEADER_LIMIT, headerSizeOf } from './head.ts'

export interface StoredEmailDeps {
  readonly contents: ContentStore
  readonly derived: Derived
}

export interface EmailParts {
  readonly id: string
  readonly base: string
  /** The recipient's own lines above the body. */
  readonly lines: string
  readonly body: Content
}

export class StoredEmail implements Email {
  readonly id: string
  readonly size: number
  readonly headerSize: number
  readonly #deps: StoredEmailDeps
  readonly #base: string
  readonly #body: Content
  readonly #content: Content
  #whole: Promise<Buffer> | undefined
  #header: Promise<Buffer | undefined> | undefined
  #structure: Promise<MimePart> | undefined

  constructor(deps: StoredEmailDeps, { id, base, lines, body }: EmailParts) {
    this.#deps = deps
    this.#base = base
    this.#body = body
    this.#content = below(lines, body)
    this.id = id
    this.size = this.#content.size
    this.headerSize = headerSizeOf(this.#content)
  }

  open(range?: PartRange): AsyncIterable<Uint8Array> {
    if (range?.within) return createSources(this)(range).open(range)
    return this.size > IN_ONE_PIECE
      ? this.#deps.contents.open(this.#content, range)
      : inOnePiece(() => this.read(range ?? this.#all))
  }

  async read(range: ByteRange): Promise<Buffer> {
    if (this.size > IN_ONE_PIECE) return this.#deps.contents.read(this.#content, range)
    this.#whole ??= this.#deps.contents.read(this.#content, this.#all)
    return (await this.#whole).subarray(range.start, range.end)
  }

  header(): Promise<Buffer | undefined> {
    this.#header ??=
      this.headerSize < HEADER_LIMIT ? this.read({ start: 0, end: this.headerSize }) : Promise.resolve(undefined)
    return this.#header
  }

  structure(): Promise<MimePart> {
    this.#structure ??= this.#deps.derived
      .structure(this.#base, this.#body)
      .then((part) => shift(part, this.size - this.#body.size))
    return this.#structure
  }

  decoded(part: MimePart): AsyncIterable<Uint8Array> | undefined {
    return partBody(createSources(this)(part), part)
  }

  async field(name: string): Promise<string | undefined> {
    return readFields((await this.header()) ?? Buffer.alloc(0)).last(name)
  }

  async text(most?: number): ReturnType<Email['text']> {
    return readText(this, await this.structure(), most)
  }

  async envelope(): ReturnType<Email['envelope']> {
    return (await this.#deps.derived.known(this.#base))?.envelope ?? readEnvelope(this)
  }

  async digest(): Promise<Digest> {
    return digestOf(await this.#deps.derived.digest(this.#base, this))
  }

  async preview(): Promise<string> {
    return (await this.#deps.derived.digest(this.#base, this)).body.preview
  }

  get #all(): ByteRange {
    return { start: 0, end: this.size }
  }
}

/** Content with lines above it. */
function below(lines: string, content: Content): Content {
  if (lines === '') return content
  const { edits, size, ...stored } = content
  return { ...stored, edits: { ...edits, prefix: lines + edits.prefix }, size: size + Buffer.byteLength(lines) }
}

async function* inOnePiece(read: () => Promise<Buffer>): AsyncGenerator<Buffer> {
  yield await read()
}

/** The structure with all offsets shifted. */
function shift(part: MimePart, by: number): MimePart {
  if (by === 0) return part
  const { within, header, body, end } = part
  // Offsets inside an encoded message refer to its decoded body.
  const moved = within
    ? { ...part, within: shiftEncoded(within, by) }
    : { ...part, header: header + by, body: body + by, end: end + by }
  return part.parts ? { ...moved, parts: part.parts.map((one) => shift(one, by)) } : moved
}

function shiftEncoded(encoded: EncodedBody, by: number): EncodedBody {
  return encoded.within
    ? { ...encoded, within: shiftEncoded(encoded.within, by) }
    : { ...encoded, body: encoded.body + by, end: encoded.end + by }
}
