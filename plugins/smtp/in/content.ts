/**
 * One message's content on its way from the socket to the kernel: pushed in at one end, read as an async iterable at
 * the other, with back-pressure in between; and the two sinks that fill it, for DATA and for BDAT.
 *
 * What must stay true: a reader that waits is always woken, by content, the end or a failure; content that is refused
 * or that nobody reads is still taken off the wire, so that the next command is found where it is.
 */
import type { Reply } from 'iems'
import { NO } from './replies.ts'
import { type BareNewlines, createScanner, type Scanner } from './scanner.ts'

/** How much may wait for the reader before the client is made to wait. */
const HIGH_WATER = 256 * 1024

export class Content implements AsyncIterableIterator<Uint8Array> {
  /** What the sender must hear although the content came to its end. */
  refusal: Reply | undefined
  size = 0
  readonly #maxSize: number
  readonly #chunks: Uint8Array[] = []
  #held = 0
  #state: 'open' | 'ended' | 'unread' = 'open'
  #failure: Error | undefined
  #reader: { resolve(result: IteratorResult<Uint8Array>): void; reject(error: Error): void } | undefined
  #drained: (() => void) | undefined

  constructor(maxSize: number) {
    this.#maxSize = maxSize
  }

  push(chunk: Uint8Array) {
    this.size += chunk.byteLength
    if (this.size > this.#maxSize) return this.refuse(NO.tooLarge)
    if (this.#state !== 'open' || chunk.byteLength === 0) return
    if (this.#reader) {
      this.#reader.resolve({ value: chunk, done: false })
      this.#reader = undefined
    } else {
      this.#chunks.push(chunk)
      this.#held += chunk.byteLength
    }
  }

  /** Settles once the reader has caught up; undefined when there is nothing to wait for. */
  full(): Promise<void> | undefined {
    if (this.#held < HIGH_WATER) return undefined
    return new Promise((resolve) => {
      this.#drained = resolve
    })
  }

  end(): void {
    if (this.#state !== 'open') return
    this.#state = 'ended'
    this.#reader?.resolve({ value: undefined, done: true })
    this.#reader = undefined
  }

  /** The reader is told that there is no message here; the wire goes on. */
  refuse(reply: Reply): void {
    this.refusal ??= reply
    this.fail(new Error(reply.text))
  }

  fail(error: Error): void {
    if (this.#state !== 'open') return
    this.#failure = error
    this.#reader?.reject(error)
    this.#reader = undefined
    this.#forget()
  }

  #forget(): void {
    this.#state = 'unread'
    this.#chunks.length = 0
    this.#held = 0
    this.#drained?.()
    this.#drained = undefined
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const value = this.#chunks.shift()
    if (value) {
      this.#held -= value.byteLength
      if (this.#held < HIGH_WATER) {
        this.#drained?.()
        this.#drained = undefined
      }
      return Promise.resolve({ value, done: false })
    }
    if (this.#failure) return Promise.reject(this.#failure)
    if (this.#state !== 'open') return Promise.resolve({ value: undefined, done: true })
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
    })
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.#forget()
    return Promise.resolve({ value: undefined, done: true })
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

/** Where the wire puts octets that are not commands. */
export interface Sink {
  /** Takes what belongs to it; answers what came after its end, undefined while that has not come. */
  take(chunk: Buffer): Buffer | undefined
  /** Something to wait for before taking more. */
  full(): Promise<void> | undefined
}

/** What a client may send without waiting for the answer to its message. */
const HARMLESS = /^(?:(?:QUIT|RSET)\s|$)/i

/** DATA: up to CRLF.CRLF. With `alone`, a message behind which more commands have come already is refused. */
export function dottedSink(content: Content, bare: BareNewlines, alone = false): Sink {
  const scanner = createScanner({ dots: true, bare })
  return {
    take(chunk) {
      const { content: part, rest } = scanner.scan(chunk)
      content.push(part)
      if (scanner.isViolated) content.refuse(NO.bareNewline)
      if (rest && alone && !HARMLESS.test(rest.toString('latin1', 0, 8))) content.refuse(NO.synchronisation)
      if (rest) content.end()
      return rest
    },
    full: () => content.full(),
  }
}

/** BDAT: so many octets. Without a scanner they are taken as they are (BINARYMIME), without content thrown away. */
export function countedSink(octets: number, content?: Content, scanner?: Scanner): Sink {
  let left = octets
  return {
    take(chunk) {
      const mine = chunk.subarray(0, left)
      left -= mine.length
      const rest = left > 0 ? undefined : chunk.subarray(mine.length)
      content?.push(scanner ? scanner.scan(mine).content : mine)
      if (scanner?.isViolated) content?.refuse(NO.bareNewline)
      return rest
    },
    full: () => content?.full(),
  }
}
