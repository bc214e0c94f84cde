/**
 * Adapts smtp-server; the only file that imports it. Its classes provide the socket and the TLS upgrade; the subclasses
 * add the parser (input.ts), corked replies, deadlines (deadlines.ts) and the session (session.ts).
 *
 * Invariants: input pipelined after STARTTLS is discarded; a disconnected client leaves nothing behind; the server may
 * keep a client waiting, but every wait for a client has a deadline. The overrides rely on internals: the version is
 * pinned, and this plugin's tests are the contract.
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import {
  type Certificates,
  type Clock,
  type ConnectionLimits,
  inNetworks,
  type Reply,
  tlsInfo,
  tlsServerOptions,
} from 'iems'
import { SMTPServer } from 'smtp-server'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { receiveProxied, turnAway } from './admission.ts'
import { clientOf } from './client-of.ts'
import type { Sink } from './content.ts'
import { Deadlines } from './deadlines.ts'
import { Input, type Listener } from './input.ts'
import type { Connection, ListenerContext } from './listener-context.ts'
import { END, type ReplyText } from './replies.ts'
import { SmtpSession } from './session.ts'

/** Passes input through without parsing it. */
class IemsSmtpStream extends SMTPStream {
  readonly input: Input
  readonly #ended: () => void

  constructor(input: Input, ended: () => void) {
    super()
    this.input = input
    this.#ended = ended
  }

  override _write(chunk: Buffer, _encoding: unknown, next: () => void): void {
    this.input.write(chunk, next)
  }

  override _final(done: () => void): void {
    this.#ended()
    done()
  }
}

class IemsSmtpConnection extends SMTPConnection implements Connection, Listener {
  declare readonly _server: IemsSmtpServer
  readonly #deadlines: Deadlines
  #conversation: SmtpSession | undefined
  #out = ''
  /** The TLS socket during its handshake: destroying the socket below it would crash Node. */
  #handshaking: Socket | undefined

  constructor(server: IemsSmtpServer, socket: Socket, options: SMTPConnectionOptions) {
    super(server, socket, options)
    this.#deadlines = new Deadlines(server.parts.options.timeouts, server.parts.clock)
  }

  // --- called by the server ---

  /** The client's address, as far as it is known. */
  get address(): string {
    return this.#conversation?.address ?? clientOf(this).remote.address
  }

  stop(): void {
    this.#conversation?.stop()
  }

  cut(): void {
    const top = this.#handshaking ?? this._socket
    top.destroy()
  }

  /** Ends the session when a deadline has passed. */
  expire(now: number): void {
    if (!this._closing) {
      const reply = this.#deadlines.expired(now, this.#input?.received ?? 0)
      if (reply) this.#conversation?.end(reply)
    } else if (this.#deadlines.isCloseOverdue(now)) this.cut()
  }

  // --- overrides ---

  override init(): void {
    const conversation = new SmtpSession(this._server.parts, this, clientOf(this))
    this.#conversation = conversation
    this._setListeners(() => void this.#greet(conversation))
  }

  override _createParser(): SMTPStream {
    return new IemsSmtpStream(new Input(this, this._server.parts.options.limits.lineLength), () => this.#ended())
  }

  /** `expire` keeps the deadlines; this override only learns the socket of the handshake. */
  override _armTimeout(socket?: Socket): void {
    this.#handshaking = socket
  }

  override close() {
    if (this.#handshaking) return this.cut()
    this.#flush()
    this.#deadlines.closing()
    super.close()
    this.#input?.shut()
  }

  override _onClose(): void {
    this.#input?.shut()
    super._onClose()
    this.#conversation?.over()
    this._server.forget(this)
  }

  // --- Wire ---

  say(text: ReplyText): void {
    if (!this._closing) this.#out += `${text}\r\n`
  }

  async receive(sink: Sink): Promise<void> {
    this.#deadlines.content(this.#input?.received ?? 0)
    await this.#input?.receive(sink)
  }

  startTls(): void {
    this.#flush()
    this.#deadlines.wait('command')
    const plain = this.#input
    this.upgrade(
      () => undefined,
      () => this.#secured(),
    )
    // RFC 3207 section 5: input pipelined after the command was not sent under TLS.
    plain?.shut()
  }

  release(): Socket {
    this.#flush()
    const socket = this._socket
    for (const event of ['close', 'error']) socket.removeAllListeners(event)
    socket.allowHalfOpen = false
    this._onClose()
    return socket
  }

  // --- Listener ---

  line(text: string): void | Promise<void> {
    this.#deadlines.working()
    return this.#conversation?.line(text)
  }

  reject(reply: Reply): void | Promise<void> {
    this.#deadlines.working()
    return this.#conversation?.reject(reply)
  }

  busy(): void {
    this.#deadlines.wait('us')
  }

  idle(waitingFor: 'command' | 'content'): void | Promise<void> {
    this.#flush()
    this.#deadlines.idle(waitingFor)
    // A client that does not read replies gets no further ones.
    if (this._socket.writableNeedDrain) return new Promise((resolve) => this._socket.once('drain', resolve))
    return undefined
  }

  // --- the rest ---

  /** Undefined after the connection has closed. */
  get #input(): Input | undefined {
    return this._parser ? (this._parser as IemsSmtpStream).input : undefined
  }

  #flush(): void {
    const out = this.#out
    this.#out = ''
    if (out !== '' && this._socket.writable && !this._upgrading) this._socket.write(out, 'latin1')
  }

  async #greet(conversation: SmtpSession): Promise<void> {
    const { clock, options } = this._server.parts
    if (options.bannerDelay > 0) {
      await new Promise<void>((resolve) => clock.after(options.bannerDelay, resolve))
      if (this.#input && this.#input.received > 0) return conversation.end(END.talkedTooSoon)
    }
    await conversation.greet()
    this.#input?.start()
  }

  #secured(): void {
    this.#handshaking = undefined
    this.#conversation?.secured(tlsInfo(this._socket as TLSSocket))
    this.#input?.start()
  }

  /** The client has closed its side, and everything it sent has been answered. */
  #ended(): void {
    if (this._closing) return
    this.close()
    this.#conversation?.over()
  }
}

/** The dependencies of a listener's server. */
export interface ServerDeps extends Omit<ListenerContext, 'recount'> {
  readonly clock: Clock
  readonly certificates: Certificates | undefined
  readonly admission: ConnectionLimits
}

export class IemsSmtpServer extends SMTPServer {
  readonly parts: ServerDeps & ListenerContext
  readonly #admission: ConnectionLimits
  readonly #isProxy: (address: string) => boolean
  readonly #live = new Set<IemsSmtpConnection>()
  #isStopping = false
  #stopTicking: (() => void) | undefined
  #accepted = 0
  #drained: (() => void) | undefined

  constructor(parts: ServerDeps) {
    const { options, certificates } = parts
    super({
      logger: false,
      name: parts.hostname,
      // The library's STARTTLS command is unused, and would warn of a certificate that is never presented.
      hideSTARTTLS: true,
      secure: options.tls?.mode === 'implicit',
      socketTimeout: options.timeouts.handshake,
      ...(certificates && options.tls?.cert ? tlsServerOptions(certificates, options.tls) : {}),
    })
    this.parts = { ...parts, recount: (from, to) => this.#recount(from, to) }
    this.#admission = parts.admission
    this.#isProxy = inNetworks(options.proxyFrom)
    this.on('error', (cause) => parts.log.debug('connection failed', { cause }))
  }

  /** Uses the current certificates for new connections. */
  takeCertificates(): void {
    const { options, certificates } = this.parts
    if (certificates && options.tls) this.updateSecureContext(tlsServerOptions(certificates, options.tls))
  }

  /** Takes over an accepted connection. */
  accept(socket: Socket) {
    // A client that sends everything and closes its side still gets its replies.
    socket.allowHalfOpen = true
    const { options } = this.parts
    const deny = (reply: Reply) => (this.options.secure ? socket.destroy() : turnAway(socket, reply))
    if (this.#isStopping) return deny(END.stopping)
    const isProxied = this.#isProxy(socket.remoteAddress ?? '')
    if (!isProxied && !this.options.secure) return this.connect(socket, {})
    if (this._pendingSockets.size >= options.limits.connections) return deny(END.tooManyConnections)
    void this.#prepare(socket, isProxied)
  }

  override connect(socket: Socket, given: SMTPConnectionOptions) {
    const connection = new IemsSmtpConnection(this, socket, { id: String(++this.#accepted), ...given })
    const entered = this.#admission.enter(connection.address)
    if (entered !== 'ok') return turnAway(socket, entered === 'all' ? END.tooManyConnections : END.tooManyFromYou)
    this.#live.add(connection)
    connection.on('error', (cause) => this._onError(cause))
    connection.init()
    this.#stopTicking ??= this.#tick()
  }

  /** Called when the connection has closed. */
  forget(connection: IemsSmtpConnection): void {
    if (!this.#live.delete(connection)) return
    this.#admission.leave(connection.address)
    if (this.#live.size > 0) return
    this.#stopTicking?.()
    this.#stopTicking = undefined
    this.#drained?.()
  }

  /** Resolves when all sessions have ended: idle ones at once, others after their message, all on the signal. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#isStopping = true
    for (const top of this._pendingSockets.values()) top.destroy()
    for (const connection of this.#live) connection.stop()
    if (this.#live.size === 0) return
    const done = new Promise<void>((resolve) => {
      this.#drained = resolve
    })
    const cut = () => {
      for (const connection of this.#live) connection.cut()
    }
    if (signal.aborted) cut()
    signal.addEventListener('abort', cut, { once: true })
    await done
    signal.removeEventListener('abort', cut)
  }

  /** Before the session: the header of a trusted proxy, and the handshake of implicit TLS. */
  async #prepare(socket: Socket, isProxied: boolean): Promise<void> {
    const { clock, log, options } = this.parts
    this._pendingSockets.set(socket, socket)
    socket.on('error', (cause) => log.debug('connection failed', { cause }))
    const cancel = clock.after(options.timeouts.handshake, () => this._pendingSockets.get(socket)?.destroy())
    try {
      const given = isProxied ? await receiveProxied(socket) : {}
      if (!given) log.info('no valid PROXY header', { proxy: socket.remoteAddress })
      const top = given && this.options.secure ? await this.#handshake(socket) : socket
      if (given && top && !top.destroyed && !this.#isStopping) this.connect(top, given)
      else (top ?? socket).destroy()
    } finally {
      cancel()
      this._pendingSockets.delete(socket)
    }
  }

  #handshake(socket: Socket): Promise<TLSSocket | undefined> {
    return new Promise((resolve) => {
      this._upgrade(socket, (cause, top) => {
        if (cause) this.parts.log.debug('TLS handshake failed', { cause })
        resolve(top)
      })
    })
  }

  #recount(from: string, to: string): boolean {
    this.#admission.leave(from)
    if (this.#admission.enter(to) === 'ok') return true
    this.#admission.enter(from)
    return false
  }

  /** One timer for all deadlines, while there are connections. */
  #tick(): () => void {
    const { clock, options } = this.parts
    const { command, data, session } = options.timeouts
    return clock.after(Math.max(10, Math.min(1000, command / 4, data / 4, session / 4)), () => {
      const now = clock.now()
      this.#stopTicking = this.#tick()
      for (const connection of this.#live) connection.expire(now)
    })
  }
}
