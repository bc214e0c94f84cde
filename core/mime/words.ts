/**
 * Decodes encoded words (RFC 2047).
 */
import { type Charsets, createCharsets, decodeCharset } from './parameters.ts'

const WORD = /=\?([^?*\s]{1,60})(?:\*[^?\s]{0,60})?\?([bq])\?([^?\s]*)\?=(\s+(?==\?))?/gi
/** The same with spaces in it, which RFC 2047 forbids and some programs write; only for text that is one value. */
const LAX_WORD = /=\?([^?*\s]{1,60})(?:\*[^?\s]{0,60})?\?([bq])\?([^?\r\n]*)(?:\?=(\s+(?==\?))?|$)/gi

/**
 * Text with its encoded words undone; white space between two of them goes, and a character may begin in one word and
 * end in the next, which RFC 2047 forbids. Callers that read more than one field of a message pass the same charsets.
 */
export function decodeWords(text: string, charsets: Charsets = createCharsets()): string {
  return text.includes('=?') ? decode(text, WORD, charsets) : text
}

/** The same for a name, in the wrong ways too: with spaces within a word, or without its end. */
export function decodeName(text: string): string {
  return text.includes('=?') ? decode(text, LAX_WORD, createCharsets()) : text
}

function decode(text: string, pattern: RegExp, charsets: Charsets): string {
  let out = ''
  let end = 0
  let run: { readonly charset: string; readonly octets: Buffer[] } | undefined
  const flush = () => {
    if (run) out += decodeCharset(Buffer.concat(run.octets), run.charset, charsets)
    run = undefined
  }
  for (const found of text.matchAll(pattern)) {
    const [all, charset = '', encoding = '', encoded = ''] = found
    if (found.index > end || run?.charset !== charset.toLowerCase()) flush()
    out += text.slice(end, found.index)
    run ??= { charset: charset.toLowerCase(), octets: [] }
    run.octets.push(encoding.toLowerCase() === 'b' ? Buffer.from(encoded, 'base64') : quoted(encoded))
    end = found.index + all.length
  }
  flush()
  return out + text.slice(end)
}

function quoted(text: string): Buffer {
  const octets = text
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(octets, 'latin1')
}
