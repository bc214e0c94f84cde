/**
 * Splits a client's input into lines and content.
 *
 * Invariants: the result does not depend on TCP segmentation; a line is not processed while the previous one is being
 * answered; no more is read from the socket than can be handled; an overlong line is never buffered, and is refused at
 * its end.
 */
import { isUtf8 } from 'node:buffer'
import { Pace, type Reply } from 'iems'
import type { Sink } from './content.ts'
import { NO } from './replies.ts'

/** Receives the parsed input. */
export interface Listener {
  /** A line without its line break; the next one waits for the promise. */
  line(text: string): void | Promise<void>
  /** A line that cannot be a command. */
  reject(reply: Reply): void | Promise<void>
  /** All input has been handled; more is read at once, or when the promise resolves. */
  idle(waitingFor: 'command' | 'content'): void | Promise<void>
  /** Content is waiting to be read. */
  busy(): void
}

const LF = 0x0a
const CR = 0x0d
const EMPTY = Buffer.alloc(0)

export class Input {
  readonly #listener: Listener
  readonly #longest: number
  readonly #pace = new Pace()
  /** Octets received. */
  received = 0
  #octets: Buffer = EMPTY
  #isSkipping = false
  #isHeld = true
  #isShut = false
  #isAdvancing = false
  #sink: Sink | undefined
  #sinkDone: (() => void) | undefined
  #next: (() => void) | undefined

  constructor(listener: Listener, longest: number) {
    this.#listener = listener
    this.#longest = longest
  }

  /** `next` is called when more input may come. */
  write(chunk: Buffer, next: () => void) {
    if (this.#isShut) return next()
    this.received += chunk.length
    this.#octets = this.#octets.length > 0 ? Buffer.concat([this.#octets, chunk]) : chunk
    this.#next = next
    this.#advance()
  }

  /** Starts to read lines. */
  start(): void {
    this.#isHeld = false
    this.#advance()
  }

  /** Passes the following input to the sink, until its end or a disconnect. */
  receive(sink: Sink): Promise<void> {
    return new Promise((resolve) => {
      this.#sink = sink
      this.#sinkDone = resolve
      this.#advance()
    })
  }

  /** Ignores all further input. */
  shut(): void {
    this.#isShut = true
    this.#octets = EMPTY
    this.#sink = undefined
    this.#sinkDone?.()
    this.#proceed()
  }

  #advance(): void {
    // A step can call this method again; the running loop continues by itself.
    if (this.#isAdvancing) return
    this.#isAdvancing = true
    while (this.#step());
    this.#isAdvancing = false
  }

  /** False when it must wait. */
  #step(): boolean {
    if (this.#isShut) return false
    if (this.#sink) return this.#feed(this.#sink)
    if (this.#isHeld || this.#rests()) return false
    return this.#readLine() || this.#ask('command')
  }

  /** Yields to other sessions before the next line. */
  #rests(): boolean {
    const wait = this.#pace.due()
    if (!wait) return false
    this.#isHeld = true
    void wait.then(() => this.start())
    return true
  }

  #feed(sink: Sink): boolean {
    const rest = sink.take(this.#octets)
    this.#octets = rest ?? EMPTY
    if (rest) {
      this.#sink = undefined
      this.#sinkDone?.()
      return true
    }
    const wait = sink.full()
    if (!wait) return this.#ask('content')
    this.#listener.busy()
    void wait.then(() => this.#isShut || this.#ask('content'))
    return false
  }

  #ask(waitingFor: 'command' | 'content'): boolean {
    const wait = this.#listener.idle(waitingFor)
    if (!wait) return this.#proceed()
    void wait.then(() => this.#proceed())
    return false
  }

  /** Requests more input; true when it is available at once. */
  #proceed(): boolean {
    const next = this.#next
    this.#next = undefined
    next?.()
    return this.#next !== undefined
  }

  /** False when there is no complete line. */
  #readLine(): boolean {
    const end = this.#octets.indexOf(LF)
    if (end < 0) {
      if (this.#octets.length > this.#longest) {
        this.#isSkipping = true
        this.#octets = EMPTY
      }
      return false
    }
    const octets = this.#octets.subarray(0, end)
    this.#octets = this.#octets.subarray(end + 1)
    const isTooLong = this.#isSkipping || octets.length > this.#longest
    this.#isSkipping = false
    this.#isHeld = true
    const done = isTooLong ? this.#listener.reject(NO.lineTooLong) : this.#tell(octets)
    if (done) void done.then(() => this.start())
    else this.#isHeld = false
    return true
  }

  #tell(octets: Buffer): void | Promise<void> {
    const text = textOf(octets)
    return text === undefined ? this.#listener.reject(NO.badCharacters) : this.#listener.line(text)
  }
}

/** A command line may end in a bare LF; it is UTF-8 (RFC 6531) without control characters. */
function textOf(octets: Buffer): string | undefined {
  const length = octets[octets.length - 1] === CR ? octets.length - 1 : octets.length
  const text = octets.toString('latin1', 0, length)
  if (/^[\t\x20-\x7e]*$/.test(text)) return text
  // biome-ignore lint/suspicious/noControlCharactersInRegex: searches for control characters
  return /[\0-\x08\x0a-\x1f\x7f]/.test(text) || !isUtf8(octets) ? undefined : octets.toString('utf8', 0, length)
}
