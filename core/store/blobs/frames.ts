/**
 * The stored form of a blob that is compressed, encrypted or checked: a header, blocks of 64 KiB of content, and a footer
 * that says where each block is and what the whole content's SHA-256 is.
 *
 *   header  00 "IEMSBLB" 01, the length of the key id (0: not encrypted), the key id, and 16 random octets (encrypted)
 *   block   a word (flag COMPRESSED, length of what follows), and the data with its CRC-32 or GCM tag
 *   footer  a word (flag FOOTER, length), and, sealed as a block is: size (6), SHA-256 (32), stored length of each block (4)
 *   end     four octets: how long the footer is, its word included
 *
 * Each blob has an AES-256-GCM key of its own (HKDF-SHA-256 of the administrator's key and the header), so that the number
 * of a block is its nonce. Invariants: no octet of content is returned before its block was verified; blocks cannot be
 * exchanged, dropped or moved to another blob without being noticed.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { crc32, constants as zlib, zstdCompressSync, zstdDecompressSync } from 'node:zlib'

/** Octets of content in a block. */
export const BLOCK = 65_536
const MAGIC = Buffer.from('\0IEMSBLB\x01', 'latin1')
const SALT = 16
const TAG = 16
const CRC = 4
const KEY_OCTETS = 32
const CIPHER = 'aes-256-gcm'
export const WORD = 4
const COMPRESSED = 0x8000_0000
const FOOTER = 0x4000_0000
const LENGTH = 0x3fff_ffff
const SIZE_OCTETS = 6
const HASH_OCTETS = 32
/** Maximum octets of a header: the id of a key has at most 64. */
export const HEADER_MAX = MAGIC.length + 1 + 64 + SALT
/** Maximum octets of a stored block. */
export const STORED_BLOCK = WORD + BLOCK + TAG
/** Maximum octets of the stored form of so many octets of content. */
export function storedMax(octets: number): number {
  const blocks = Math.max(1, Math.ceil(octets / BLOCK))
  return HEADER_MAX + blocks * (STORED_BLOCK + WORD) + WORD + SIZE_OCTETS + HASH_OCTETS + TAG + WORD
}

/** Below so many octets nothing is compressed; and it must save a sixteenth. */
const LEAST = 512
const SAVED = 1 / 16

/** A fault of a stored blob. */
export class Damage extends Error {}

/** An administrator's key. */
export interface BlobKey {
  readonly id: string
  readonly octets: Uint8Array
}

export interface Header {
  readonly octets: Buffer
  readonly keyId: string
}

/** The stored form may be mistaken for no other content, because a blob that begins so is always stored in this form. */
export const isPacked = (beginning: Buffer): boolean =>
  beginning.length >= MAGIC.length && beginning.subarray(0, MAGIC.length).equals(MAGIC)

/** Octets of content that must be seen before `isPacked` can tell. */
export const MAGIC_OCTETS = MAGIC.length

export function newHeader(key: BlobKey | undefined): Header {
  const id = Buffer.from(key?.id ?? '')
  const octets = Buffer.concat([MAGIC, Buffer.of(id.length), id, ...(key ? [randomBytes(SALT)] : [])])
  return { octets, keyId: key?.id ?? '' }
}

/** The length of the header at the beginning of a stored blob; undefined when more octets are needed to tell. */
export function headerLength(beginning: Buffer): number | undefined {
  const length = beginning[MAGIC.length]
  if (length === undefined) return undefined
  return MAGIC.length + 1 + length + (length > 0 ? SALT : 0)
}

export function readHeader(octets: Buffer): Header {
  const length = octets[MAGIC.length] ?? 0
  return { octets, keyId: octets.toString('utf8', MAGIC.length + 1, MAGIC.length + 1 + length) }
}

export interface Word {
  readonly length: number
  readonly isCompressed: boolean
  readonly isFooter: boolean
}

export function readWord(octets: Buffer): Word {
  const word = octets.readUInt32BE()
  return { length: word & LENGTH, isCompressed: word >= COMPRESSED, isFooter: (word & FOOTER) !== 0 }
}

export interface Footer {
  readonly size: number
  readonly hash: Buffer
  /** Stored octets of each block, its word included. */
  readonly lengths: readonly number[]
}

/** Writes and reads the blocks of one blob. */
export class Frames {
  readonly #header: Buffer
  readonly #key: Buffer | undefined

  constructor(header: Header, key: BlobKey | undefined) {
    this.#header = header.octets
    this.#key = key && Buffer.from(hkdfSync('sha256', key.octets, header.octets, 'iems blob', KEY_OCTETS))
  }

  writeBlock(content: Uint8Array, index: number, compress: boolean): Buffer {
    const small = compress && content.byteLength >= LEAST ? compressed(content) : undefined
    return this.#write(small ?? content, index, small ? COMPRESSED : 0)
  }

  writeFooter({ size, hash, lengths }: Footer): Buffer {
    const body = Buffer.alloc(SIZE_OCTETS + HASH_OCTETS + lengths.length * WORD)
    body.writeUIntBE(size, 0, SIZE_OCTETS)
    body.set(hash, SIZE_OCTETS)
    for (const [at, length] of lengths.entries()) body.writeUInt32BE(length, SIZE_OCTETS + HASH_OCTETS + at * WORD)
    const footer = this.#write(body, lengths.length, FOOTER)
    const end = Buffer.alloc(WORD)
    end.writeUInt32BE(footer.length)
    return Buffer.concat([footer, end])
  }

  /** Throws Damage. */
  readBlock(stored: Buffer, index: number): Buffer {
    const content = this.#read(stored, index)
    if (!readWord(stored).isCompressed) return content
    try {
      return zstdDecompressSync(content, { maxOutputLength: BLOCK })
    } catch {
      throw new Damage('a block cannot be decompressed')
    }
  }

  /** `count`: the blocks before it, if they are known. Throws Damage. */
  readFooter(stored: Buffer): Footer {
    const word = readWord(stored)
    const count = (word.length - SIZE_OCTETS - HASH_OCTETS - (this.#key ? TAG : CRC)) / WORD
    if (!word.isFooter || !Number.isInteger(count) || count < 0) throw new Damage('its end is missing')
    const body = this.#read(stored, count)
    const lengths = Array.from({ length: count }, (_, at) => body.readUInt32BE(SIZE_OCTETS + HASH_OCTETS + at * WORD))
    const hash = body.subarray(SIZE_OCTETS, SIZE_OCTETS + HASH_OCTETS)
    return { size: body.readUIntBE(0, SIZE_OCTETS), hash, lengths }
  }

  #write(data: Uint8Array, index: number, flags: number): Buffer {
    const word = Buffer.alloc(WORD)
    word.writeUInt32BE((flags | (data.byteLength + (this.#key ? TAG : CRC))) >>> 0)
    if (!this.#key) {
      const sum = Buffer.alloc(CRC)
      sum.writeUInt32BE(this.#sum(word, data))
      return Buffer.concat([word, data, sum])
    }
    const cipher = createCipheriv(CIPHER, this.#key, nonceOf(index)).setAAD(word)
    return Buffer.concat([word, cipher.update(data), cipher.final(), cipher.getAuthTag()])
  }

  #read(stored: Buffer, index: number): Buffer {
    const [word, data] = [stored.subarray(0, WORD), stored.subarray(WORD)]
    if (data.length < (this.#key ? TAG : CRC)) throw new Damage('a block is too short')
    if (!this.#key) {
      const content = data.subarray(0, -CRC)
      if (data.readUInt32BE(content.length) !== this.#sum(word, content)) throw new Damage('a block has changed')
      return content
    }
    const decipher = createDecipheriv(CIPHER, this.#key, nonceOf(index)).setAAD(word)
    decipher.setAuthTag(data.subarray(-TAG))
    try {
      return Buffer.concat([decipher.update(data.subarray(0, -TAG)), decipher.final()])
    } catch {
      throw new Damage('a block has changed, or was encrypted with another key')
    }
  }

  #sum(word: Uint8Array, data: Uint8Array): number {
    return crc32(data, crc32(word, crc32(this.#header)))
  }
}

function nonceOf(index: number): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32BE(index, 8)
  return nonce
}

/** Undefined when it does not pay. */
function compressed(content: Uint8Array): Buffer | undefined {
  const small = zstdCompressSync(content, { params: { [zlib.ZSTD_c_compressionLevel]: 3 } })
  return small.length <= content.byteLength * (1 - SAVED) ? small : undefined
}
