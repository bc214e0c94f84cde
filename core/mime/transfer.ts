/**
 * Streaming decoders for transfer encodings: base64, quoted-printable, uuencode.
 *
 * Invariants: invalid input yields what can be decoded; memory between chunks is bounded; a chunk yields at most one
 * piece, never an empty one; time is linear for any input.
 */
import type { MimePart, Readable } from './parts.ts'

/** Decodes a part's body from its source; undefined for an unknown encoding. */
export function partBody(
  source: Readable,
  part: Pick<MimePart, 'encoding' | 'body' | 'end'>,
): AsyncIterable<Uint8Array> | undefined {
  const octets = source.open({ start: part.body, end: part.end })
  switch (part.encoding) {
    case '7bit':
    case '8bit':
    case 'binary':
      return octets
    case 'base64':
      return fromBase64(octets)
    case 'quoted-printable':
      return fromQuotedPrintable(octets)
    case 'x-uuencode':
    case 'x-uue':
    case 'uuencode':
      return fromUuencode(octets)
    default:
      return undefined
  }
}

/** The value of a base64 character; negative for padding and for ignored characters. */
const PADDING = -2
const SIX_BITS = sixBits()

function sixBits(): Int8Array {
  const values = new Int8Array(256).fill(-1)
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  for (let value = 0; value < 64; value++) values[alphabet.charCodeAt(value)] = value
  values['='.charCodeAt(0)] = PADDING
  return values
}

/** The 24 bits of four characters; negative when one of them has no value. */
function groupAt(chunk: Uint8Array, at: number): number {
  const value = (index: number) => SIX_BITS[chunk[at + index] as number] as number
  return (value(0) << 18) | (value(1) << 12) | (value(2) << 6) | value(3)
}

/** Octets of base64 in pieces of any length. Padding ends a piece, not the body, because some programs concatenate encoded pieces. */
export async function* fromBase64(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let bits = 0
  let count = 0
  for await (const chunk of source) {
    const decoded = Buffer.allocUnsafe(Math.ceil((chunk.byteLength * 3) / 4) + 1)
    let size = 0
    for (let at = 0; at < chunk.byteLength; at++) {
      // Nearly all of a body is whole groups of four characters.
      while (count === 0 && at + 4 <= chunk.byteLength) {
        const group = groupAt(chunk, at)
        if (group < 0) break
        decoded[size] = group >> 16
        decoded[size + 1] = group >> 8
        decoded[size + 2] = group
        size += 3
        at += 4
      }
      const value = SIX_BITS[chunk[at] as number] as number
      if (value >= 0) {
        bits = ((bits << 6) | value) & 0xffff
        count += 6
        if (count < 8) continue
        count -= 8
        decoded[size++] = bits >> count
      } else if (value === PADDING) count = 0
    }
    if (size > 0) yield decoded.subarray(0, size)
  }
}

const asText = (chunk: Uint8Array) => Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')

/** Longer lines are passed on in pieces. */
const LINE = 65_536

/** The lines that each chunk completes, with their line feeds. */
async function* linesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<readonly string[]> {
  let rest = ''
  for await (const chunk of source) {
    // Searches only the new octets, because a long line may come in very many chunks.
    const lines = asText(chunk).split(/(?<=\n)/)
    const begun = lines.at(-1)?.endsWith('\n') ? '' : (lines.pop() ?? '')
    if (lines.length > 0) {
      lines[0] = rest + lines[0]
      rest = begun
    } else rest += begun
    if (rest.length > LINE) {
      // Not within `=XY`.
      const cut = rest.lastIndexOf('=') > rest.length - 3 ? rest.lastIndexOf('=') : rest.length
      lines.push(rest.slice(0, cut))
      rest = rest.slice(cut)
    }
    yield lines
  }
  if (rest !== '') yield [rest]
}

async function* fromQuotedPrintable(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const lines of linesOf(source)) {
    const text = lines.map(quotedLine).join('')
    if (text !== '') yield Buffer.from(text, 'latin1')
  }
}

/** RFC 2045 section 6.7: trailing white space is not text, and a trailing `=` joins the line to the next. */
function quotedLine(line: string): string {
  const end = line.endsWith('\r\n') ? -2 : line.endsWith('\n') ? -1 : line.length
  const text = end < 0 ? withoutBlanks(line.slice(0, end)) : line
  const joined = end < 0 && text.endsWith('=') ? text.slice(0, -1) : text + line.slice(end)
  return joined.replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function withoutBlanks(text: string): string {
  let end = text.length
  while (end > 0 && (text[end - 1] === ' ' || text[end - 1] === '\t')) end--
  return text.slice(0, end)
}

async function* fromUuencode(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let isInside = false
  for await (const lines of linesOf(source)) {
    const decoded: Buffer[] = []
    let isEnded = false
    for (const line of lines) {
      const text = line.replace(/\r?\n$/, '')
      isEnded = isInside && text === 'end'
      if (isEnded) break
      if (!isInside) isInside = /^begin [0-7]{3,4} /.test(text)
      else if (text !== '' && text.length <= 100) decoded.push(uuLine(text))
    }
    const octets = Buffer.concat(decoded)
    if (octets.length > 0) yield octets
    if (isEnded) return
  }
}

function uuLine(text: string): Buffer {
  const value = (index: number) => ((text.charCodeAt(index) || 32) - 32) & 63
  const octets: number[] = []
  for (let at = 1; at < text.length; at += 4) {
    const bits = (value(at) << 18) | (value(at + 1) << 12) | (value(at + 2) << 6) | value(at + 3)
    octets.push(bits >> 16, (bits >> 8) & 255, bits & 255)
  }
  return Buffer.from(octets.slice(0, value(0)))
}
