/**
 * Text of a part as characters, and characters in its charset again. The only file that knows iconv-lite.
 *
 * What must stay true: nothing is replaced by a question mark: text that is not in its charset, or that its charset
 * cannot hold, is an error of its own.
 */
import iconv from 'iconv-lite'

/** Characters of a charset's name; the longest known one has 19. */
const MAX_NAME = 40

/** The octets are not text in that charset. */
export class BrokenText extends Error {}

const OPTIONS = { fatal: true, ignoreBOM: true }

/** Undefined when the charset is unknown. */
export function decoderFor(
  charset: string,
): ((octets: AsyncIterable<Uint8Array>) => AsyncGenerator<string>) | undefined {
  const name = charset.toLowerCase()
  // WHATWG reads UTF-16 as little endian, and RFC 2781 section 4.3 as big endian unless a mark says otherwise.
  if (name.length > MAX_NAME || name === 'utf-16') return undefined
  const label = name === '' || name === 'us-ascii' ? 'utf-8' : name
  try {
    new TextDecoder(label, OPTIONS)
  } catch {
    return undefined
  }
  return (octets) => decode(new TextDecoder(label, OPTIONS), octets)
}

async function* decode(
  decoder: InstanceType<typeof TextDecoder>,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<string> {
  const piece = (octets?: Uint8Array) => {
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
  if (!decoder || !iconv.encodingExists(charset)) return false
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
