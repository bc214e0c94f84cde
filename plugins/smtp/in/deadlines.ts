/**
 * The deadlines of one connection: how long the client may take for a command, for content, and for the whole session.
 *
 * What must stay true: the server's own work never counts against the client; a part of a line gives no more time for
 * the line, a part of the content does.
 */
import type { Clock, Reply } from 'iems'
import type { Options } from './options.ts'
import { END } from './replies.ts'

/** How long the client's content may come slower than `timeouts.dataRate`. */
const RATE_GRACE_MS = 60_000

/** What the connection waits for; `us`: the server works. */
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

  /** From now on this is waited for. */
  wait(waitingFor: WaitingFor): void {
    const now = this.#clock.now()
    if (this.#waitingFor === 'us') this.#contentSince += now - this.#since
    this.#waitingFor = waitingFor
    this.#since = now
  }

  /** A line has come: the server works on it. */
  working(): void {
    this.#waitingFor = 'us'
  }

  /** Everything that came has been handled. */
  idle(waitingFor: 'command' | 'content'): void {
    if (waitingFor !== this.#waitingFor || waitingFor === 'content') this.wait(waitingFor)
  }

  /** Content begins, with so many octets received before it. */
  content(received: number): void {
    this.wait('us')
    this.#contentSince = this.#since
    this.#contentFrom = received
  }

  /** The last reply has been sent; the client is to close. */
  closing(): void {
    this.#since = this.#clock.now()
  }

  /** The client has not closed in time after the last reply. */
  isCloseOverdue(now: number): boolean {
    return now - this.#since > this.#timeouts.handshake
  }

  /** The reply that ends the session, once the client has had its time. */
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
