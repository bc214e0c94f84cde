/**
 * Dot-stuffs content and ends it with a single dot (RFC 1939 section 3).
 *
 * Invariants: a message is sent octet for octet, whatever its chunks; a chunk without lines that begin with a dot is
 * passed on unchanged.
 */

const DOT = 46
const ONE_DOT = Buffer.from('.')
const LF = 10
const CR = 13
const MAX_LINE = 510
const BRACKET_WITHOUT_CODE = /^(\S{1,4} )\[(?![A-Z]+(?:[-/][A-Z]+)*\] )/

/** A status line from any text: printable ASCII, at most 512 octets with its CRLF (RFC 1939 section 3). */
export function statusLine(text: string): string {
  const line = text.slice(0, MAX_LINE).replace(/[^\x20-\x7e]/g, '?')
  // A bracket directly after the status starts a response code (RFC 2449 section 8), so other text must not begin with
  // one.
  return line.replace(BRACKET_WITHOUT_CODE, '$1(')
}

/** Octets with a dot before each line that begins with one. */
function dotted(octets: Buffer, isLineStart: boolean): Buffer[] {
  const pieces: Buffer[] = []
  let from = 0
  if (isLineStart && octets[0] === DOT) pieces.push(ONE_DOT)
  for (let at = octets.indexOf('\n.'); at >= 0; at = octets.indexOf('\n.', at + 1)) {
    pieces.push(octets.subarray(from, at + 1), ONE_DOT)
    from = at + 1
  }
  pieces.push(octets.subarray(from))
  return pieces
}

/** Clients look for CRLF.CRLF, so content without a final CRLF would have no end. */
const endOf = (endsInCrlf: boolean) => Buffer.from(endsInCrlf ? '.\r\n' : '\r\n.\r\n')

/** The dot-stuffed content of a message in memory, and the line that ends it. */
export function stuffedWhole(octets: Buffer): readonly Buffer[] {
  const endsInCrlf = octets.length === 0 || (octets.at(-1) === LF && octets.at(-2) === CR)
  return [...dotted(octets, true), endOf(endsInCrlf)]
}

/** The dot-stuffed content and the line that ends it. */
export async function* stuffed(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let last = LF
  let isEnded = true
  for await (const chunk of content) {
    const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (octets.length === 0) continue
    yield* dotted(octets, last === LF)
    isEnded = octets.at(-1) === LF && (octets.length > 1 ? octets.at(-2) : last) === CR
    last = octets.at(-1) as number
  }
  yield endOf(isEnded)
}

/** The header, the blank line and the first lines of the body. */
export async function* topOf(
  content: AsyncIterable<Uint8Array>,
  headerSize: number,
  lines: number,
): AsyncGenerator<Buffer> {
  let header = headerSize
  let left = lines
  for await (const chunk of content) {
    const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const inHeader = Math.min(header, octets.length)
    header -= inHeader
    let end = inHeader
    while (header === 0 && left > 0 && end < octets.length) {
      const found = octets.indexOf(LF, end)
      if (found < 0) {
        end = octets.length
        break
      }
      end = found + 1
      left--
    }
    yield octets.subarray(0, end)
    if (header === 0 && left === 0) return
  }
  if (header > 0) throw new Error(`content ended ${header} octets before the end of its header`)
}

/** The content; throws at its end if it is shorter than `size`. */
export async function* whole(content: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let left = size
  for await (const chunk of content) {
    left -= chunk.byteLength
    yield chunk
  }
  if (left > 0) throw new Error(`content ended ${left} octets early`)
}
