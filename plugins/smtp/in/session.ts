/**
 * The conversation with one client: which command may come when, and what it means to the kernel.
 *
 * It knows commands as text, not sockets; `Wire` is all it can do to the connection. What must stay true: every command
 * gets exactly one answer (DATA two, LMTP content one for each recipient); a fault of ours is 451, never 5xx; nothing a
 * client said before TLS counts after it; who the client is changes by XCLIENT alone, and then the kernel is asked anew.
 */
import {
  type Clock,
  type ConnectionInfo,
  decodeResponse,
  type Identity,
  type Log,
  type Protocol,
  type Refusal,
  type Reply,
  type SaslExchange,
  type ServerSession,
} from 'iems'
import type { NameOf } from './client-name.ts'
import type { Etrn } from './etrn.ts'
import type { Options } from './options.ts'
import { holdKeyword, type Offer } from './parameters.ts'
import { challenge, END, greeting, hello, line, NO, YES } from './replies.ts'
import { type ContentWire, Transaction, type TransactionDeps } from './transaction.ts'
import { ATTRIBUTES, readXclient } from './xclient.ts'

/** What the conversation can do to its connection. */
export interface Connection extends ContentWire {
  /** Says what is queued, then does the handshake; `secured` is called when TLS is up. */
  startTls(): void
  /** Says what is queued and hangs up. */
  close(): void
}

/** What all conversations of a listener share. */
export interface ListenerContext {
  readonly options: Options
  readonly hostname: string
  readonly log: Log
  readonly etrn: Etrn
  readonly mayXclient: (address: string) => boolean
  readonly clock: Clock
  readonly nameOf: NameOf
  openSession(facts: ConnectionInfo): ServerSession
  /** Counts a connection for another address than before; false when that one has too many. */
  recount(from: string, to: string): boolean
}

/** What the connection knows of its client. */
export type Client = Pick<ConnectionInfo, 'remote' | 'local' | 'tls'>

/** Octets of a chunk that costs about as much to answer as to carry. */
const SMALL_CHUNK = 1024
const BETWEEN_CHUNKS: readonly string[] = ['BDAT', 'NOOP', 'RSET', 'QUIT']
/** What brings no message nearer, but is answered. */
const EMPTY: ReadonlySet<string> = new Set(['EHLO', 'HELO', 'LHLO', 'NOOP', 'RSET', 'VRFY', 'EXPN', 'HELP', 'ETRN'])
const WEB = /^(?:CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE) .*HTTP\//i

export class SmtpSession {
  readonly #setting: ListenerContext
  readonly #wire: Connection
  #client: Client
  #open: ServerSession
  #transaction: Transaction
  #state: 'greeting' | 'refused' | 'talking' | 'over' = 'greeting'
  #helo: string | undefined
  #isExtended = false
  #identity: Identity | undefined
  #isWorking = false
  #isStopping = false
  #commands = 0
  #errors = 0
  #messages = 0
  #smallChunks = 0
  #emptyCommands = 0
  #attempts = 0
  /** In the midst of a SASL exchange: who waits for the client's next line; undefined is a line that was none. */
  #asked: ((text: string | undefined) => void) | undefined
  /** Called when an exchange asks the client again, or is over. */
  #hasAnswered: (() => void) | undefined

  constructor(setting: ListenerContext, wire: Connection, client: Client) {
    this.#setting = setting
    this.#wire = wire
    this.#client = client
    this.#open = this.#openSession()
    this.#transaction = this.#newTransaction()
  }

  // --- what the connection asks and tells ---

  get address(): string {
    return this.#client.remote.address
  }

  /** Asks the kernel whether the client is welcome, and greets. */
  async greet(): Promise<void> {
    await this.#learnName()
    const refusal = this.#isOver ? undefined : await this.#ask(() => this.#open.connect())
    if (this.#state === 'over') return
    if (refusal?.reply.code === 421) return this.end(refusal.reply)
    this.#state = refusal ? 'refused' : 'talking'
    if (refusal) this.#wire.say(line(refusal.reply))
    else this.#wire.say(greeting(this.#setting.hostname, this.#isLmtp ? 'LMTP' : 'ESMTP'))
    if (this.#isStopping) this.stop()
  }

  /** Looks the client's name up. A stranger waits for it, but not for long; a trusted client is greeted meanwhile. */
  async #learnName(): Promise<void> {
    const { remote } = this.#client
    const { nameOf, clock, options } = this.#setting
    const asked = remote.name === undefined ? nameOf(remote.address) : undefined
    if (!asked) return
    const open = this.#open
    const learnt = asked.then((name) => {
      if (name === undefined || this.#open !== open || this.#isOver) return
      this.#client = { ...this.#client, remote: { ...remote, name } }
      open.update({ remote: this.#client.remote })
    })
    if (open.session.trusted) return
    let cancel = () => {}
    const late = new Promise<void>((resolve) => {
      cancel = clock.after(options.clientNameTimeout, resolve)
    })
    await Promise.race([learnt, late])
    cancel()
  }

  /** One line without its newline. The next has to wait for the promise, which never fails. */
  line(text: string): void | Promise<void> {
    if (!this.#count()) return undefined
    if (this.#asked) return this.#work(this.#respond(text))
    const space = text.indexOf(' ')
    const verb = (space < 0 ? text : text.slice(0, space)).toUpperCase()
    try {
      const done = this.#perform(verb, space < 0 ? '' : text.slice(space + 1).trim(), text)
      return done && this.#work(done)
    } catch (cause) {
      return this.#fault(cause)
    }
  }

  /** A line that cannot be a command. */
  reject(reply: Reply): void | Promise<void> {
    if (!this.#count()) return undefined
    if (this.#asked) return this.#work(this.#respond(undefined))
    this.#answer(reply)
    return undefined
  }

  /** TLS is up: what was said before does not count any more (RFC 3207 section 4.2). */
  secured(tls: NonNullable<ConnectionInfo['tls']>): void {
    this.#client = { ...this.#client, tls }
    this.#helo = undefined
    this.#identity = undefined
    this.#open.update({ tls, protocol: this.#protocol, identity: undefined })
  }

  /** Ends the session as soon as no message is under way. */
  stop(): void {
    this.#isStopping = true
    if (!this.#isWorking && !this.#transaction.isOpen && this.#state !== 'greeting') this.end(END.stopping)
  }

  /** Says why and hangs up. */
  end(reply: Reply): void {
    if (this.#state === 'over') return
    this.#wire.say(line(reply))
    this.#wire.close()
    this.over()
  }

  /** The connection is gone, or nobody listens to it any more. */
  over(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#asked?.(undefined)
    this.#transaction.abort()
    this.#open.close()
  }

  // --- commands ---

  #perform(verb: string, argument: string, text: string): void | Promise<void> {
    if (this.#state === 'refused') return this.#refused(verb)
    if (this.#transaction.isBetweenChunks && !BETWEEN_CHUNKS.includes(verb)) return this.#answer(NO.notInContent)
    if (EMPTY.has(verb) && ++this.#emptyCommands > this.#setting.options.limits.emptyCommands)
      return this.end(END.tooManyEmpty)
    switch (verb) {
      case 'EHLO':
      case 'HELO':
      case 'LHLO':
        return this.#hello(verb, argument)
      case 'MAIL':
        return this.#mail(argument)
      case 'RCPT':
        return this.#transaction.rcpt(argument, this.#offer).then((reply) => this.#answer(reply))
      case 'DATA':
        return argument
          ? this.#answer(NO.noArgument)
          : this.#transaction.data(this.#offer).then((replies) => this.#deliver(replies))
      case 'BDAT':
        return this.#chunk(argument)
      case 'RSET':
        return this.#transaction.reset().then(() => this.#answer(YES.reset))
      case 'NOOP':
        return this.#answer(YES.noop)
      case 'QUIT':
        return this.end(YES.bye)
      case 'HELP':
        return this.#answer(YES.help)
      case 'VRFY':
        return this.#answer(argument ? YES.verify : NO.noAddress)
      case 'EXPN':
        return this.#answer(NO.notImplemented)
      case 'STARTTLS':
        return this.#startTls(argument)
      case 'AUTH':
        return this.#authenticate(argument)
      case 'ETRN':
        return this.#etrn(argument)
      case 'XCLIENT':
        return this.#beClient(argument)
      default:
        // A browser that was tricked into speaking to us would go on to send commands in a form (RFC 5321 is not HTTP).
        return WEB.test(text) ? this.end(END.notSmtp) : this.#answer(NO.unknownCommand)
    }
  }

  #refused(verb: string) {
    if (verb === 'QUIT') return this.end(YES.bye)
    this.end(NO.refusedBefore)
  }

  async #hello(verb: 'EHLO' | 'HELO' | 'LHLO', name: string): Promise<void> {
    if (this.#isLmtp !== (verb === 'LHLO')) return this.#answer(this.#isLmtp ? NO.lhloOnly : NO.unknownCommand)
    const isOdd = name === '' || name.length > 255 || name.includes(' ')
    if (isOdd && !this.#offer.lenient) return this.#answer(NO.helloSyntax)
    await this.#transaction.reset()
    this.#helo = name.slice(0, 255) || 'unknown'
    this.#isExtended = verb !== 'HELO'
    this.#open.update({ helo: this.#helo, protocol: this.#protocol })
    this.#wire.say(hello(this.#setting.hostname, this.#isExtended ? this.#extensions() : []))
  }

  #extensions(): string[] {
    const { options, mayXclient } = this.#setting
    const { limits, maxSize, tls, etrn } = options
    const offers = (offered: unknown, keyword: string) => (offered ? [keyword] : [])
    return [
      'PIPELINING',
      `SIZE ${maxSize}`,
      ...offers(etrn.length > 0, 'ETRN'),
      ...offers(tls && !this.#client.tls, 'STARTTLS'),
      ...(this.#mayAuthenticate && !this.#identity ? [`AUTH ${this.#open.mechanisms().join(' ')}`] : []),
      'ENHANCEDSTATUSCODES',
      '8BITMIME',
      'DSN',
      'SMTPUTF8',
      'CHUNKING',
      'BINARYMIME',
      ...offers(this.#client.tls, 'REQUIRETLS'),
      'MT-PRIORITY',
      ...holdKeyword(this.#offer),
      `LIMITS MAILMAX=${limits.messages} RCPTMAX=${limits.recipients}`,
      ...offers(mayXclient(this.#client.remote.address), `XCLIENT ${ATTRIBUTES}`),
      'HELP',
    ]
  }

  async #mail(argument: string): Promise<void> {
    const { auth, limits } = this.#setting.options
    if (this.#helo === undefined) return this.#answer(this.#isLmtp ? NO.lhloFirst : NO.helloFirst)
    if (auth === 'required' && !this.#identity) return this.#answer(NO.authRequired)
    if (this.#messages >= limits.messages) return this.end(END.tooManyMessages)
    const offer = this.#offer
    if (offer.lenient) this.#open.update({ submission: true })
    this.#answer(await this.#transaction.mail(argument, offer))
  }

  async #chunk(argument: string): Promise<void> {
    const [, octets, last] = /^(\d{1,15})(?: +(LAST))?$/i.exec(argument) ?? []
    // How many octets follow is not known, so nothing that follows can be told from commands.
    if (octets === undefined) return this.end(NO.chunkSyntax)
    const isSmall = !last && Number(octets) < SMALL_CHUNK
    if (isSmall && ++this.#smallChunks > this.#setting.options.limits.smallChunks) return this.end(END.tooManyChunks)
    this.#deliver(await this.#transaction.bdat(Number(octets), last ? 'last' : 'middle'))
  }

  /** The answers for content. */
  #deliver(replies: readonly Reply[]): void {
    const [reply] = replies
    if (reply && reply.code < 400 && !this.#transaction.isOpen) {
      this.#messages++
      this.#errors = 0
      this.#smallChunks = 0
      this.#emptyCommands = 0
    }
    if (reply === NO.synchronisation) this.end(reply)
    for (const each of replies) this.#answer(each)
  }

  #startTls(argument: string) {
    const { tls } = this.#setting.options
    if (argument) return this.#answer(NO.noArgument)
    if (!tls) return this.#answer(NO.notImplemented)
    if (this.#client.tls) return this.#answer(NO.tlsAlready)
    if (this.#transaction.isOpen) return this.#answer(NO.inTransaction)
    this.#wire.say(line(YES.startTls))
    this.#wire.startTls()
  }

  #authenticate(argument: string): void | Promise<void> {
    const [name = '', response, ...more] = argument.split(' ')
    const refusal = this.#authRefusal()
    if (refusal) return this.#answer(refusal)
    const mechanism = this.#open.mechanisms().find((offered) => offered === name.toUpperCase())
    if (!mechanism) return this.#answer(NO.authMechanism)
    const initial = response === undefined ? undefined : decodeResponse(response)
    if (more.length > 0 || (response !== undefined && !initial)) return this.#answer(NO.authSyntax)
    return this.#untilAnswered(() => void this.#exchange({ mechanism, initial, ask: (text) => this.#challenge(text) }))
  }

  async #exchange(exchange: SaslExchange): Promise<void> {
    const answer = await this.#ask(() => this.#open.authenticate(exchange))
    if (this.#state !== 'over') this.#authenticated(answer)
    this.#hasAnswered?.()
  }

  /** What is under way is refused by the kernel; then the connection ends. */
  #revoked(): void {
    if (!this.#isWorking) this.end(END.revoked)
  }

  #authenticated(answer: Identity | Refusal): void {
    if (answer.kind === 'identity') {
      this.#identity = answer
      this.#open.update({ protocol: this.#protocol })
      this.#open.revoked.addEventListener('abort', () => this.#revoked(), { once: true })
      this.#answer(YES.authenticated)
      return
    }
    const isAttempt = answer.reply.code !== 501
    if (isAttempt && ++this.#attempts >= this.#setting.options.limits.authAttempts) this.end(END.tooManyAttempts)
    else this.#answer(answer.reply)
  }

  /** The client's next line, decoded; undefined when it gives up, or is gone. */
  async #challenge(text: string): Promise<Buffer | undefined> {
    if (this.#state === 'over') return undefined
    this.#wire.say(challenge(text))
    const response = await new Promise<string | undefined>((resolve) => {
      this.#asked = resolve
      this.#hasAnswered?.()
    })
    return response === undefined || response === '*' ? undefined : decodeResponse(response)
  }

  #respond(text: string | undefined): Promise<void> {
    const asked = this.#asked
    this.#asked = undefined
    return this.#untilAnswered(() => asked?.(text))
  }

  /** The exchange goes on while lines come: a line is answered when the exchange asks for the next one, or is over. */
  #untilAnswered(step: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#hasAnswered = resolve
      step()
    })
  }

  #authRefusal(): Reply | undefined {
    const { auth } = this.#setting.options
    if (auth === 'off') return NO.notImplemented
    if (this.#helo === undefined) return this.#isLmtp ? NO.lhloFirst : NO.helloFirst
    if (!this.#mayAuthenticate) return NO.authNeedsTls
    if (this.#identity) return NO.authAlready
    // RFC 4954 section 4.
    return this.#transaction.isOpen ? NO.inTransaction : undefined
  }

  async #etrn(argument: string): Promise<void> {
    if (this.#setting.options.etrn.length === 0) return this.#answer(NO.notImplemented)
    if (this.#helo === undefined) return this.#answer(NO.helloFirst)
    if (this.#transaction.isOpen) return this.#answer(NO.inTransaction)
    this.#answer(
      await this.#setting.etrn(argument, { address: this.#client.remote.address, user: this.#identity?.user }),
    )
  }

  async #beClient(argument: string): Promise<void> {
    const { remote, local } = this.#client
    // Asked of the client that speaks now: after XCLIENT that is the far one, who must not say who he is.
    if (!this.#setting.mayXclient(remote.address)) return this.#answer(NO.xclientForbidden)
    if (this.#transaction.isOpen) return this.#answer(NO.inTransaction)
    const said = readXclient(argument)
    if (!said) return this.#answer(NO.xclientSyntax)
    const { address = remote.address, port, name, helo, login, protocol, localAddress, localPort } = said
    if (!this.#setting.recount(remote.address, address)) return this.end(END.tooManyFromYou)
    this.#client = {
      ...this.#client,
      remote: { address, ...(port === undefined ? {} : { port }), ...(name === undefined ? {} : { name }) },
      ...(localAddress === undefined ? {} : { local: { address: localAddress, port: localPort ?? local?.port ?? 0 } }),
    }
    this.#helo = helo
    this.#isExtended = protocol === 'ESMTP'
    this.#identity = login === undefined ? undefined : { kind: 'identity', user: login, mayRelay: true }
    this.#open.close()
    this.#open = this.#openSession()
    this.#transaction = this.#newTransaction()
    if (helo !== undefined) this.#open.update({ helo })
    if (this.#identity) this.#open.update({ identity: this.#identity })
    await this.greet()
  }

  // --- the rest ---

  get #isOver(): boolean {
    return this.#state === 'over'
  }

  get #isLmtp(): boolean {
    return this.#setting.options.protocol === 'lmtp'
  }

  get #mayAuthenticate(): boolean {
    const { auth, authWithoutTls } = this.#setting.options
    return auth !== 'off' && (this.#client.tls !== undefined || authWithoutTls)
  }

  get #offer(): Offer {
    const { auth, maxSize, lenient, futureRelease } = this.#setting.options
    const known = this.#identity !== undefined || this.#open.session.trusted
    const holds = this.#identity !== undefined && futureRelease > 0
    return {
      secure: this.#client.tls !== undefined,
      auth: auth !== 'off',
      maxSize,
      known,
      lenient: lenient && known,
      ...(holds ? { hold: { now: this.#setting.clock.now(), max: futureRelease } } : {}),
    }
  }

  /** RFC 3848. */
  get #protocol(): Protocol {
    if (!this.#isLmtp && !this.#isExtended) return 'SMTP'
    return `${this.#isLmtp ? 'LMTP' : 'ESMTP'}${this.#client.tls ? 'S' : ''}${this.#identity ? 'A' : ''}`
  }

  #openSession(): ServerSession {
    const { auth, submission = auth === 'required' } = this.#setting.options
    return this.#setting.openSession({ ...this.#client, protocol: this.#protocol, submission })
  }

  #newTransaction(): Transaction {
    const ask: TransactionDeps['ask'] = (call) => this.#ask(call)
    return new Transaction({ options: this.#setting.options, wire: this.#wire, open: this.#open, ask })
  }

  #count(): boolean {
    if (this.#state === 'over') return false
    if (++this.#commands <= this.#setting.options.limits.commands) return true
    this.end(END.tooManyCommands)
    return false
  }

  #answer(reply: Reply) {
    if (this.#state === 'over') return
    // RFC 5321 section 4.2.2: it closes the channel.
    if (reply.code === 421) return this.end(reply)
    if (reply.code >= 400 && ++this.#errors > this.#setting.options.limits.errors) return this.end(END.tooManyErrors)
    this.#wire.say(line(reply))
  }

  async #work(done: Promise<void>): Promise<void> {
    this.#isWorking = true
    try {
      await done
    } catch (cause) {
      this.#fault(cause)
    }
    this.#isWorking = false
    if (this.#open.revoked.aborted) this.end(END.revoked)
    if (this.#isStopping) this.stop()
  }

  #fault(cause: unknown): void {
    this.#setting.log.error('a command failed', { cause })
    this.#answer(NO.fault)
  }

  async #ask<T>(call: () => Promise<T>): Promise<T | Refusal> {
    try {
      return await call()
    } catch (cause) {
      this.#setting.log.error('a command failed', { cause })
      return { kind: 'refuse', reply: NO.fault }
    }
  }
}
