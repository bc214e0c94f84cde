/**
 * Text of a part as characters, and characters in its charset again. The only file that knows iconv-lite.
 *
 * Invariants: in a message nothing is replaced by a question mark: text that is not in its charset, or that its charset
 * cannot hold, is an error of its own.
 */
import iconv from 'iconv-lite'

/** Characters of a charset's name; the longest known one has 19. */
const MAX_NAME = 40

/** The octets are not text in that charset. */
export class BrokenText extends Error {}

const OPTIONS = { fatal: true, ignoreBOM: true }

type Decode = (octets: AsyncIterable<Uint8Array>) => AsyncGenerator<string>

/** A decoder of WHATWG, or of iconv-lite for the charsets that only that knows; undefined when the charset is unknown. */
export function decoderFor(charset: string): Decode | undefined {
  const name = charset.toLowerCase()
  if (name.length > MAX_NAME) return undefined
  // WHATWG reads UTF-16 as little endian, and RFC 2781 section 4.3 as big endian unless a mark says otherwise.
  if (name === 'utf-16') return decodeUtf16
  const label = name === '' || name === 'us-ascii' ? 'utf-8' : name
  try {
    new TextDecoder(label, OPTIONS)
  } catch {
    const other = isOther(label) ? label : undefined
    return other === undefined ? undefined : (octets) => decode(() => otherDecoder(other), octets)
  }
  return (octets) => decode(() => new TextDecoder(label, OPTIONS), octets)
}

/** Names of encodings in iconv-lite that are no charsets of text. */
const NO_CHARSETS = new Set(['base64', 'hex', 'binary', 'ucs2', 'internal'])

/** Whether iconv-lite knows a charset. */
function isOther(name: string): boolean {
  return name.length <= MAX_NAME && !NO_CHARSETS.has(name.toLowerCase()) && iconv.encodingExists(name)
}

interface Decoder {
  /** Throws when the octets are not text in the charset. */
  decode(octets?: Uint8Array, options?: { readonly stream: true }): string
}

function otherDecoder(name: string): Decoder {
  const decoder = iconv.getDecoder(name, { stripBOM: false })
  return {
    decode(octets) {
      const text = octets ? decoder.write(Buffer.from(octets)) : (decoder.end() ?? '')
      if (text.includes('\ufffd')) throw new TypeError('octets of no character')
      return text
    },
  }
}

/** Text in a charset of which WHATWG has no decoder, with U+FFFD for what is broken; undefined for an unknown charset. */
export const decodeOther = (name: string): ((octets: Uint8Array) => string) | undefined =>
  isOther(name) ? (octets) => iconv.decode(Buffer.from(octets), name) : undefined

async function* decodeUtf16(source: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let decoder: Decoder | undefined
  let first: Buffer = Buffer.alloc(0)
  async function* marked() {
    for await (const octets of source) {
      if (decoder) yield octets
      else {
        first = Buffer.concat([first, octets])
        if (first.length < 2) continue
        const isLittle = first.readUInt16LE(0) === 0xfeff
        const hasMark = isLittle || first.readUInt16BE(0) === 0xfeff
        decoder = new TextDecoder(isLittle ? 'utf-16le' : 'utf-16be', OPTIONS)
        yield first.subarray(hasMark ? 2 : 0)
      }
    }
    if (!decoder && first.length > 0) throw new BrokenText('the text is not in its charset')
  }
  yield* decode(() => decoder ?? new TextDecoder('utf-16be', OPTIONS), marked())
}

async function* decode(decoderOf: () => Decoder, source: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let decoder: Decoder | undefined
  const piece = (octets?: Uint8Array) => {
    decoder ??= decoderOf()
    try {
      return octets ? decoder.decode(octets, { stream: true }) : decoder.decode()
    } catch (error) {
      throw new BrokenText('the text is not in its charset', { cause: error })
    }
  }
  for await (const octets of source) {
    const text = piece(octets)
    if (text !== '') yield text
  }
  const text = piece()
  if (text !== '') yield text
}

/** Text as octets of a charset that holds it, which `canHold` has found. */
export async function* encodeText(text: AsyncIterable<string>, charset: string): AsyncGenerator<Uint8Array> {
  const encoder = iconv.getEncoder(charset, { addBOM: false })
  for await (const piece of text) {
    const octets = encoder.write(piece)
    if (octets.length > 0) yield octets
  }
  const octets = encoder.end()
  if (octets && octets.length > 0) yield octets
}

/** Whether a charset can be written, and holds the whole text: what is written is read again and compared. */
export async function canHold(text: AsyncIterable<string>, charset: string): Promise<boolean> {
  const decoder = decoderFor(charset)
  // UTF-16 is no charset of text in mail (RFC 2781 section 4.4).
  if (!decoder || !iconv.encodingExists(charset) || charset.toLowerCase() === 'utf-16') return false
  let expected = ''
  async function* noted() {
    for await (const piece of text) {
      expected += piece
      yield piece
    }
  }
  try {
    for await (const piece of decoder(encodeText(noted(), charset))) {
      if (!expected.startsWith(piece)) return false
      expected = expected.slice(piece.length)
    }
  } catch (error) {
    if (error instanceof BrokenText) return false
    throw error
  }
  return expected === ''
}

/**
 * A code page of old systems, such as `cp437` or `cp850`, for formats that have no other way: what it does not have
 * becomes U+FFFD when it is read, and a question mark when it is written. Undefined when it is unknown.
 */
export function codePage(
  name: string,
): { decode(octets: Uint8Array): string; encode(text: string): Buffer } | undefined {
  if (!isOther(name)) return undefined
  return {
    decode: (octets) => iconv.decode(Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength), name),
    encode: (text) => iconv.encode(text, name),
  }
}
