/**
 * Writes to the client: buffers lines until a reply is complete, streams content.
 *
 * Invariants: a slow client delays only itself, costs no more than this buffer, and is disconnected when it accepts no
 * data for too long.
 */
import type { Writable } from 'node:stream'
import { ConnectionClosed, TimedOut } from './line-reader.ts'

/** Announced content cannot be read, so the client could not interpret anything that follows. */
export class Broken extends Error {}

/** Octets buffered before a write. */
const GATHERED = 32_768

export class LineWriter {
  #stream: Writable | undefined
  #gathered: (string | Buffer)[] = []
  #size = 0
  readonly #timeout: number

  /** `timeout`: write timeout in ms. */
  constructor(timeout: number) {
    this.#timeout = timeout
  }

  attach(stream: Writable): void {
    this.#stream = stream
  }

  /** Appends to the reply; strings are one character per octet unless the encoding is `utf8`. */
  write(piece: string | Buffer): void {
    const last = this.#gathered.length - 1
    const before = this.#gathered[last]
    // A reply has many short strings; they are encoded together.
    if (typeof piece === 'string' && typeof before === 'string') this.#gathered[last] = before + piece
    else this.#gathered.push(piece)
    this.#size += piece.length
  }

  line(text: string): void {
    this.write(`${text}\r\n`)
  }

  /** Whether the buffer should be flushed. */
  get isFull(): boolean {
    return this.#size >= GATHERED
  }

  /**
   * Writes announced content, with its size where the protocol announces one. Throws Broken when the source fails or is
   * too short; anything beyond the size is dropped.
   */
  async content(source: AsyncIterable<Uint8Array>, size = Number.POSITIVE_INFINITY): Promise<void> {
    let left = size
    try {
      for await (const chunk of source) {
        const part = Buffer.from(chunk.buffer, chunk.byteOffset, Math.min(chunk.byteLength, left))
        left -= part.length
        this.write(part)
        if (this.isFull) await this.flush()
        if (left === 0) break
      }
    } catch (cause) {
      if (cause instanceof ConnectionClosed || cause instanceof TimedOut) throw cause
      throw new Broken('content failed after it had been announced', { cause })
    }
    if (left > 0 && size !== Number.POSITIVE_INFINITY) throw new Broken(`content ended ${left} octets early`)
  }

  /** Writes the buffer, and waits while the client is slow. */
  async flush(): Promise<void> {
    if (this.#size === 0 || !this.#stream) return
    const pieces = this.#gathered
    this.#gathered = []
    this.#size = 0
    const stream = this.#stream
    const octets = pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece))
    const whole = octets.length === 1 ? (octets[0] as Buffer) : Buffer.concat(octets)
    if (stream.destroyed || stream.writableEnded) return
    if (!stream.write(whole)) await this.#drained(stream)
  }

  async #drained(stream: Writable): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    let isLate = false
    await new Promise<void>((resolve) => {
      const done = () => {
        stream.off('drain', done).off('close', done)
        resolve()
      }
      stream.once('drain', done).once('close', done)
      timer = setTimeout(() => {
        isLate = true
        done()
      }, this.#timeout)
    })
    clearTimeout(timer)
    if (isLate) throw new TimedOut()
  }
}
