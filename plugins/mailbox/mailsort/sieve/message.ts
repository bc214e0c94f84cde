/**
 * A message as tests look at it: fields decoded, the MIME structure, texts of parts.
 *
 * Invariants: nothing beyond the header is read before a test asks for it; the part of the body that is read has a
 * bound.
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
  readAddresses,
  readFields,
  readStructure,
} from 'iems/mime'
import {
  type Enclosure,
  encloseMessage,
  HeaderFields,
  type Replacement,
  replaceMessage,
  replaceParts,
  type WholeReplacement,
  withHeader,
} from './changes.ts'
import type { MessageSource } from './environment.ts'

/** Octets of decoded text that are read for one message. */
const MAX_TEXT = 1_048_576
/** Maximum parts of a message. */
const MAX_PARTS = 200
/** Octets of a part's header. */
const MAX_HEADER = 65_536

export class MessageView {
  /** As it came. */
  readonly #original: MessageSource
  #source: MessageSource
  /** The content for redirect, without `enclose` (RFC 5703 section 6). */
  #redirected: MessageSource | undefined
  #header: HeaderFields | undefined
  readonly #replaced = new Map<MimePart, Replacement>()
  #whole: WholeReplacement | undefined
  /** With all changes so far, until the next one. */
  #now: MessageSource | undefined
  readonly #charsets = createCharsets()
  #fields: Fields | undefined
  #structure: Promise<MimePart> | undefined
  #sourceOf: ReturnType<typeof createSources> | undefined
  readonly #texts = new Map<string, Promise<string>>()
  readonly #decoded = new Map<string, readonly string[]>()
  readonly #addresses = new Map<string, readonly (readonly string[])[]>()
  readonly #partFields = new Map<MimePart, Promise<readonly Field[]>>()
  #left = MAX_TEXT

  constructor(source: MessageSource) {
    this.#original = source
    this.#source = source
  }

  get size(): number {
    return this.#source.size
  }

  get fields(): Fields {
    this.#fields ??= readFields(this.#header?.octets ?? this.#source.header)
    return this.#fields
  }

  /** Octets of the header, to charge for changes of it. */
  get headerSize(): number {
    return this.#source.header.byteLength
  }

  /** The message with the changes so far; undefined for one that is as it came. */
  get changed(): MessageSource | undefined {
    const now = this.#settled()
    return now === this.#original ? undefined : now
  }

  /** The content for `redirect`. */
  get redirected(): MessageSource | undefined {
    return this.#redirected === undefined
      ? this.changed
      : this.#redirected === this.#original
        ? undefined
        : this.#redirected
  }

  /** The editable header; clears cached fields. */
  editHeader(): HeaderFields {
    this.#fields = undefined
    this.#now = undefined
    this.#decoded.clear()
    this.#addresses.clear()
    this.#header ??= new HeaderFields(this.#source.header)
    return this.#header
  }

  /** Replaces a part by a text at the end of the loop. False for a part that cannot be replaced. */
  replacePart(part: MimePart, replacement: Replacement): boolean {
    if (part.within) return false
    this.#now = undefined
    this.#replaced.set(part, replacement)
    return true
  }

  /** Replaces the whole message. */
  replaceAll(replacement: WholeReplacement): void {
    this.#now = undefined
    this.#whole = replacement
  }

  enclose(enclosure: Enclosure): void {
    const before = this.#settled()
    this.#redirected ??= before
    this.#become(encloseMessage(before, enclosure))
  }

  /** Makes the replaced parts those of the message. */
  settle(): void {
    if (this.#replaced.size > 0 || this.#whole) this.#become(this.#settled())
  }

  /** After a script that failed. */
  restore(): void {
    this.#redirected = undefined
    this.#become(this.#original)
  }

  #settled(): MessageSource {
    if (this.#now) return this.#now
    const parts = this.#replaced.size > 0 ? replaceParts(this.#source, this.#replaced) : this.#source
    const all = this.#header ? withHeader(parts, this.#header.octets) : parts
    this.#now = this.#whole ? replaceMessage(all, this.#whole) : all
    return this.#now
  }

  #become(source: MessageSource): void {
    this.#source = source
    this.#header = undefined
    this.#whole = undefined
    this.#now = undefined
    this.#fields = undefined
    this.#structure = undefined
    this.#sourceOf = undefined
    this.#replaced.clear()
    this.#texts.clear()
    this.#decoded.clear()
    this.#addresses.clear()
    this.#partFields.clear()
  }

  /** Values of all fields of a name, raw but unfolded. */
  raw(name: string): readonly string[] {
    return this.fields.all(name.toLowerCase())
  }

  /** Values with encoded words decoded (RFC 5228 section 2.7.2). */
  decoded(name: string): readonly string[] {
    const key = name.toLowerCase()
    const known = this.#decoded.get(key)
    if (known) return known
    const values = this.fields.all(key).map((value) => decodeWords(value, this.#charsets))
    this.#decoded.set(key, values)
    return values
  }

  /** The addresses in each field of a name. */
  addresses(name: string): readonly (readonly string[])[] {
    const key = name.toLowerCase()
    const known = this.#addresses.get(key) ?? this.fields.all(key).map((value) => addressesIn([value]))
    this.#addresses.set(key, known)
    return known
  }

  structure(): Promise<MimePart> {
    this.#structure ??= readStructure((range) => this.#source.open(range), this.#source.size)
    return this.#structure
  }

  /** The raw octets after the header. */
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

  /** A part's decoded body as text; HTML optionally reduced to its words. */
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

/** Addresses in values of fields; those without a domain, such as names of groups, are none. */
export function addressesIn(values: readonly string[]): readonly string[] {
  return values.flatMap((value) =>
    readAddresses(value).flatMap(({ mailbox = '', host = '' }) =>
      mailbox !== '' && host !== '' ? [`${mailbox}@${host}`] : [],
    ),
  )
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
