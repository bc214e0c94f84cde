/**
 * Blobs that are compressed, encrypted and checked, on top of the blobs of any store.
 *
 * Invariants: blobs that were stored before, or are stored as they are, stay readable; content that begins as the stored
 * form does is always stored in that form; memory holds a block, however large a blob is.
 */
import { createHash } from 'node:crypto'
import { Cache } from '../../api/cache.ts'
import { IemsError } from '../../api/errors.ts'
import type { Blobs, ByteRange, Staged } from '../store.ts'
import {
  BLOCK,
  type BlobKey,
  Damage,
  type Footer,
  Frames,
  HEADER_MAX,
  headerLength,
  isPacked,
  MAGIC_OCTETS,
  newHeader,
  readHeader,
  readWord,
  STORED_BLOCK,
  storedMax,
  WORD,
} from './frames.ts'
import { Octets } from './octets.ts'

export interface PackedOptions {
  readonly compress: boolean
  /** Stores a hash with each blob, and compares it when a blob is read whole. */
  readonly verify: boolean
  /** Encrypts new blobs. */
  readonly encrypt: BlobKey | undefined
  /** Opens stored blobs, by id. */
  readonly keys: ReadonlyMap<string, BlobKey>
}

/** Blobs whose layouts are kept in memory. */
const REMEMBERED = 256
/** Octets at the end of a blob that are read at once: the footer of a blob of up to 60 MB. */
const TAIL = 4096

/** Where the blocks of a stored blob are. */
interface Layout {
  readonly frames: Frames
  /** The beginning of each block, and of the footer. */
  readonly offsets: readonly number[]
  readonly size: number
}

export class PackedBlobs implements Blobs {
  readonly #inner: Blobs
  readonly #options: PackedOptions
  readonly #layouts = new Cache<Layout | 'stored as it is'>({ max: REMEMBERED })
  readonly adopt?: NonNullable<Blobs['adopt']>

  constructor(inner: Blobs, options: PackedOptions) {
    this.#inner = inner
    this.#options = options
    if (inner.adopt)
      this.adopt = async (id, source) => {
        const plain = await this.#plain(source)
        await inner.adopt?.(id, plain.isPacked ? new Packing(this.#options).pack(plain.content) : plain.content)
      }
  }

  async stage(source: AsyncIterable<Uint8Array>): Promise<Staged> {
    const { isPacked: isWanted, content } = await this.#plain(source)
    if (!isWanted) return this.#inner.stage(content)
    const packing = new Packing(this.#options)
    const staged = await this.#inner.stage(packing.pack(content))
    const { bytes, size } = packing
    return {
      size,
      hash: packing.hash,
      ...(bytes ? { bytes } : {}),
      open: (range) =>
        bytes
          ? few(bytes, range)
          : this.#read('', { open: (some) => staged.open(some), size: async () => staged.size }, range),
      keep: () => staged.keep(),
      discard: () => staged.discard(),
    }
  }

  open(id: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
    return this.#read(id, { open: (some) => this.#inner.open(id, some), size: () => this.#inner.size(id) }, range)
  }

  /** Octets as stored. */
  size(id: string): Promise<number> {
    return this.#inner.size(id)
  }

  remove(id: string): Promise<void> {
    this.#layouts.delete(id)
    return this.#inner.remove(id)
  }

  list(after?: string): ReturnType<Blobs['list']> {
    return this.#inner.list(after)
  }

  /** Without options content stays as it is, unless it begins as the stored form does. */
  async #plain(source: AsyncIterable<Uint8Array>) {
    const { compress, verify, encrypt } = this.#options
    if (compress || verify || encrypt) return { isPacked: true, content: source }
    const octets = new Octets(source)
    return { isPacked: isPacked(await octets.peek(MAGIC_OCTETS)), content: octets.rest() }
  }

  async *#read(id: string, stored: Stored, range?: ByteRange): AsyncGenerator<Uint8Array> {
    try {
      yield* range && range.start >= BLOCK ? this.#within(id, stored, range) : this.#fromStart(stored, range)
    } catch (cause) {
      if (cause instanceof Damage) throw new IemsError('IEMS_BLOB_UNREADABLE', { id, why: cause.message }, cause)
      throw cause
    }
  }

  async *#fromStart(stored: Stored, range?: ByteRange): AsyncGenerator<Uint8Array> {
    const { start, end } = range ?? { start: 0, end: Number.POSITIVE_INFINITY }
    const last = Number.isFinite(end) ? { start: 0, end: storedMax(end) } : undefined
    const octets = new Octets(stored.open(last))
    try {
      const beginning = await octets.peek(MAGIC_OCTETS)
      if (isPacked(beginning)) yield* this.#blocks(octets, { start, end })
      else yield* cut(octets.rest(), 0, { start, end })
    } finally {
      await octets.end()
    }
  }

  async *#blocks(octets: Octets, range: ByteRange): AsyncGenerator<Uint8Array> {
    const frames = await this.#begin(octets)
    const hash = this.#options.verify && range.start === 0 ? createHash('sha256') : undefined
    let at = 0
    for (let index = 0; at < range.end; index++) {
      const stored = await nextFrame(octets)
      if (readWord(stored).isFooter) {
        const footer = frames.readFooter(stored)
        if (footer.size !== at || footer.lengths.length !== index) throw new Damage('its end belongs to other content')
        const trailer = await octets.take(WORD)
        if (trailer.readUInt32BE() !== stored.length || (await octets.peek(1)).length > 0)
          throw new Damage('something follows its end')
        if (hash && !hash.digest().equals(footer.hash)) throw new Damage('its content has changed')
        return
      }
      const content = frames.readBlock(stored, index)
      hash?.update(content)
      const [from, to] = [Math.max(range.start - at, 0), range.end - at]
      at += content.length
      if (from < content.length && to > from) yield content.subarray(from, to)
    }
  }

  /** From a block after the first. */
  async *#within(id: string, stored: Stored, { start, end }: ByteRange): AsyncGenerator<Uint8Array> {
    if (end <= start) return
    const layout = await this.#layoutOf(id, stored)
    if (!layout) return yield* stored.open({ start, end })
    const { frames, offsets, size } = layout
    const until = Math.min(end, size)
    const [first, last] = [Math.floor(start / BLOCK), Math.ceil(until / BLOCK)]
    if (start >= until) return
    const octets = new Octets(stored.open({ start: offsets[first] as number, end: offsets[last] as number }))
    try {
      for (let index = first; index < last; index++) {
        const content = frames.readBlock(await nextFrame(octets), index)
        yield content.subarray(Math.max(start - index * BLOCK, 0), until - index * BLOCK)
      }
    } finally {
      await octets.end()
    }
  }

  async #layoutOf(id: string, stored: Stored): Promise<Layout | undefined> {
    const known = this.#layouts.get(id)
    if (known) return known === 'stored as it is' ? undefined : known
    const layout = await this.#readLayout(stored)
    // Staged content has no id yet.
    if (id !== '') this.#layouts.set(id, layout ?? 'stored as it is')
    return layout
  }

  async #readLayout(stored: Stored): Promise<Layout | undefined> {
    const octets = new Octets(stored.open({ start: 0, end: HEADER_MAX }))
    if (!isPacked(await octets.peek(MAGIC_OCTETS))) return octets.end().then(() => undefined)
    const beginning = Buffer.from(await octets.peek(HEADER_MAX))
    const frames = await this.#begin(octets)
    await octets.end()
    const size = await stored.size()
    let tail = await whole(stored.open({ start: Math.max(0, size - TAIL), end: size }))
    const length = tail.length < WORD ? 0 : tail.readUInt32BE(tail.length - WORD)
    if (length < WORD || length > size) throw new Damage('its end is missing')
    if (length + WORD > tail.length) tail = await whole(stored.open({ start: size - WORD - length, end: size }))
    const footer: Footer = frames.readFooter(tail.subarray(tail.length - WORD - length, tail.length - WORD))
    const offsets = [headerLength(beginning) as number]
    for (const one of footer.lengths) offsets.push((offsets.at(-1) as number) + one)
    return { frames, offsets, size: footer.size }
  }

  async #begin(octets: Octets): Promise<Frames> {
    const length = headerLength(await octets.peek(MAGIC_OCTETS + 1))
    const header = readHeader(await octets.take(length ?? HEADER_MAX))
    if (header.keyId === '') return new Frames(header, undefined)
    const key = this.#options.keys.get(header.keyId)
    if (!key) throw new IemsError('IEMS_BLOB_KEY', { key: header.keyId, why: 'is not among blobs.keys' })
    return new Frames(header, key)
  }
}

interface Stored {
  open(range?: ByteRange): AsyncIterable<Uint8Array>
  size(): Promise<number>
}

/** Turns content into its stored form as it passes. */
class Packing {
  readonly #options: PackedOptions
  readonly #hash = createHash('sha256')
  readonly #lengths: number[] = []
  #digest: Buffer | undefined
  #first: Buffer | undefined
  size = 0

  constructor(options: PackedOptions) {
    this.#options = options
  }

  get hash(): string {
    return this.#digest?.toString('base64url') ?? ''
  }

  /** The content if at most 64 KiB. */
  get bytes(): Buffer | undefined {
    return this.size <= BLOCK ? (this.#first ?? Buffer.alloc(0)) : undefined
  }

  async *pack(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const { encrypt, compress } = this.#options
    const header = newHeader(encrypt)
    const frames = new Frames(header, encrypt)
    let held: Buffer | undefined
    for await (const block of blocksOf(source)) {
      this.#hash.update(block)
      this.size += block.length
      this.#first ??= block
      if (held) yield this.#block(frames, header.octets, held)
      held = block
    }
    this.#digest = this.#hash.digest()
    const last = held ?? Buffer.alloc(0)
    if (this.#lengths.length > 0) yield this.#block(frames, header.octets, last)
    else {
      const stored = frames.writeBlock(last, 0, compress)
      const isPlain = !encrypt && !this.#options.verify && !readWord(stored).isCompressed && !isPacked(last)
      if (isPlain) return yield last
      this.#lengths.push(stored.length)
      yield Buffer.concat([header.octets, stored])
    }
    yield frames.writeFooter({ size: this.size, hash: this.#digest, lengths: this.#lengths })
  }

  #block(frames: Frames, header: Buffer, content: Buffer): Buffer {
    const stored = frames.writeBlock(content, this.#lengths.length, this.#options.compress)
    this.#lengths.push(stored.length)
    return this.#lengths.length === 1 ? Buffer.concat([header, stored]) : stored
  }
}

/** Blocks of the full size, and the rest. */
async function* blocksOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const octets = new Octets(source)
  try {
    for (;;) {
      const block = await octets.upTo(BLOCK)
      if (block.length > 0) yield block
      if (block.length < BLOCK) return
    }
  } finally {
    await octets.end()
  }
}

async function nextFrame(octets: Octets): Promise<Buffer> {
  const { length, isFooter } = readWord(await octets.wanted(WORD))
  if (!isFooter && WORD + length > STORED_BLOCK) throw new Damage('a block is too long')
  return octets.take(WORD + length)
}

async function* few(bytes: Buffer, range?: ByteRange): AsyncGenerator<Uint8Array> {
  yield range ? bytes.subarray(range.start, range.end) : bytes
}

/** The part of a source, whose first octet is number `at`. */
async function* cut(source: AsyncIterable<Uint8Array>, at: number, range: ByteRange): AsyncGenerator<Uint8Array> {
  let from = at
  for await (const chunk of source) {
    const part = chunk.subarray(Math.max(range.start - from, 0), Math.max(range.end - from, 0))
    from += chunk.byteLength
    if (part.byteLength > 0) yield part
    if (from >= range.end) return
  }
}

async function whole(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(source))
}
