/**
 * Content as POP3 sends it: lines with a dot before their dots, and a dot alone behind the last (RFC 1939 section 3).
 *
 * What must stay true: a message comes through octet for octet in whatever pieces it is read; a piece without a line
 * that begins with a dot is passed on as it is.
 */

const DOT = 46
const LF = 10
const CR = 13
const MAX_LINE = 510
const BRACKET_WITHOUT_CODE = /^(\S{1,4} )\[(?![A-Z]+(?:[-/][A-Z]+)*\] )/

/** A status line, whatever a reason says: printable ASCII, 512 octets with its CRLF (RFC 1939 section 3). */
export function statusLine(text: string): string {
  const line = text.slice(0, MAX_LINE).replace(/[^\x20-\x7e]/g, '?')
  // A bracket right behind the status begins a response code (RFC 2449 section 8); a reason that has none is only text.
  return line.replace(BRACKET_WITHOUT_CODE, '$1(')
}

/** The content with its dots stuffed, and the line that ends it. */
export async function* stuffed(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let last = LF
  let isEnded = true
  for await (const chunk of content) {
    const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (octets.length === 0) continue
    let from = 0
    if (last === LF && octets[0] === DOT) yield Buffer.from('.')
    for (let at = octets.indexOf('\n.'); at >= 0; at = octets.indexOf('\n.', at + 1)) {
      yield octets.subarray(from, at + 1)
      yield Buffer.from('.')
      from = at + 1
    }
    yield octets.subarray(from)
    isEnded = octets.at(-1) === LF && (octets.length > 1 ? octets.at(-2) : last) === CR
    last = octets.at(-1) as number
  }
  // Clients look for CRLF, a dot and CRLF: content whose last line ends otherwise would have no end.
  yield Buffer.from(isEnded ? '.\r\n' : '\r\n.\r\n')
}

/** The header, the blank line and so many lines of the body. */
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

/** The content; throws at its end when that comes before so many octets. */
export async function* whole(content: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let left = size
  for await (const chunk of content) {
    left -= chunk.byteLength
    yield chunk
  }
  if (left > 0) throw new Error(`content ended ${left} octets early`)
}
