/**
 * Encoded words (RFC 2047) as text.
 */
import { type Charsets, createCharsets, decodeCharset } from './parameters.ts'

const WORD = /=\?([^?*\s]{1,60})(?:\*[^?\s]{0,60})?\?([bq])\?([^?\s]*)\?=(\s+(?==\?))?/gi

/**
 * Text with its encoded words undone; white space between two of them goes. Callers that read more than one field of a
 * message pass the same charsets.
 */
export function decodeWords(text: string, charsets: Charsets = createCharsets()): string {
  if (!text.includes('=?')) return text
  return text.replace(WORD, (_, charset: string, encoding: string, encoded: string) =>
    decodeCharset(encoding.toLowerCase() === 'b' ? Buffer.from(encoded, 'base64') : quoted(encoded), charset, charsets),
  )
}

function quoted(text: string): Buffer {
  const octets = text
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(octets, 'latin1')
}
