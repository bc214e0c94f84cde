/**
 * A connection to a server: sends octets, waits for replies, starts TLS, closes.
 *
 * Invariants: a caller that waits for replies always gets as many as it asked for. When the connection ends (lost,
 * timeout, closed locally, or 421), the missing ones are that final reply, so that callers need no second error path.
 * Other files choose the commands and interpret the replies.
 */
import { connect as connectSocket, type NetConnectOpts, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { type Features, NO_FEATURES } from './features.ts'
import { type RemoteReply, ReplyParser } from './replies.ts'

/** Maximum number of unexpected replies. */
const UNASKED_LIMIT = 1000
/** Ms to wait for the reply to QUIT. */
const QUIT_MS = 5000

export class SmtpConnection {
  /** `mx.example.org [192.0.2.1]`. */
  readonly remote: string
  features: Features = NO_FEATURES
  /** TLS is established as strictly as requested. */
  isSecure = false
  /** The address of this server. */
  readonly local: string | undefined
  /** Time of the connect, by performance.now(). */
  readonly since = performance.now()
  /** Messages sent so far. */
  messages = 0
  /** A transaction was begun and not finished. */
  isDirty = false
  /** Called once when the connection has ended. */
  onEnd: () => void = () => {}
  #socket: Socket
  #parser = new ReplyParser()
  #inbox: RemoteReply[] = []
  #wanted = 0
  #answer: (replies: RemoteReply[]) => void = () => {}
  #drained: () => void = () => {}
  #end: RemoteReply | undefined
  #isResting = false
  #timer: NodeJS.Timeout | undefined

  constructor(remote: string, socket: Socket) {
    this.remote = remote
    this.local = socket.localAddress
    this.#socket = socket
    this.#listen(socket)
  }

  get isOver(): boolean {
    return this.#end !== undefined
  }

  /** All expected replies have arrived. */
  get isAnswered(): boolean {
    return this.#wanted === 0
  }

  /** False when the server reads slowly: wait for `drain` then. */
  send(data: string | Buffer): boolean {
    return (
      this.#end !== undefined ||
      (typeof data === 'string' ? this.#socket.write(data, 'utf8') : this.#socket.write(data))
    )
  }

  /** The next replies, each within `ms` of the one before; without `ms`, the caller keeps the time. */
  expect(count: number, ms?: number): Promise<RemoteReply[]> {
    if (this.#end || this.#inbox.length >= count) return Promise.resolve(this.#taken(count))
    this.#wanted = count
    if (ms !== undefined) this.allow(ms)
    return new Promise((resolve) => {
      this.#answer = resolve
    })
  }

  async ask(command: string, ms: number): Promise<RemoteReply> {
    this.send(`${command}\r\n`)
    const [reply] = await this.expect(1, ms)
    return reply as RemoteReply
  }

  /** Waits until the sent data has been flushed, for at most `ms`, or the connection has ended. */
  drain(ms: number): Promise<void> {
    this.allow(ms)
    return new Promise((resolve) => {
      this.#drained = () => {
        this.#drained = () => {}
        clearTimeout(this.#timer)
        resolve()
      }
      if (this.#end || !this.#socket.writableNeedDrain) this.#drained()
    })
  }

  /** Allows this many ms from now for the expected replies. */
  allow(ms: number) {
    clearTimeout(this.#timer)
    if (!this.#end) this.#timer = setTimeout(() => this.lose('no answer in time'), ms)
  }

  /** Ends the connection at once. */
  lose(why: string) {
    this.#finish({ code: 421, text: `4.4.2 Connection ended: ${why}`, lost: true })
  }

  /** Idle until `wake`; ends after `ms`, or when the server sends anything. */
  rest(ms: number) {
    this.#isResting = true
    this.#timer = setTimeout(() => this.quit(), ms)
    if (this.#inbox.length > 0) this.lose('unexpected reply')
  }

  wake() {
    this.#isResting = false
    clearTimeout(this.#timer)
  }

  /** Sends QUIT without waiting for the reply. */
  quit() {
    this.wake()
    if (this.#end) return
    const socket = this.#socket
    this.#finish({ code: 421, text: '4.4.2 Connection ended', lost: true }, () => {
      socket.unref()
      socket.end('QUIT\r\n')
      const timer = setTimeout(() => socket.destroy(), QUIT_MS)
      timer.unref()
      socket.once('close', () => clearTimeout(timer))
    })
  }

  /** Gives the socket away: nothing of it is read here any more. */
  release(): Socket {
    for (const event of ['data', 'drain', 'close', 'error']) this.#socket.removeAllListeners(event)
    this.#finish({ code: 421, text: '4.4.2 Connection ended', lost: true }, () => {})
    return this.#socket
  }

  /**
   * Starts TLS; `check` returns a fault of the server's certificate. Returns the reason for a failure, which also ends
   * the connection.
   */
  async secure(
    options: ConnectionOptions,
    ms: number,
    check: (socket: TLSSocket) => string | undefined = () => undefined,
  ): Promise<string | undefined> {
    if (this.#end) return this.#end.text
    // Plain text after the reply to STARTTLS was injected.
    if (!this.#parser.isEmpty || this.#inbox.length > 0) {
      this.lose('plain text after STARTTLS')
      return 'plain text after STARTTLS'
    }
    for (const event of ['data', 'drain', 'close', 'error']) this.#socket.removeAllListeners(event)
    this.#socket.on('error', () => {
      // The TLS socket above reports the same error.
    })
    const socket = connectTls({ ...options, socket: this.#socket })
    this.#socket = socket
    this.allow(ms)
    const end = await handshake(socket, (settle) => {
      this.#drained = settle
    })
    const failure = end ?? check(socket)
    clearTimeout(this.#timer)
    if (failure !== undefined) this.lose(failure)
    else {
      this.#listen(socket)
      this.isSecure = true
    }
    return failure
  }

  #listen(socket: Socket) {
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('drain', () => this.#drained())
    socket.on('error', (error: NodeJS.ErrnoException) => this.lose(error.code ?? 'error'))
    socket.on('close', () => this.lose('closed by the server'))
  }

  #read(chunk: Buffer) {
    if (this.#end) return
    const fault = this.#parser.push(chunk, (reply) => this.#take(reply))
    if (fault) this.lose(fault)
  }

  #take(reply: RemoteReply) {
    if (this.#isResting) return this.lose('closed by the server')
    this.#inbox.push(reply)
    if (this.#wanted > 0 && this.#inbox.length >= this.#wanted) this.#satisfy()
    else if (this.#wanted > 0) this.#timer?.refresh()
    else if (this.#inbox.length > UNASKED_LIMIT) return this.lose('too many replies')
    // RFC 5321 section 3.8: after 421 the server closes the connection.
    if (reply.code === 421) this.#finish(reply)
  }

  #satisfy() {
    const count = this.#wanted
    this.#wanted = 0
    clearTimeout(this.#timer)
    this.#answer(this.#taken(count))
  }

  #taken(count: number): RemoteReply[] {
    const replies = this.#inbox.length > count ? this.#inbox.splice(0, count) : this.#inbox
    if (replies === this.#inbox) this.#inbox = []
    while (replies.length < count) replies.push(this.#end as RemoteReply)
    return replies
  }

  #finish(why: RemoteReply, close = () => void this.#socket.destroy()) {
    if (this.#end) return
    this.#end = why
    clearTimeout(this.#timer)
    close()
    if (this.#wanted > 0) this.#satisfy()
    this.#drained()
    this.onEnd()
  }
}

function handshake(socket: TLSSocket, onStop: (settle: () => void) => void): Promise<string | undefined> {
  return new Promise((resolve) => {
    onStop(() => resolve('TLS handshake did not end in time'))
    socket.once('secureConnect', () => resolve(undefined))
    socket.once('close', () => resolve('closed during the TLS handshake'))
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(`TLS handshake failed (${error.code ?? 'error'})`))
  })
}

/** Connects to one address. Returns the connection or the failure. */
export function connect(
  remote: string,
  where: NetConnectOpts,
  { ms, signal }: { ms: number; signal: AbortSignal },
): Promise<SmtpConnection | string> {
  return new Promise((resolve) => {
    const socket = connectSocket({ ...where, noDelay: true, keepAlive: true })
    const settle = (result: SmtpConnection | string) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      if (typeof result === 'string') socket.destroy()
      resolve(result)
    }
    const stop = () => settle('stopped')
    const timer = setTimeout(() => settle('no answer in time'), ms)
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    socket.on('error', (error: NodeJS.ErrnoException) =>
      settle(CONNECT_ERRORS[error.code ?? ''] ?? 'connection failed'),
    )
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      settle(new SmtpConnection(remote, socket))
    })
  })
}

const CONNECT_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ETIMEDOUT: 'no answer in time',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ECONNRESET: 'connection reset',
}
