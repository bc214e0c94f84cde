/**
 * Content as sent: dots stuffed, CRLF line endings, end marked (RFC 5321 section 4.5.2).
 *
 * Invariants: no bare CR or LF is ever sent, whatever the input, so that no content ends the data early (SMTP
 * smuggling); content of the wrong size is never followed by its end mark. Content that needs no change is not copied.
 */
import type { Delivery } from 'iems'

const LF = 10
const CR = 13
const DOT = 46

/** Sequences that must be changed; a search that finds none is several times faster than a loop over octets. */
const UNCLEAN = /\r(?!\n)|(?<!\r)\n|\n\./

// The context of the next octet.
const TEXT = 0
const AFTER_CR = 1
const LINE_START = 2

export class DotStuffer {
  #at: typeof TEXT | typeof AFTER_CR | typeof LINE_START = LINE_START

  encode(octets: Uint8Array): Buffer {
    const chunk = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
    const startsClean = this.#at === TEXT || (this.#at === LINE_START && chunk[0] !== DOT)
    if (!startsClean || UNCLEAN.test(chunk.toString('latin1'))) return this.#change(chunk)
    if (chunk.length > 0) this.#at = chunk.at(-1) === LF ? LINE_START : TEXT
    return chunk
  }

  #change(chunk: Buffer): Buffer {
    // At most one octet is inserted for each, and one for a CR that ended the previous chunk.
    const out = Buffer.allocUnsafe(2 * chunk.length + 1)
    let end = 0
    let at = this.#at
    for (const octet of chunk) {
      if (octet === LF && at !== AFTER_CR) out[end++] = CR
      else if (octet !== LF && at === AFTER_CR) {
        out[end++] = LF
        at = LINE_START
      }
      if (octet === DOT && at === LINE_START) out[end++] = DOT
      out[end++] = octet
      at = octet === LF ? LINE_START : octet === CR ? AFTER_CR : TEXT
    }
    this.#at = at
    return out.subarray(0, end)
  }

  /** The rest to send: the end of the last line, and the dot. */
  end(): Buffer {
    return this.#at === TEXT ? END_OF_TEXT : this.#at === AFTER_CR ? END_OF_LINE : END
  }
}

const END = Buffer.from('.\r\n')
const END_OF_LINE = Buffer.from('\n.\r\n')
const END_OF_TEXT = Buffer.from('\r\n.\r\n')

/** Content up to this many octets is sent in one write. */
const SMALL = 65_536

export interface Content {
  /**
   * All of it, including the final dot, if it is small. Each of these methods throws when the content has the wrong
   * size.
   */
  whole(): Promise<Buffer | undefined>
  /** All of it, including the final dot, as a stream. */
  stuffed(): AsyncIterable<Buffer>
  /** Unchanged, for BDAT. */
  raw(): AsyncIterable<Uint8Array>
  readonly size: number
}

/** Small content is read once, however often it is sent. */
export function contentOf(delivery: Delivery): Content {
  const { size } = delivery
  const raw = () => exactly(size, delivery.open())
  let whole: Buffer | undefined
  return {
    size,
    async whole() {
      if (whole || size > SMALL) return whole
      const stuffer = new DotStuffer()
      const chunks: Buffer[] = []
      for await (const chunk of raw()) chunks.push(stuffer.encode(chunk))
      whole = Buffer.concat([...chunks, stuffer.end()])
      return whole
    },
    stuffed: () => stuffed(raw()),
    raw,
  }
}

/** Throws at once when there is more than announced, and at the end when there is less. */
async function* exactly(size: number, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = size
  for await (const chunk of source) {
    left -= chunk.byteLength
    if (left < 0) break
    yield chunk
  }
  if (left !== 0) throw new Error(`the content is ${left < 0 ? 'longer' : 'shorter'} than the ${size} octets announced`)
}

async function* stuffed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const stuffer = new DotStuffer()
  for await (const chunk of source) yield stuffer.encode(chunk)
  yield stuffer.end()
}
