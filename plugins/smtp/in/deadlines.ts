/**
 * The deadlines of a connection: for a command, for content, and for the whole session.
 *
 * Invariants: the server's own work never counts against the client; a partial line does not extend the time for the
 * line, partial content does.
 */
import type { Clock, Reply } from 'iems'
import type { Options } from './options.ts'
import { END } from './replies.ts'

/** How long content may arrive slower than `timeouts.dataRate`. */
const RATE_GRACE_MS = 60_000

/** The current wait of the connection; `us`: the server works. */
export type WaitingFor = 'command' | 'content' | 'us'

export class Deadlines {
  readonly #timeouts: Options['timeouts']
  readonly #clock: Clock
  readonly #opened: number
  #waitingFor: WaitingFor = 'us'
  #since = 0
  #contentSince = 0
  #contentFrom = 0

  constructor(timeouts: Options['timeouts'], clock: Clock) {
    this.#timeouts = timeouts
    this.#clock = clock
    this.#opened = clock.now()
  }

  /** Sets what the connection waits for. */
  wait(waitingFor: WaitingFor): void {
    const now = this.#clock.now()
    if (this.#waitingFor === 'us') this.#contentSince += now - this.#since
    this.#waitingFor = waitingFor
    this.#since = now
  }

  /** Called when a line has arrived and the server works on it. */
  working(): void {
    this.#waitingFor = 'us'
  }

  /** Called when all input has been handled. */
  idle(waitingFor: 'command' | 'content'): void {
    if (waitingFor !== this.#waitingFor || waitingFor === 'content') this.wait(waitingFor)
  }

  /** Called when content begins, with the octets received before it. */
  content(received: number): void {
    this.wait('us')
    this.#contentSince = this.#since
    this.#contentFrom = received
  }

  /** Called after the last reply; the client should close the connection. */
  closing(): void {
    this.#since = this.#clock.now()
  }

  /** Whether the client has failed to close the connection in time. */
  isCloseOverdue(now: number): boolean {
    return now - this.#since > this.#timeouts.handshake
  }

  /** The reply that ends the session once a deadline has passed. */
  expired(now: number, received: number): Reply | undefined {
    const { command, data, dataRate, session } = this.#timeouts
    const waited = now - this.#since
    if (this.#waitingFor === 'us') return undefined
    if (this.#waitingFor === 'content') {
      const took = now - this.#contentSince
      const isSlow = took > RATE_GRACE_MS && ((received - this.#contentFrom) * 1000) / took < dataRate
      return isSlow || waited > command || took > data ? END.dataTimeout : undefined
    }
    if (waited > command) return END.commandTimeout
    return now - this.#opened > session ? END.sessionTimeout : undefined
  }
}
