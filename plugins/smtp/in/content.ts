/**
 * A message's content on its way from the socket to the kernel: a queue with back-pressure, read as an async iterable,
 * and the two sinks that fill it, for DATA and for BDAT.
 *
 * Invariants: a waiting reader is always woken, by content, the end or a failure; refused or unread content is still
 * consumed, so that the next command is found.
 */
import type { Reply } from 'iems'
import { NO } from './replies.ts'
import { type BareNewlines, createScanner, type Scanner } from './scanner.ts'

/** Octets queued for the reader before the client is paused. */
const HIGH_WATER = 256 * 1024

export class Content implements AsyncIterableIterator<Uint8Array> {
  /** The reply to the sender although the content was received in full. */
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

  /** Resolves once the reader has caught up; undefined when there is room. */
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

  /** Ends the reader without a message; further octets are still consumed. */
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

/** Receives octets that are not commands. */
export interface Sink {
  /** Consumes its part of the chunk. Returns the rest after its end, undefined before it. */
  take(chunk: Buffer): Buffer | undefined
  /** A promise to await before taking more. */
  full(): Promise<void> | undefined
}

/** Commands that a client may send without waiting for the reply to its message. */
const HARMLESS = /^(?:(?:QUIT|RSET)\s|$)/i

/** DATA: up to CRLF.CRLF. With `alone`, refuses a message that is followed by pipelined commands. */
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

/**
 * BDAT: a number of octets. Without a scanner they are taken unchanged (BINARYMIME), without content they are
 * discarded.
 */
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
