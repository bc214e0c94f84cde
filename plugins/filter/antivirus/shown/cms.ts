/**
 * The plain content of a CMS object (RFC 5652): the message inside an opaque S/MIME signature, or a compressed one.
 *
 * BER as mail programs accept it: indefinite lengths, octet strings in pieces, a missing end. Invariants: depth and
 * time are bounded for any octets; anything unsupported is undefined, never an error.
 */
import { inflateSync } from 'node:zlib'

export type CmsContent =
  | { readonly kind: 'content'; readonly octets: Buffer }
  /** Only the recipient can read it. */
  | { readonly kind: 'encrypted' }
  /** A signature without its content. */
  | { readonly kind: 'detached' }
  /** Compressed, and corrupt or too large. */
  | { readonly kind: 'unreadable' }

const SIGNED = '1.2.840.113549.1.7.2'
const DIGESTED = '1.2.840.113549.1.7.5'
const COMPRESSED = '1.2.840.113549.1.9.16.1.9'
const ENCRYPTED = new Set(['1.2.840.113549.1.7.3', '1.2.840.113549.1.7.6', '1.2.840.113549.1.9.16.1.23'])

/** Maximum depth of elements. */
const DEPTH = 30
/** Maximum siblings before the wanted element. */
const SIBLINGS = 20

const SEQUENCE = 0x30
const OID = 0x06
const OCTETS = 0x04
const EXPLICIT = 0xa0
const CONSTRUCTED = 0x20

interface Element {
  readonly tag: number
  /** Offsets of its content; for an indefinite length, the latest possible end. */
  readonly start: number
  readonly end: number
  readonly isIndefinite: boolean
}

/** Undefined when it is not CMS. */
export function readCms(given: Buffer, most: number): CmsContent | undefined {
  const octets = withoutArmour(given)
  const outer = elementAt(octets, 0, octets.length)
  if (outer?.tag !== SEQUENCE) return undefined
  const [type, wrapper] = childrenOf(octets, outer)
  if (type?.tag !== OID || wrapper?.tag !== EXPLICIT) return undefined
  const name = oidOf(octets.subarray(type.start, type.end))
  if (ENCRYPTED.has(name)) return { kind: 'encrypted' }
  if (name !== SIGNED && name !== DIGESTED && name !== COMPRESSED) return undefined
  const [inner] = childrenOf(octets, wrapper)
  if (inner?.tag !== SEQUENCE) return undefined
  const content = contentIn(octets, inner)
  if (content === undefined) return { kind: 'detached' }
  return name === COMPRESSED ? inflated(content, most) : { kind: 'content', octets: content }
}

/** The content of the first child that is a content type. */
function contentIn(octets: Buffer, inner: Element): Buffer | undefined {
  for (const child of childrenOf(octets, inner)) {
    if (child.tag !== SEQUENCE) continue
    const [type, content] = childrenOf(octets, child)
    if (type?.tag !== OID || content?.tag !== EXPLICIT) continue
    // A single buffer, because a piece may be a single octet.
    const to = { buffer: Buffer.alloc(content.end - content.start), size: 0 }
    gatherOctets(octets, content, to, 0)
    return to.buffer.subarray(0, to.size)
  }
  return undefined
}

/**
 * Collects octet strings, in pieces or whole; other types are taken as they are (PKCS #7 allows any). Returns the
 * offset of the next element.
 */
function gatherOctets(octets: Buffer, within: Element, to: { buffer: Buffer; size: number }, depth: number): number {
  let at = within.start
  for (let one = elementAt(octets, at, within.end); one; one = elementAt(octets, at, within.end)) {
    if (one.tag === (OCTETS | CONSTRUCTED) && depth < DEPTH) at = gatherOctets(octets, one, to, depth + 1)
    else {
      to.size += octets.copy(to.buffer, to.size, one.start, one.end)
      at = nextOf(octets, one, 0)
    }
  }
  return within.isIndefinite ? Math.min(at + 2, within.end) : within.end
}

function inflated(content: Buffer, most: number): CmsContent {
  try {
    return { kind: 'content', octets: inflateSync(content, { maxOutputLength: most }) }
  } catch {
    return { kind: 'unreadable' }
  }
}

/** Lazily, so that unused elements cost nothing. */
function* childrenOf(octets: Buffer, { start, end }: Element): Generator<Element> {
  let at = start
  for (let count = 0; count < SIBLINGS; count++) {
    const element = elementAt(octets, at, end)
    if (!element) return
    yield element
    at = nextOf(octets, element, 0)
  }
}

/** Undefined at the end of an indefinite length, and for an invalid element. */
function elementAt(octets: Buffer, at: number, limit: number): Element | undefined {
  const tag = octets[at]
  const first = octets[at + 1]
  if (tag === undefined || first === undefined || at + 2 > limit || (tag === 0 && first === 0)) return undefined
  // Multi-octet tags do not occur on this path.
  if ((tag & 0x1f) === 0x1f) return undefined
  if (first === 0x80) return { tag, start: at + 2, end: limit, isIndefinite: true }
  const count = first < 0x80 ? 0 : first & 0x7f
  const start = at + 2 + count
  if (count > 6 || start > limit) return undefined
  const length = count === 0 ? first : octets.readUIntBE(at + 2, count)
  // A truncated element ends with the octets.
  return { tag, start, end: Math.min(start + length, limit), isIndefinite: false }
}

/** Offset of the next element. */
function nextOf(octets: Buffer, { start, end, isIndefinite }: Element, depth: number): number {
  if (!isIndefinite || depth > DEPTH) return end
  let at = start
  for (let child = elementAt(octets, at, end); child; child = elementAt(octets, at, end))
    at = nextOf(octets, child, depth + 1)
  return Math.min(at + 2, end)
}

function oidOf(octets: Buffer): string {
  if (octets.length === 0 || octets.length > 20) return ''
  const numbers: number[] = []
  let value = 0
  for (const octet of octets) {
    value = value * 128 + (octet & 0x7f)
    if (octet >= 0x80) continue
    numbers.push(...(numbers.length === 0 ? [Math.min(2, Math.floor(value / 40)), value % 40] : [value]))
    value = 0
  }
  return numbers.join('.')
}

/** Some programs store it as base64 in a file (RFC 7468). */
function withoutArmour(octets: Buffer): Buffer {
  const [whole, text] = /^\s{0,100}-----BEGIN (?:PKCS7|CMS)-----([^-]*)/.exec(octets.toString('latin1', 0, 200)) ?? []
  if (whole === undefined || text === undefined) return octets
  const start = octets.indexOf('-----', octets.indexOf('BEGIN')) + 5
  const end = octets.indexOf('-----', start)
  return Buffer.from(octets.toString('latin1', start, end < 0 ? octets.length : end), 'base64')
}
