/**
 * Values with parameters, as in Content-Type and Content-Disposition (RFC 2045), including continued and encoded
 * parameters (RFC 2231).
 */
import { decodeOther } from './charset.ts'

/** Maximum parameters of one field. */
const MOST = 100

const PIECE =
  /[\s;]*(?:([!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;\s"]*))|\(((?:[^()\\]|\\.)*)\)|([^;\s]+))/y

/** A comment where RFC 2045 allows one; in `name=a(1).txt`, which some programs write, there is none. */
const COMMENT = /"(?:[^"\\]|\\.)*"?|(^|[\s;])\((?:[^()\\]|\\.)*\)/g

/** The value, and the raw parameters by lower-case name; the first of a name wins. */
export function readParameters(text: string): readonly [value: string, parameters: Readonly<Record<string, string>>] {
  const field = text.replace(COMMENT, (all, before: string | undefined) => before ?? all)
  const start = field.indexOf(';')
  const value = (start < 0 ? field : field.slice(0, start)).replace(/\([^()]*\)/g, '').trim()
  const parameters: Record<string, string> = {}
  if (start < 0) return [value, parameters]
  PIECE.lastIndex = start
  for (let count = 0; count < MOST; count++) {
    const found = PIECE.exec(field)
    if (!found) break
    const [, name, quoted, plain] = found
    const key = name?.toLowerCase()
    if (key === undefined || Object.hasOwn(parameters, key)) continue
    if (quoted !== undefined) parameters[key] = unquoted(key, quoted)
    else parameters[key] = (plain ?? '') + (isName(key) ? wordsAt(field, PIECE) : '')
  }
  return [value, parameters]
}

const isName = (key: string) => /^(?:file)?name(?:\*|$)/.test(key)

/** Some programs write a path as it is, with backslashes. */
function unquoted(key: string, quoted: string): string {
  if (isName(key) && /^(?:[A-Za-z]:\\(?!\\)|\\\\[^\\])/.test(quoted)) return quoted
  return quoted.replace(/\\(.)/g, '$1')
}

/** The further words of a name without quotes, which some programs write; other parameters follow a semicolon. */
function wordsAt(field: string, piece: RegExp): string {
  const semicolon = field.indexOf(';', piece.lastIndex)
  const text = field.slice(piece.lastIndex, semicolon < 0 ? undefined : semicolon).trimEnd()
  if (/["=]/.test(text.replace(/=\?[^?\s]{1,60}\?[bq]\?[^?\s]*\?=/gi, ''))) return ''
  piece.lastIndex += text.length
  return text
}

/** A parameter joined and decoded as in RFC 2231: `name`, `name*`, or `name*0`, `name*1*` and so on. */
export function readLong(parameters: Readonly<Record<string, string>>, name: string): string | undefined {
  const whole = parameters[name]
  const single = parameters[`${name}*`]
  if (single !== undefined) return decodeExtended(single)
  if (parameters[`${name}*0`] === undefined && parameters[`${name}*0*`] === undefined) return whole
  const pieces: Buffer[] = []
  let charset = 'utf-8'
  for (let index = 0; index < MOST; index++) {
    const plain = parameters[`${name}*${index}`]
    let encoded = parameters[`${name}*${index}*`]
    if (plain === undefined && encoded === undefined) break
    if (encoded !== undefined && index === 0) {
      const [given = '', , rest = ''] = encoded.split("'")
      if (encoded.includes("'")) encoded = rest
      if (given !== '') charset = given
    }
    pieces.push(encoded === undefined ? Buffer.from(plain ?? '') : percentDecode(encoded))
  }
  return decodeCharset(Buffer.concat(pieces), charset)
}

function decodeExtended(text: string): string {
  const [charset = '', , ...rest] = text.split("'")
  if (rest.length > 0) return decodeCharset(percentDecode(rest.join("'")), charset)
  // Without a charset, which is wrong: what is percent-encoded is UTF-8 nearly always.
  return /%[0-9a-f]{2}/i.test(text) ? decodeCharset(percentDecode(text), 'utf-8') : text
}

function percentDecode(text: string): Buffer {
  const octets = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(octets, 'latin1')
}

/** Maximum characters of a charset label (the longest known has 19). */
const MAX_CHARSET = 40

interface Decoder {
  decode(octets: Uint8Array): string
}

/** Decoders by label. Unknown labels are cached too, because each lookup costs an exception. */
export type Charsets = (label: string) => Decoder | undefined

/** Maximum charsets of one message. */
const MAX_CHARSETS = 100

/** Creates a cache of decoders for one message. */
export function createCharsets(): Charsets {
  const known = new Map<string, Decoder | undefined>()
  return (given) => {
    const label = given.toLowerCase()
    if (label.length > MAX_CHARSET || (known.size >= MAX_CHARSETS && !known.has(label))) return undefined
    if (!known.has(label)) known.set(label, decoderOf(label))
    return known.get(label)
  }
}

function decoderOf(label: string): Decoder | undefined {
  try {
    return new TextDecoder(label === '' || label === 'us-ascii' ? 'utf-8' : label)
  } catch {
    const decode = decodeOther(label)
    return decode ? { decode } : undefined
  }
}

/** Decodes octets in a charset; an unknown charset is read as UTF-8, the most likely one. */
export function decodeCharset(octets: Uint8Array, charset: string, charsets: Charsets = createCharsets()): string {
  return (charsets(charset) ?? new TextDecoder()).decode(octets)
}
