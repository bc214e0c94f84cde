/**
 * LDAP's subset of BER (RFC 4511 section 5.1): a strict decoder with definite lengths and nested bounds, and an encoder
 * of minimal lengths.
 *
 * Invariants: the decoder never reads beyond its element, loops without progress or recurses; every fault is a
 * `BerError`. Octets are views of the message, not copies.
 */
import { isUtf8 } from 'node:buffer'

export class BerError extends Error {}

export const TAG = { boolean: 0x01, integer: 0x02, octets: 0x04, enumerated: 0x0a, sequence: 0x30, set: 0x31 } as const

/** Maximum length octets. */
const LENGTH_OCTETS = 4

/** Tag and length of an element; undefined when octets are missing. */
export function readHeader(octets: Uint8Array, at = 0) {
  const tag = octets[at]
  const first = octets[at + 1]
  if (tag === undefined || first === undefined) return undefined
  if ((tag & 0x1f) === 0x1f) throw new BerError('tags above 30 have no meaning here')
  if (first < 0x80) return { tag, start: at + 2, length: first }
  const count = first & 0x7f
  if (count === 0 || count > LENGTH_OCTETS) throw new BerError('a length that LDAP does not allow')
  if (octets.length < at + 2 + count) return undefined
  let length = 0
  for (let index = 0; index < count; index++) length = length * 256 + (octets[at + 2 + index] as number)
  return { tag, start: at + 2 + count, length }
}

/** Reads the elements of a container in order. */
export class BerReader {
  readonly #octets: Buffer
  #at = 0

  constructor(octets: Buffer) {
    this.#octets = octets
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#octets.length
  }

  /** The tag of the next element; undefined at the end. */
  get tag(): number | undefined {
    return this.#octets[this.#at]
  }

  /** The content of the next element, which must have the given tag, if any. */
  element(wanted?: number): Buffer {
    const header = readHeader(this.#octets, this.#at)
    if (!header) throw new BerError('an element is missing')
    const { tag, start, length } = header
    if (wanted !== undefined && tag !== wanted) throw new BerError('an element of another kind was expected')
    if (start + length > this.#octets.length) throw new BerError('an element is longer than what it is in')
    this.#at = start + length
    return this.#octets.subarray(start, start + length)
  }

  inside(wanted: number = TAG.sequence): BerReader {
    return new BerReader(this.element(wanted))
  }

  octets(wanted: number = TAG.octets): Buffer {
    return this.element(wanted)
  }

  /** An LDAPString, which is UTF-8. */
  text(wanted: number = TAG.octets): string {
    const octets = this.element(wanted)
    if (!isUtf8(octets)) throw new BerError('text that is no UTF-8')
    return octets.toString()
  }

  integer(wanted: number = TAG.integer): number {
    const octets = this.element(wanted)
    if (octets.length < 1 || octets.length > LENGTH_OCTETS) throw new BerError('a number out of range')
    return octets.readIntBE(0, octets.length)
  }

  enumerated(): number {
    return this.integer(TAG.enumerated)
  }

  boolean(wanted: number = TAG.boolean): boolean {
    const octets = this.element(wanted)
    if (octets.length !== 1) throw new BerError('a boolean has one octet')
    return octets[0] !== 0
  }
}

// --- written ------------------------------------------------------------------------------------

const lengthOctets = (length: number) =>
  length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : length < 0x1000000 ? 3 : 4

/** Octets of an element with that much content. */
export const sizeOf = (length: number): number => 2 + lengthOctets(length) + length

/** Octets of a value's content. */
export const lengthOf = (value: string | Buffer): number =>
  typeof value === 'string' ? Buffer.byteLength(value) : value.length

/** Writes one element, whose content has a known length, into one buffer. */
export class BerWriter {
  readonly whole: Buffer
  #at = 0

  constructor(tag: number, length: number) {
    this.whole = Buffer.allocUnsafe(sizeOf(length))
    this.header(tag, length)
  }

  header(tag: number, length: number): void {
    const octets = lengthOctets(length)
    this.whole[this.#at++] = tag
    this.whole[this.#at++] = octets === 0 ? length : 0x80 | octets
    if (octets > 0) this.#at = this.whole.writeUIntBE(length, this.#at, octets)
  }

  octets(value: Buffer): void {
    this.#at += value.copy(this.whole, this.#at)
  }

  octetString(value: string | Buffer): void {
    this.header(TAG.octets, lengthOf(value))
    if (typeof value === 'string') this.#at += this.whole.write(value, this.#at)
    else this.octets(value)
  }
}

/** An element with that tag and content. */
export function element(tag: number, ...inside: readonly Buffer[]): Buffer {
  let length = 0
  for (const one of inside) length += one.length
  const octets = lengthOctets(length)
  const whole = Buffer.allocUnsafe(2 + octets + length)
  whole[0] = tag
  whole[1] = octets === 0 ? length : 0x80 | octets
  if (octets > 0) whole.writeUIntBE(length, 2, octets)
  let at = 2 + octets
  for (const one of inside) at += one.copy(whole, at)
  return whole
}

export const sequence = (...inside: readonly Buffer[]): Buffer => element(TAG.sequence, ...inside)

export const octetString = (value: string | Buffer, tag: number = TAG.octets): Buffer =>
  element(tag, typeof value === 'string' ? Buffer.from(value) : value)

/** From 0 to 2^31 - 1. */
export function integer(value: number, tag: number = TAG.integer): Buffer {
  const octets = value < 0x80 ? 1 : value < 0x8000 ? 2 : value < 0x800000 ? 3 : 4
  const content = Buffer.allocUnsafe(octets)
  content.writeIntBE(value, 0, octets)
  return element(tag, content)
}

export const enumerated = (value: number): Buffer => integer(value, TAG.enumerated)
