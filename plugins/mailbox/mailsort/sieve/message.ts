/**
 * A message as tests look at it: fields decoded, the MIME structure, texts of parts.
 *
 * Invariants: nothing beyond the header is read before a test asks for it; what is read of the body has a bound.
 */
import {
  createCharsets,
  createSources,
  decodeCharset,
  decodeWords,
  type Field,
  type Fields,
  fromHtml,
  gather,
  type MimePart,
  partBody,
  readFields,
  readStructure,
} from 'iems/mime'
import type { MessageSource } from './environment.ts'

/** Octets of decoded text that are read for one message. */
const MAX_TEXT = 1_048_576
/** Parts of one message that are looked at. */
const MAX_PARTS = 200
/** Octets of a part's header. */
const MAX_HEADER = 65_536

export class MessageView {
  readonly #source: MessageSource
  readonly #charsets = createCharsets()
  #fields: Fields | undefined
  #structure: Promise<MimePart> | undefined
  #sourceOf: ReturnType<typeof createSources> | undefined
  readonly #texts = new Map<string, Promise<string>>()
  readonly #decoded = new Map<string, readonly string[]>()
  readonly #partFields = new Map<MimePart, Promise<readonly Field[]>>()
  #left = MAX_TEXT

  constructor(source: MessageSource) {
    this.#source = source
  }

  get size(): number {
    return this.#source.size
  }

  get fields(): Fields {
    this.#fields ??= readFields(this.#source.header)
    return this.#fields
  }

  /** Values of all fields of a name, as they stand but unfolded. */
  raw(name: string): readonly string[] {
    return this.fields.all(name.toLowerCase())
  }

  /** The same with encoded words decoded (RFC 5228 section 2.7.2). */
  decoded(name: string): readonly string[] {
    const key = name.toLowerCase()
    const known = this.#decoded.get(key)
    if (known) return known
    const values = this.fields.all(key).map((value) => decodeWords(value, this.#charsets))
    this.#decoded.set(key, values)
    return values
  }

  structure(): Promise<MimePart> {
    this.#structure ??= readStructure((range) => this.#source.open(range), this.#source.size)
    return this.#structure
  }

  /** The octets behind the header, as they stand. */
  rawBody(): Promise<string> {
    return this.#once('raw', async () => {
      const start = this.#source.header.byteLength
      const octets = await gather(
        this.#source.open({ start, end: Math.min(this.#source.size, start + MAX_TEXT) }),
        MAX_TEXT,
      )
      return decodeCharset(octets, 'utf-8')
    })
  }

  #once(name: string, read: () => Promise<string>): Promise<string> {
    const known = this.#texts.get(name) ?? read()
    this.#texts.set(name, known)
    return known
  }

  /** What a part's body decodes to, as text; HTML by its words where those are wanted. */
  text(part: MimePart, asWords: boolean): Promise<string> {
    return this.#once(`${asWords} ${part.header} ${JSON.stringify(part.within ?? null)}`, async () => {
      const most = this.#left
      if (most <= 0) return ''
      this.#sourceOf ??= createSources(this.#source)
      const body = partBody(this.#sourceOf(part), part)
      if (!body) return ''
      const octets = await gather(body, most)
      this.#left -= octets.length
      const text = decodeCharset(octets, part.parameters.charset ?? 'utf-8')
      return asWords && part.subtype === 'html' ? fromHtml(text) : text
    })
  }

  /** The fields of a part's own header. */
  partFields(part: MimePart): Promise<readonly Field[]> {
    const known = this.#partFields.get(part) ?? this.#readPartFields(part)
    this.#partFields.set(part, known)
    return known
  }

  async #readPartFields(part: MimePart): Promise<readonly Field[]> {
    this.#sourceOf ??= createSources(this.#source)
    const range = { start: part.header, end: Math.min(part.body, part.header + MAX_HEADER) }
    return readFields(await gather(this.#sourceOf(part).open(range), MAX_HEADER)).list
  }

  decode(value: string): string {
    return decodeWords(value, this.#charsets)
  }
}

/** A part and all within it, outermost first; a message within a message counts as a part. */
export function partsOf(root: MimePart): readonly MimePart[] {
  const found: MimePart[] = []
  const stack = [root]
  for (let next = stack.pop(); next && found.length < MAX_PARTS; next = stack.pop()) {
    found.push(next)
    stack.push(...[...(next.parts ?? [])].reverse())
  }
  return found
}
