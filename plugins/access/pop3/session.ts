/**
 * One client's session: POP3 (RFC 1939) with CAPA, STLS, SASL, RESP-CODES, AUTH-RESP-CODE, UTF8, LOGIN-DELAY.
 *
 * Invariants: from login to QUIT the client sees the mailbox as it was at login; only QUIT removes the messages that it
 * deleted; the mailbox is never reported as locked or in use.
 */
import {
  type AskClient,
  Broken,
  ConnectionClosed,
  decodeResponse,
  type Identity,
  LineTooLong,
  type Refusal,
  TimedOut,
} from 'iems'
import type { Entry, MailStoreApi } from '../../mailbox/store/api.ts'
import { type Answer, type CommandContext, counted, type Drop, GONE, type SessionDeps, TEMPORARY } from './command.ts'
import { COMMANDS } from './commands.ts'
import { statusLine, stuffed, stuffedWhole, whole } from './lines.ts'

type State = 'authorization' | 'transaction'

const RESPONSE_LIMIT = 12_288

export class Session implements CommandContext {
  readonly parts: SessionDeps
  drop: Drop | undefined
  #user: string | undefined
  #errors = 0
  #failures = 0
  #isOver = false
  /** The message after the one that was retrieved last. */
  #next: { readonly number: number; readonly entry: Entry } | undefined
  #ahead: { readonly number: number; readonly octets: Promise<Buffer | undefined> } | undefined

  constructor(parts: SessionDeps) {
    this.parts = parts
  }

  async run(): Promise<void> {
    const { input, output, hostname, log } = this.parts
    try {
      output.line(statusLine(`+OK ${hostname} is ready`))
      await output.flush()
      while (!this.#isOver && (await this.#hasCommand())) await this.#command()
      if (!this.#isOver)
        output.line(
          statusLine(
            this.parts.open.revoked.aborted
              ? `-ERR [AUTH] ${this.parts.open.revoked.reason}`
              : '-ERR [SYS/TEMP] The server is stopping',
          ),
        )
      await output.flush()
    } catch (error) {
      // RFC 1939 section 3: an inactivity timeout closes the connection without UPDATE and without a response.
      if (!(error instanceof ConnectionClosed || error instanceof TimedOut))
        log.error('session failed', { cause: error })
      if (error instanceof Broken) throw error
    } finally {
      input.detach()
    }
  }

  end(): void {
    this.#isOver = true
  }

  #hasCommand(): Promise<boolean> {
    const { input, options, signal } = this.parts
    input.timeout = this.drop ? options.timeouts.command : options.timeouts.login
    return input.waits(signal)
  }

  async #command(): Promise<void> {
    const { input, output, options, log } = this.parts
    let answer: Answer
    try {
      answer = await this.#perform((await input.line(options.limits.lineLength)).toString())
    } catch (error) {
      if (error instanceof ConnectionClosed || error instanceof TimedOut) throw error
      if (error instanceof LineTooLong) this.end()
      else log.error('command failed', { cause: error })
      answer = error instanceof LineTooLong ? '-ERR Line too long' : TEMPORARY
    }
    await this.#write(answer)
    if (!this.#isOver && this.#errors > options.limits.errors) {
      output.line('-ERR Too many errors')
      this.end()
    }
    // Responses to pipelined commands are sent together.
    if (!input.hasMore || this.#isOver || output.isFull) await output.flush()
    this.#readAhead()
  }

  async #perform(line: string): Promise<Answer> {
    const [name = '', ...words] = line.split(' ')
    const command = COMMANDS[name.toUpperCase()]
    const state: State = this.drop ? 'transaction' : 'authorization'
    if (!command) return '-ERR Unknown command'
    if (command.state !== 'any' && command.state !== state)
      return state === 'transaction' ? '-ERR Already authenticated' : '-ERR Log in first'
    return command.run(this, words, line.slice(name.length + 1))
  }

  async #write(answer: Answer): Promise<void> {
    const { output } = this.parts
    const line = typeof answer === 'string' ? answer : answer.line
    if (line === '') return
    if (line.startsWith('-')) this.#errors++
    output.line(statusLine(line))
    if (typeof answer === 'string') return
    const { content } = answer
    if (Buffer.isBuffer(content)) for (const piece of stuffedWhole(content)) output.write(piece)
    else if (isLines(content)) for (const one of [...content, '.']) output.line(one)
    else await output.content(stuffed(content))
  }

  // --- logging in ---

  /** The reason why passwords are not accepted, if any. */
  get obstacle(): string | undefined {
    const { isSecure, options } = this.parts
    return isSecure() || options.authWithoutTls ? undefined : '-ERR TLS required'
  }

  setUser(name: string): void {
    this.#user = name
  }

  get user(): string | undefined {
    return this.#user
  }

  async logIn(answer: Identity | Refusal): Promise<string> {
    const { mail, mayLogIn, options } = this.parts
    this.#user = undefined
    if (answer.kind !== 'identity' || answer.account === undefined) {
      const isTemporary = answer.kind === 'refuse' && answer.reply.code < 500
      if (++this.#failures >= options.limits.authAttempts) this.end()
      return isTemporary ? TEMPORARY : '-ERR [AUTH] Wrong name or password'
    }
    if (!mayLogIn(answer.account)) return `-ERR [LOGIN-DELAY] Minimum time between logins has not passed`
    if (await this.#passOn(answer.account)) return ''
    const mailbox = await mail.find(answer.account, 'INBOX')
    const opened = mailbox && (await mail.open(mailbox))
    if (!opened || 'refused' in opened) return TEMPORARY
    const entries = await Array.fromAsync(mail.entries(opened.mailbox, opened.uids))
    this.drop = { mailbox: opened.mailbox, entries, deleted: new Set() }
    return `+OK ${counted(this.drop)}`
  }

  /** Hands the session of an account that is still on the old server over to it. Throws when it does not answer. */
  async #passOn(account: string): Promise<boolean> {
    const there = await this.parts.oldSession(account)
    if (!there) return false
    this.parts.output.line('+OK Logged in')
    this.end()
    await this.parts.relay(there.stream, there.rest)
    return true
  }

  ask: AskClient = async (challenge) => {
    const { input, output } = this.parts
    output.line(`+ ${Buffer.from(challenge).toString('base64')}`)
    await output.flush()
    const line = (await input.line(RESPONSE_LIMIT)).toString('latin1')
    return line === '*' ? undefined : decodeResponse(line)
  }

  // --- messages ---

  /** An existing message that is not deleted, by its number. */
  message(word: string | undefined): { readonly number: number; readonly entry: Entry } | undefined {
    if (!this.drop || !/^\d{1,9}$/.test(word ?? '')) return undefined
    const number = Number(word)
    const entry = this.drop.entries[number - 1]
    return entry && !this.drop.deleted.has(number) ? { number, entry } : undefined
  }

  /** Returns a message's content. */
  async retrieve(number: number, entry: Entry): Promise<Answer> {
    const ahead = this.#ahead?.number === number ? await this.#ahead.octets : undefined
    this.#next = this.message(String(number + 1))
    if (ahead) return retrieved(ahead)
    const email = await this.parts.mail.email(entry.email)
    if (!email) return GONE
    if (isSmall(email)) return retrieved(await email.read({ start: 0, end: email.size }))
    return { line: `+OK ${email.size} octets`, content: whole(email.open(), email.size) }
  }

  /** Clients fetch messages in order, so the next one is read while the client receives this one. */
  #readAhead(): void {
    const next = this.#next
    this.#next = undefined
    if (next && isSmall(next.entry))
      this.#ahead = { number: next.number, octets: readAhead(this.parts.mail, next.entry) }
  }

  /** One line for each message that is not deleted. */
  listing(lineOf: (number: number, entry: Entry) => string): string[] {
    const { entries = [], deleted } = this.drop ?? {}
    return entries.flatMap((entry, index) => (deleted?.has(index + 1) ? [] : [lineOf(index + 1, entry)]))
  }

  /** The UPDATE state: removes deleted messages. */
  async update(): Promise<string> {
    const { mail } = this.parts
    const { mailbox, entries, deleted } = this.drop ?? {}
    if (!mailbox || !entries || !deleted || deleted.size === 0) return '+OK POP3 server signing off'
    const uids = [...deleted].map((number) => entries[number - 1]?.uid as number).sort((a, b) => a - b)
    const gone = await mail.expunge(
      mailbox,
      uids.map((uid) => [uid, uid]),
    )
    return 'refused' in gone ? '-ERR [SYS/TEMP] Some deleted messages were not removed' : '+OK POP3 server signing off'
  }
}

/** Maximum octets of a message that is read into memory. */
const SMALL = 65_536

const isSmall = ({ size }: { readonly size: number }) => size <= SMALL

const retrieved = (octets: Buffer): Answer => ({ line: `+OK ${octets.length} octets`, content: octets })

/** A message's content; undefined when it cannot be read, which is handled when the client asks for it. */
async function readAhead(mail: MailStoreApi, { email: id }: Entry): Promise<Buffer | undefined> {
  try {
    const email = await mail.email(id)
    return email && (await email.read({ start: 0, end: email.size }))
  } catch {
    return undefined
  }
}

const isLines = (content: AsyncIterable<Uint8Array> | readonly string[]): content is readonly string[] =>
  Array.isArray(content)
