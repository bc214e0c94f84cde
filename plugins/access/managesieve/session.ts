/**
 * One client's session: ManageSieve (RFC 5804).
 *
 * Invariants: an unauthenticated client cannot send a large literal; each command gets a response, in order; a refused
 * command changes nothing.
 */
import type { Duplex } from 'node:stream'
import {
  type AskClient,
  ConnectionClosed,
  decodeResponse,
  type Identity,
  type LineReader,
  LineTooLong,
  type LineWriter,
  type Log,
  type Refusal,
  type SaslMechanism,
  type ServerSession,
  splitLiteral,
  TimedOut,
} from 'iems'
import type { OldSession } from '../../gateway/move/api.ts'
import type { MailsortApi } from '../../mailbox/mailsort/api.ts'
import { argumentsOf, COMMANDS, type CommandContext, no, ok } from './commands.ts'
import type { Options } from './options.ts'
import { readText, readWords, type Word, writeString } from './words.ts'

export interface SessionDeps {
  readonly input: LineReader
  readonly output: LineWriter
  readonly options: Options
  readonly log: Log
  readonly sort: MailsortApi
  /** The session of an account whose scripts are still on the old server of a move. */
  oldSession(account: string): Promise<OldSession | undefined>
  relay(there: Duplex, first: Uint8Array): Promise<void>
  isSecure(): boolean
  hasTls(): boolean
  startTls(): Promise<void>
  readonly open: Pick<ServerSession, 'mechanisms' | 'authenticate' | 'update' | 'revoked'>
  readonly signal: AbortSignal
}

/** Maximum literal before login in octets: a SASL response. */
const MAX_RESPONSE = 12_288
/** Maximum literals of one command. */
const MAX_LITERALS = 4

/** Input that cannot be skipped. */
class Unreadable extends Error {}

export class Session implements CommandContext {
  readonly #deps: SessionDeps
  #identity: Identity | undefined
  #errors = 0
  #failures = 0
  #isOver = false

  constructor(deps: SessionDeps) {
    this.#deps = deps
  }

  async run(): Promise<void> {
    const { input, output, log, open } = this.#deps
    try {
      this.#say(this.capabilities())
      await output.flush()
      while (!this.#isOver && (await this.#hasCommand())) await this.#command()
      if (!this.#isOver) this.#bye(open.revoked.aborted ? String(open.revoked.reason) : 'The server is stopping')
      await output.flush()
    } catch (error) {
      if (error instanceof TimedOut) {
        this.#bye('Idle for too long')
        await output.flush().catch(() => undefined)
      } else if (!(error instanceof ConnectionClosed)) log.error('session failed', { cause: error })
    } finally {
      input.detach()
    }
  }

  #say(response: string): void {
    this.#deps.output.write(Buffer.from(response))
  }

  #bye(text: string, code?: string): void {
    this.#say(`BYE${code === undefined ? '' : ` (${code})`} ${writeString(text)}\r\n`)
    this.#isOver = true
  }

  #hasCommand(): Promise<boolean> {
    const { input, options, signal } = this.#deps
    input.timeout = this.#identity ? options.timeouts.command : options.timeouts.login
    return input.waits(signal)
  }

  async #command(): Promise<void> {
    const { input, output, options, log } = this.#deps
    try {
      const words = await this.#words()
      const response = words ? await this.#perform(words) : no('The command is not understood')
      if (response.startsWith('NO')) this.#errors++
      this.#say(response)
    } catch (error) {
      if (error instanceof ConnectionClosed || error instanceof TimedOut) throw error
      if (error instanceof LineTooLong || error instanceof Unreadable)
        this.#bye(error.message || 'The line is too long')
      else {
        log.error('command failed', { cause: error })
        this.#say(no('Temporary failure, try again later', 'TRYLATER'))
      }
    }
    if (!this.#isOver && this.#errors > options.limits.errors) this.#bye('Too many errors')
    if (!this.#isOver && this.#failures >= options.limits.authAttempts) this.#bye('Too many failed logins')
    // Responses to pipelined commands are sent together.
    if (!input.hasMore || this.#isOver || output.isFull) await output.flush()
  }

  /** A command's words and literals; undefined when malformed. */
  async #words(): Promise<readonly Word[] | undefined> {
    const { input, options } = this.#deps
    const words: Word[] = []
    let isGood = true
    for (let literals = 0; ; literals++) {
      const line = (await input.line(options.limits.lineLength)).toString('latin1')
      const { text, literal } = splitLiteral(line)
      const decoded = readText(Buffer.from(text, 'latin1'))
      const read = decoded === undefined ? undefined : readWords(decoded)
      if (read) words.push(...read)
      else isGood = false
      if (!literal) return isGood ? words : undefined
      const most = this.#identity ? options.limits.literalSize : MAX_RESPONSE
      if (literal.size > most || literals >= MAX_LITERALS) throw new Unreadable('The literal is too large')
      const content = readText(await input.octets(literal.size))
      if (content === undefined || literal.isBinary) isGood = false
      else words.push({ kind: 'string', text: content })
    }
  }

  async #perform([first, ...rest]: readonly Word[]): Promise<string> {
    if (first?.kind !== 'atom') return no('The command is not understood')
    const name = first.text.toUpperCase()
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
    if (!command) return no('Unknown command')
    if (command.state === 'authenticated' && !this.#identity) return no('Authenticate first')
    if (command.state === 'unauthenticated' && this.#identity) return no('Already authenticated')
    const args = argumentsOf(command, rest)
    return args ? command.run(this, args) : no(`${name} takes ${command.takes.join(' and ') || 'no arguments'}`)
  }

  // --- the commands' context ---

  get sort(): MailsortApi {
    return this.#deps.sort
  }

  get account(): string | undefined {
    return this.#identity?.account
  }

  get isSecure(): boolean {
    return this.#deps.isSecure()
  }

  get mayStartTls(): boolean {
    return this.#deps.hasTls()
  }

  get mayLogIn(): boolean {
    return this.isSecure || this.#deps.options.authWithoutTls
  }

  mechanisms(): readonly SaslMechanism[] {
    return this.mayLogIn ? this.#deps.open.mechanisms() : []
  }

  authenticate(mechanism: string, initial: Buffer | undefined, ask: AskClient): Promise<Identity | Refusal> {
    return this.#deps.open.authenticate({ mechanism: mechanism as SaslMechanism, initial, ask })
  }

  ask: AskClient = async (challenge) => {
    const { output } = this.#deps
    this.#say(`${writeString(Buffer.from(challenge).toString('base64'))}\r\n`)
    await output.flush()
    const [word, ...more] = (await this.#words()) ?? []
    if (word?.kind !== 'string' || more.length > 0 || word.text === '*') return undefined
    return decodeResponse(word.text)
  }

  async logIn(answer: Identity | Refusal): Promise<string> {
    if (answer.kind === 'identity' && answer.account !== undefined) {
      if (await this.#passOn(answer.account)) return ''
      this.#identity = answer
      return ok('Authentication completed')
    }
    this.#failures++
    const isTemporary = answer.kind === 'refuse' && answer.reply.code < 500
    return isTemporary ? no('Temporary failure, try again later', 'TRYLATER') : no('Authentication failed')
  }

  /** Hands the session of an account that is still on the old server over to it. Throws when it does not answer. */
  async #passOn(account: string): Promise<boolean> {
    const there = await this.#deps.oldSession(account)
    if (!there) return false
    this.#say(ok('Authentication completed'))
    this.end()
    await this.#deps.relay(there.stream, there.rest)
    return true
  }

  logOut(): void {
    this.#identity = undefined
    this.#deps.open.update({ identity: undefined })
  }

  capabilities(): string {
    const { sort, hasTls } = this.#deps
    const pairs: readonly (readonly [string, string?])[] = [
      ['IMPLEMENTATION', 'IEMS'],
      ['SASL', this.mechanisms().join(' ')],
      ['SIEVE', sort.extensions.join(' ')],
      ...(hasTls() && !this.isSecure && !this.#identity ? ([['STARTTLS']] as const) : []),
      ['NOTIFY', sort.notify.join(' ')],
      ['EXTLISTS', sort.lists.join(' ')],
      ['MAXREDIRECTS', String(sort.maxRedirects)],
      ...(this.#identity ? ([['OWNER', this.#identity.user]] as const) : []),
      ['UNAUTHENTICATE'],
      ['VERSION', '1.0'],
    ]
    const lines = pairs.map(([name, value]) => `"${name}"${value === undefined ? '' : ` ${writeString(value)}`}\r\n`)
    return lines.join('') + ok('ManageSieve is ready')
  }

  async startTls(): Promise<void> {
    this.#say(ok('Begin TLS negotiation now'))
    await this.#deps.output.flush()
    await this.#deps.startTls()
  }

  end(): void {
    this.#isOver = true
  }
}
