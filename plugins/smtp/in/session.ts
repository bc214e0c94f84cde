/**
 * The SMTP session with one client: the order of commands, and their effect on the kernel.
 *
 * It handles commands as text, without sockets; `Connection` is its only access to the connection. Invariants: every
 * command gets exactly one reply (DATA two, LMTP content one for each recipient); an internal error is 451, never 5xx;
 * nothing received before TLS counts after it; only XCLIENT changes the client, and the kernel is then asked again.
 */
import type { ConnectionInfo, Identity, Refusal, Reply, SaslExchange, ServerSession } from 'iems'
import { type Ask, createAsk } from './ask.ts'
import { readAuth } from './auth-command.ts'
import { learnName } from './client-name.ts'
import { ClientState } from './client-state.ts'
import { isEmptyCommand, isHttp, mayComeBetweenChunks, readChunk, splitCommand } from './commands.ts'
import { answerFetch } from './fetch-commands.ts'
import type { Client, Connection, ListenerContext } from './listener-context.ts'
import { isReply, type Offer } from './parameters.ts'
import { challenge, END, greeting, hello, line, NO, YES } from './replies.ts'
import { SaslDialogue } from './sasl-dialogue.ts'
import { SessionCounts } from './session-counts.ts'
import { Transaction } from './transaction.ts'
import { readXclient } from './xclient.ts'

export class SmtpSession {
  readonly #setting: ListenerContext
  readonly #wire: Connection
  readonly #client: ClientState
  readonly #counts: SessionCounts
  readonly #sasl = new SaslDialogue()
  readonly #ask: Ask
  #open: ServerSession
  #transaction: Transaction
  #state: 'greeting' | 'refused' | 'talking' | 'over' = 'greeting'
  #isWorking = false
  #isStopping = false

  constructor(setting: ListenerContext, wire: Connection, client: Client) {
    this.#setting = setting
    this.#wire = wire
    this.#ask = createAsk(setting.log)
    this.#client = new ClientState(setting.options, client)
    this.#counts = new SessionCounts(setting.options.limits)
    this.#open = this.#openSession()
    this.#transaction = this.#newTransaction()
  }

  // --- what the connection asks and tells ---

  get address(): string {
    return this.#client.remote.address
  }

  /** Asks the kernel whether the client is admitted, and greets it. */
  async greet(): Promise<void> {
    await this.#learnName()
    const refusal = this.#isOver ? undefined : await this.#ask(() => this.#open.connect())
    if (this.#state === 'over') return
    if (refusal?.reply.code === 421) return this.end(refusal.reply)
    this.#state = refusal ? 'refused' : 'talking'
    if (refusal) this.#wire.say(line(refusal.reply))
    else this.#wire.say(greeting(this.#setting.hostname, this.#client.isLmtp ? 'LMTP' : 'ESMTP'))
    if (this.#isStopping) this.stop()
  }

  /** An untrusted client waits for its name lookup, within a limit; a trusted client is greeted meanwhile. */
  #learnName(): Promise<void> {
    const open = this.#open
    return learnName(this.#setting, this.#client.remote, open.session.trusted, (name) => {
      if (this.#open !== open || this.#isOver) return
      this.#client.named(name)
      open.update({ remote: this.#client.remote })
    })
  }

  /** Handles one line without its line break. The next one waits for the promise, which never rejects. */
  line(text: string): void | Promise<void> {
    if (!this.#count()) return undefined
    if (this.#sasl.isAsking) return this.#work(this.#sasl.respond(text))
    const [verb, argument] = splitCommand(text)
    try {
      const done = this.#perform(verb, argument, text)
      return done && this.#work(done)
    } catch (cause) {
      return this.#fault(cause)
    }
  }

  /** A line that cannot be a command. */
  reject(reply: Reply): void | Promise<void> {
    if (!this.#count()) return undefined
    if (this.#sasl.isAsking) return this.#work(this.#sasl.respond(undefined))
    this.#answer(reply)
    return undefined
  }

  /** Called when TLS is established: everything received before is void (RFC 3207 section 4.2). */
  secured(tls: NonNullable<ConnectionInfo['tls']>): void {
    this.#client.secured(tls)
    this.#open.update({ tls, protocol: this.#client.protocol, identity: undefined })
  }

  /** Ends the session after the current message. */
  stop(): void {
    this.#isStopping = true
    if (!this.#isWorking && !this.#transaction.isOpen && this.#state !== 'greeting') this.end(END.stopping)
  }

  /** Sends a reply and closes the connection. */
  end(reply: Reply): void {
    if (this.#state === 'over') return
    this.#wire.say(line(reply))
    this.#wire.close()
    this.over()
  }

  /** The connection is closed or no longer read. */
  over(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#sasl.giveUp()
    this.#transaction.abort()
    this.#open.close()
  }

  // --- commands ---

  #perform(verb: string, argument: string, text: string): void | Promise<void> {
    if (this.#state === 'refused') return this.#refused(verb)
    if (this.#transaction.isBetweenChunks && !mayComeBetweenChunks(verb)) return this.#answer(NO.notInContent)
    if (isEmptyCommand(verb) && !this.#counts.emptyCommand()) return this.end(END.tooManyEmpty)
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
      case 'ATRN':
        return this.#fetch(verb, argument)
      case 'XCLIENT':
        return this.#beClient(argument)
      default:
        return isHttp(text) ? this.end(END.notSmtp) : this.#answer(NO.unknownCommand)
    }
  }

  #refused(verb: string) {
    if (verb === 'QUIT') return this.end(YES.bye)
    this.end(NO.refusedBefore)
  }

  async #hello(verb: 'EHLO' | 'HELO' | 'LHLO', name: string): Promise<void> {
    if (this.#client.isLmtp !== (verb === 'LHLO'))
      return this.#answer(this.#client.isLmtp ? NO.lhloOnly : NO.unknownCommand)
    const isOdd = name === '' || name.length > 255 || name.includes(' ')
    if (isOdd && !this.#offer.lenient) return this.#answer(NO.helloSyntax)
    await this.#transaction.reset()
    const helo = name.slice(0, 255) || 'unknown'
    this.#client.greeted(helo, verb !== 'HELO')
    this.#open.update({ helo, protocol: this.#client.protocol })
    this.#wire.say(hello(this.#setting.hostname, verb === 'HELO' ? [] : this.#extensions()))
  }

  #extensions(): string[] {
    return this.#client.extensions({
      mechanisms: this.#open.mechanisms(),
      offer: this.#offer,
      mayXclient: this.#setting.mayXclient(this.address),
      atrn: this.#setting.atrn !== undefined,
    })
  }

  async #mail(argument: string): Promise<void> {
    const { auth } = this.#setting.options
    if (this.#client.helo === undefined) return this.#answer(this.#client.helloFirst)
    if (auth === 'required' && !this.#client.identity) return this.#answer(NO.authRequired)
    if (!this.#counts.mayTakeMessage) return this.end(END.tooManyMessages)
    const offer = this.#offer
    if (offer.lenient) this.#open.update({ submission: true })
    this.#answer(await this.#transaction.mail(argument, offer))
  }

  async #chunk(argument: string): Promise<void> {
    const chunk = readChunk(argument)
    // The following octets cannot be distinguished from commands.
    if (!chunk) return this.end(NO.chunkSyntax)
    if (chunk.isSmall && !this.#counts.smallChunk()) return this.end(END.tooManyChunks)
    this.#deliver(await this.#transaction.bdat(chunk.octets, chunk.isLast ? 'last' : 'middle'))
  }

  /** Sends the replies to content. */
  #deliver(replies: readonly Reply[]): void {
    const [reply] = replies
    if (reply && reply.code < 400 && !this.#transaction.isOpen) this.#counts.message()
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
    const command = readAuth(argument, {
      auth: this.#setting.options.auth,
      client: this.#client,
      mechanisms: () => this.#open.mechanisms(),
      inTransaction: this.#transaction.isOpen,
    })
    if (isReply(command)) return this.#answer(command)
    return this.#sasl.begin(() => this.#exchange({ ...command, ask: (text) => this.#challenge(text) }))
  }

  async #exchange(exchange: SaslExchange): Promise<void> {
    const answer = await this.#ask(() => this.#open.authenticate(exchange))
    if (this.#state !== 'over') this.#authenticated(answer)
  }

  /** The kernel refuses the current transaction; then the connection ends. */
  #revoked(): void {
    if (!this.#isWorking) this.end(END.revoked)
  }

  #authenticated(answer: Identity | Refusal): void {
    if (answer.kind === 'identity') {
      this.#client.identity = answer
      this.#open.update({ protocol: this.#client.protocol })
      this.#open.revoked.addEventListener('abort', () => this.#revoked(), { once: true })
      this.#answer(YES.authenticated)
      return
    }
    const isAttempt = answer.reply.code !== 501
    if (isAttempt && !this.#counts.failedLogin()) this.end(END.tooManyAttempts)
    else this.#answer(answer.reply)
  }

  /** The client's next line, decoded; undefined when it cancels or disconnects. */
  async #challenge(text: string): Promise<Buffer | undefined> {
    if (this.#isOver) return undefined
    this.#wire.say(challenge(text))
    return this.#sasl.nextResponse()
  }

  async #fetch(verb: string, argument: string): Promise<void> {
    const session = { client: this.#client, inTransaction: this.#transaction.isOpen }
    const answer = await answerFetch(this.#setting, session, verb, argument)
    if (typeof answer !== 'function') return this.#answer(answer)
    this.#wire.say(line(YES.reversing))
    answer(this.#wire.release())
  }

  async #beClient(argument: string): Promise<void> {
    // Checked for the current client: after XCLIENT that is the remote one, which must not use XCLIENT itself.
    if (!this.#setting.mayXclient(this.address)) return this.#answer(NO.xclientForbidden)
    if (this.#transaction.isOpen) return this.#answer(NO.inTransaction)
    const said = readXclient(argument)
    if (!said) return this.#answer(NO.xclientSyntax)
    const { address = this.address } = said
    if (!this.#setting.recount(this.address, address)) return this.end(END.tooManyFromYou)
    this.#client.become(said)
    const { helo, identity } = this.#client
    this.#open.close()
    this.#open = this.#openSession()
    this.#transaction = this.#newTransaction()
    if (helo !== undefined) this.#open.update({ helo })
    if (identity) this.#open.update({ identity })
    await this.greet()
  }

  // --- the rest ---

  get #isOver(): boolean {
    return this.#state === 'over'
  }

  get #offer(): Offer {
    return this.#client.offer(this.#open.session.trusted, this.#setting.clock.now())
  }

  #openSession(): ServerSession {
    const { auth, submission = auth === 'required' } = this.#setting.options
    return this.#setting.openSession({ ...this.#client.facts, protocol: this.#client.protocol, submission })
  }

  #newTransaction(): Transaction {
    return new Transaction({ options: this.#setting.options, wire: this.#wire, open: this.#open, ask: this.#ask })
  }

  #count(): boolean {
    if (this.#state === 'over') return false
    if (this.#counts.command()) return true
    this.end(END.tooManyCommands)
    return false
  }

  #answer(reply: Reply) {
    if (this.#state === 'over') return
    // RFC 5321 section 4.2.2: 421 closes the connection.
    if (reply.code === 421) return this.end(reply)
    if (reply.code >= 400 && !this.#counts.error()) return this.end(END.tooManyErrors)
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
}
