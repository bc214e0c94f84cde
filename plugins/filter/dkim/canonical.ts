/**
 * Relaxed canonicalization of header fields and body (RFC 6376 sections 3.4.2 and 3.4.4). Pure.
 *
 * Invariants: chunking does not affect the result; a body is never held in memory. Text is latin1, one character per
 * octet.
 */
import { createHash } from 'node:crypto'
import type { RawField } from 'iems'

/** `name:value`, without CRLF. */
export function relaxedField({ name, value }: RawField): string {
  return `${name.toLowerCase()}:${value
    .replace(/\r\n/g, '')
    .replace(/[\t ]+/g, ' ')
    .trim()}`
}

/** Takes a body in chunks and returns its hash, SHA-256 in base64. */
export function createBodyHash() {
  const hash = createHash('sha256')
  /** Line ends followed so far only by empty lines. */
  let lines = 0
  /** Text after them that may belong to a line end. */
  let rest = ''
  let isEmpty = true

  function add(text: string): void {
    isEmpty = false
    for (; lines > 0; lines -= Math.min(lines, LINES)) hash.update('\r\n'.repeat(Math.min(lines, LINES)))
    hash.update(text, 'latin1')
  }

  return {
    update(piece: Uint8Array): void {
      const text = rest + Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength).toString('latin1')
      const end = lastVisible(text)
      if (end > 0) add(relaxed(text.slice(0, end)))
      const blank = relaxed(text.slice(end))
      const whole = blank.lastIndexOf('\r\n') + 2
      if (whole > 1) lines += whole / 2
      rest = whole > 1 ? blank.slice(whole) : blank
    },
    digest(): string {
      if (rest.includes('\r')) add(rest)
      if (!isEmpty) hash.update('\r\n')
      return hash.digest('base64')
    },
  }
}

/** Line ends hashed at a time. */
const LINES = 10_000

const relaxed = (text: string) => text.replace(/[\t ]+/g, ' ').replaceAll(' \r\n', '\r\n')

/** Where the trailing spaces and line ends of a text begin. */
function lastVisible(text: string): number {
  let at = text.endsWith('\r') ? text.length - 1 : text.length
  for (;;) {
    const before = text[at - 1]
    if (before === ' ' || before === '\t') at--
    else if (before === '\n' && text[at - 2] === '\r') at -= 2
    else return at
  }
}
