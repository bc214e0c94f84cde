/**
 * Formats the lines of a report (RFC 3464) from remote text.
 *
 * Invariants: every line is ASCII unless the report is internationalized (RFC 6533), and at most 998 octets long (RFC
 * 5322 section 2.1.1); no value can end its field; remote text stays distinguishable from this server's.
 */
import { isAscii } from 'node:buffer'
import type { Outcome } from '../api/hooks.ts'
import { format, type Reply } from '../api/reply.ts'

const MAX_LINE = 998
/** Where a line without spaces is cut, leaving room for the field name. */
const MAX_PIECE = 900

/** Printable ASCII, or any printable character in an internationalized report; one line. */
export function printable(text: string, utf8: boolean): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it removes
  const line = text.toWellFormed().replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, ' ')
  return utf8 ? line : line.replace(/[^\x20-\x7e]/gu, '?')
}

/** Splits text into lines of at most 900 octets; a line without spaces is cut. */
function pieces(text: string): string[] {
  if (Buffer.byteLength(text) <= MAX_PIECE) return [text]
  const lines: string[] = []
  let line = ''
  let octets = 0
  for (const char of text) {
    const more = Buffer.byteLength(char)
    if (octets + more > MAX_PIECE) {
      const space = line.lastIndexOf(' ')
      const rest = space > MAX_PIECE / 2 ? line.slice(space + 1) : ''
      lines.push(rest === '' ? line : line.slice(0, space))
      line = rest
      octets = Buffer.byteLength(rest)
    }
    line += char
    octets += more
  }
  return [...lines, line].filter((one) => one.trim() !== '')
}

/** Formats a field of a delivery-status part, folded as needed. */
export function statusField(name: string, value: string, utf8 = false): string {
  // A folded line of nothing but white space is obsolete syntax (RFC 5322 section 4.2).
  const lines = value
    .split('\n')
    .flatMap((line) => pieces(printable(line, utf8).trim()))
    .filter((line) => line !== '')
  return `${name}: ${lines.join('\r\n ')}\r\n`
}

/** RFC 3464 section 2.3.2, RFC 6533 section 3: a non-ASCII address is escaped where UTF-8 is not allowed. */
export function addressField(name: string, type: string, address: string, utf8: boolean): string {
  if (isAscii(Buffer.from(address))) return statusField(name, `${type};${address}`)
  const escaped = [...address.toWellFormed()].map((char) => {
    const point = char.codePointAt(0) ?? 0
    return point > 0x20 && point < 0x7f && !'\\+='.includes(char)
      ? char
      : `\\x{${point.toString(16).toUpperCase().padStart(2, '0')}}`
  })
  return statusField(name, `utf-8;${utf8 ? address : escaped.join('')}`, utf8)
}

/** RFC 3464 section 2.3.6: the remote server's words verbatim; this server's under a diagnostic type of its own. */
export function diagnosticField({ said, ...reply }: Reply): string {
  return said === undefined || printable(said, false).trim() === ''
    ? statusField('Diagnostic-Code', `x-iems; ${format(reply)}`)
    : statusField('Diagnostic-Code', `smtp; ${said}`)
}

const MAX_WORDS = 500

/** A reply in one printable line: the remote server's words, else this server's. For people, lists and logs. */
export function wordsOf(reply: Reply): string {
  return printable(reply.said ?? format(reply), false).slice(0, MAX_WORDS)
}

/** A line for the human reader that names the author of the reply. */
export function recipientLine({ recipient, reply, remote }: Outcome): string {
  const address = printable(recipient.address, true)
  if (reply.said === undefined) return `  <${address}>: ${printable(format(reply), false).slice(0, MAX_WORDS)}`
  const by = `${printable(remote ?? 'the remote server', false)} said: ${wordsOf(reply)}`
  return reply.text.startsWith(EXPIRED) ? `  <${address}>: ${EXPIRED}; ${by}` : `  <${address}>: ${by}`
}

export const EXPIRED = 'Delivery time expired'

/** Whether content fits into a message without a transfer encoding. */
export function fitsLines(content: Uint8Array): boolean {
  let start = 0
  for (let end = content.indexOf(10); end >= 0; end = content.indexOf(10, start)) {
    if (end - start > MAX_LINE + 1) return false
    start = end + 1
  }
  return content.length - start <= MAX_LINE
}

/** Cuts the lines of a header that are too long. */
export function cutLines(header: Uint8Array): Buffer {
  const lines = Buffer.from(header.buffer, header.byteOffset, header.byteLength).toString('latin1').split('\r\n')
  return Buffer.from(lines.map((line) => line.slice(0, MAX_LINE)).join('\r\n'), 'latin1')
}
