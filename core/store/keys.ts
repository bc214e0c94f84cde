/**
 * Tuple keys: encodes a list of strings and numbers as bytes that sort as the list does.
 *
 * Each part is a tag and its bytes: strings are UTF-8 and end in 00, with an inner 00 escaped as 00 FF; integers are
 * eight bytes, big-endian, with the sign bit flipped. Invariants: byte order is tuple order (strings by code point,
 * before numbers), a prefix of a tuple is a prefix of its bytes, and unkey(key(x)) is x.
 */
import type { Key, Range } from './store.ts'

export type KeyPart = string | number

const STRING = 0x02
const NUMBER = 0x03
const NUMBER_SIZE = 9
/** Greater than every tag and every byte after a string's end: every key with a prefix sorts below prefix + ABOVE. */
const ABOVE = 0xff
const HALF = 0x1_0000_0000
/** Flips the sign bit, so that negative numbers sort first. */
const SIGN = 0x8000_0000

export function key(...parts: readonly KeyPart[]): Key {
  return encode(parts, 0)
}

/** Every tuple that begins with these parts, including the tuple of exactly these parts. */
export function below(...parts: readonly KeyPart[]): Pick<Range, 'from' | 'to'> {
  const to = encode(parts, 1)
  to[to.length - 1] = ABOVE
  return { from: to.subarray(0, -1), to }
}

function encode(parts: readonly KeyPart[], spare: number): Buffer {
  return encodeAscii(parts, spare) ?? encodeUnicode(parts, spare)
}

/** Undefined unless every string is ASCII. Reads and writes make many keys, and this takes a fifth of the time. */
function encodeAscii(parts: readonly KeyPart[], spare: number): Buffer | undefined {
  let size = spare
  for (const part of parts) size += typeof part === 'number' ? NUMBER_SIZE : part.length + 2
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const part of parts) {
    if (typeof part === 'number') {
      at = writeNumber(bytes, part, at)
      continue
    }
    bytes[at++] = STRING
    for (let index = 0; index < part.length; index++) {
      const code = part.charCodeAt(index)
      if (code === 0 || code > 0x7f) return undefined
      bytes[at++] = code
    }
    bytes[at++] = 0
  }
  return bytes
}

function encodeUnicode(parts: readonly KeyPart[], spare: number): Buffer {
  let size = spare
  for (const part of parts) size += typeof part === 'number' ? NUMBER_SIZE : sizeOf(part)
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const part of parts) at = typeof part === 'number' ? writeNumber(bytes, part, at) : writeString(bytes, part, at)
  return bytes
}

function sizeOf(part: string): number {
  // Unpaired surrogates have no UTF-8 form: two different strings would become one key.
  if (!part.isWellFormed()) throw new RangeError('a key must be well-formed Unicode')
  let size = Buffer.byteLength(part) + 2
  for (let nul = part.indexOf('\0'); nul >= 0; nul = part.indexOf('\0', nul + 1)) size++
  return size
}

function writeNumber(bytes: Buffer, part: number, at: number): number {
  if (!Number.isSafeInteger(part)) throw new RangeError(`a key's number must be a whole one: ${part}`)
  bytes[at] = NUMBER
  bytes.writeUInt32BE((Math.floor(part / HALF) ^ SIGN) >>> 0, at + 1)
  return bytes.writeUInt32BE(part >>> 0, at + 5)
}

function writeString(bytes: Buffer, part: string, start: number): number {
  let at = start
  bytes[at++] = STRING
  part.split('\0').forEach((piece, index) => {
    if (index > 0) {
      bytes[at++] = 0
      bytes[at++] = 0xff
    }
    at += bytes.write(piece, at)
  })
  bytes[at++] = 0
  return at
}

/** The tuple of a key. Throws RangeError for bytes that `key` did not make. */
export function unkey(bytes: Key): KeyPart[] {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const parts: KeyPart[] = []
  for (let at = 0; at < source.length; ) {
    if (source[at] === NUMBER && at + 9 <= source.length) {
      parts.push(((source.readUInt32BE(at + 1) ^ SIGN) | 0) * HALF + source.readUInt32BE(at + 5))
      at += 9
      continue
    }
    let end = source.indexOf(0, at + 1)
    const first = end
    while (end >= 0 && source[end + 1] === 0xff) end = source.indexOf(0, end + 2)
    if (source[at] !== STRING || end < 0) throw new RangeError('not a key')
    parts.push(end === first ? source.toString('utf8', at + 1, end) : restoreNul(source.subarray(at + 1, end)))
    at = end + 1
  }
  return parts
}

function restoreNul(bytes: Buffer): string {
  return Buffer.from(bytes.toString('latin1').replaceAll('\0\xff', '\0'), 'latin1').toString()
}
