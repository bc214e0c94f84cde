/**
 * Reads the client's input on demand: lines, and literals of any size.
 *
 * Invariants: memory holds at most a line or a small literal; a client that sends too fast is paused by its socket;
 * every wait ends, by data, by the end of the connection or by timeout.
 */
import type { Readable } from 'node:stream'
import { Pace } from './pace.ts'

/** Octets buffered before the socket is paused. */
const HELD = 65_536

export class ConnectionClosed extends Error {}
export class TimedOut extends Error {}
export class LineTooLong extends Error {}

export class LineReader {
  /** Read timeout in ms. */
  timeout: number
  /** Consulted before each line and each run of octets, and during long commands. */
  readonly pace = new Pace()
  #stream: Readable | undefined
  #chunks: Buffer[] = []
  #size = 0
  #hasEnded = false
  #wake: (() => void) | undefined
  readonly #take = (chunk: Buffer) => {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size >= HELD) this.#stream?.pause()
    this.#wake?.()
  }
  readonly #end = () => {
    this.#hasEnded = true
    this.#wake?.()
  }
  /** Ends the waits of `waits`. A session waits for each command with the same one. */
  #signal: AbortSignal | undefined
  readonly #look = () => this.#wake?.()

  constructor(timeout: number) {
    this.timeout = timeout
  }

  /** Reads from this stream from here on. Buffered input is discarded: it was received before the new layer. */
  attach(stream: Readable): void {
    this.detach()
    this.#chunks = []
    this.#size = 0
    this.#stream = stream
    stream.on('data', this.#take)
    stream.once('end', this.#end)
    stream.once('close', this.#end)
    stream.on('error', this.#end)
  }

  /** Releases the stream. */
  detach(): void {
    this.#stream?.off('data', this.#take).off('end', this.#end).off('close', this.#end).pause()
    this.#stream = undefined
    this.#heed(undefined)
  }

  #heed(signal: AbortSignal | undefined): void {
    if (signal === this.#signal) return
    this.#signal?.removeEventListener('abort', this.#look)
    signal?.addEventListener('abort', this.#look)
    this.#signal = signal
  }

  /** Releases the stream; returns what was read from it and not used. */
  release(): Buffer {
    this.detach()
    return this.#cut(this.#size)
  }

  /** Ends all waits; nothing more is read. */
  close(): void {
    this.#end()
  }

  /** Whether unread input is buffered. */
  get hasMore(): boolean {
    return this.#size > 0
  }

  /** Whether a read waits for the client. */
  get isWaiting(): boolean {
    return this.#wake !== undefined
  }

  async #more(): Promise<void> {
    if (this.#hasEnded) throw new ConnectionClosed()
    this.#stream?.resume()
    let timer: NodeJS.Timeout | undefined
    let isLate = false
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      timer = setTimeout(() => {
        isLate = true
        resolve()
      }, this.timeout)
    })
    clearTimeout(timer)
    this.#wake = undefined
    if (isLate) throw new TimedOut()
  }

  /** Waits for input or the signal. True: input is available. */
  async waits(signal: AbortSignal): Promise<boolean> {
    this.#heed(signal)
    while (this.#size === 0 && !signal.aborted) await this.#more()
    return this.#size > 0
  }

  #cut(count: number): Buffer {
    const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)
    const rest = all.subarray(count)
    this.#chunks = rest.length > 0 ? [rest] : []
    this.#size = rest.length
    return all.subarray(0, count)
  }

  /** The next line without its CRLF; a bare LF is accepted too. Throws LineTooLong. */
  async line(most: number): Promise<Buffer> {
    await this.pace.due()
    let searched = 0
    for (;;) {
      let at = 0
      for (const chunk of this.#chunks) {
        if (at + chunk.length > searched) {
          const found = chunk.indexOf(10, Math.max(0, searched - at))
          if (found >= 0) return this.#lineUpTo(at + found, most)
        }
        at += chunk.length
      }
      searched = this.#size
      if (searched > most) throw new LineTooLong()
      await this.#more()
    }
  }

  #lineUpTo(end: number, most: number): Buffer {
    if (end > most) throw new LineTooLong()
    const line = this.#cut(end + 1)
    return line.subarray(0, line[end - 1] === 13 ? end - 1 : end)
  }

  /** The next octets in one buffer. */
  async octets(count: number): Promise<Buffer> {
    const due = this.pace.due()
    if (due) await due
    while (this.#size < count) await this.#more()
    return this.#cut(count)
  }

  /** The next octets as a stream. */
  async *stream(count: number): AsyncGenerator<Buffer> {
    for (let left = count; left > 0; ) {
      await this.pace.due()
      while (this.#size === 0) await this.#more()
      const chunk = this.#cut(Math.min(left, this.#size))
      left -= chunk.length
      yield chunk
    }
  }

  /** Skips octets. */
  async skip(count: number): Promise<void> {
    for await (const _ of this.stream(count));
  }
}
