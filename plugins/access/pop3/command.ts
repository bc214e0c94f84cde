/**
 * The interface between POP3 commands and their session.
 */
import type { Duplex } from 'node:stream'
import type { AskClient, Identity, LineReader, LineWriter, Log, Refusal, ServerSession } from 'iems'
import type { OldSession } from '../../gateway/move/api.ts'
import type { Entry, Mailbox, MailStoreApi } from '../../mailbox/store/api.ts'
import type { Options } from './options.ts'

export interface SessionDeps {
  readonly input: LineReader
  readonly output: LineWriter
  readonly options: Options
  readonly log: Log
  readonly mail: MailStoreApi
  /** The session on the old server of an account that has not been moved. */
  oldSession(account: string): Promise<OldSession | undefined>
  relay(there: Duplex, first: Uint8Array): Promise<void>
  readonly hostname: string
  isSecure(): boolean
  hasTls(): boolean
  startTls(): Promise<void>
  readonly open: Pick<ServerSession, 'mechanisms' | 'authenticate' | 'auth' | 'revoked'>
  /** Whether the login delay of this account has passed; records the login. */
  mayLogIn(account: string): boolean
  readonly signal: AbortSignal
}

/** The mailbox as it was at login. */
export interface Drop {
  readonly mailbox: Mailbox
  readonly entries: readonly Entry[]
  readonly deleted: Set<number>
}

/** A response. After its line come lines, a message in memory, or a stream; each is ended by a line with a dot. */
export type Answer =
  | string
  | { readonly line: string; readonly content: readonly string[] | Buffer | AsyncIterable<Uint8Array> }

type State = 'authorization' | 'transaction'

/** A session as its commands see it. */
export interface CommandContext {
  readonly parts: SessionDeps
  /** Undefined before login. */
  readonly drop: Drop | undefined
  /** The reply to a login when passwords are not accepted on this connection. */
  readonly obstacle: string | undefined
  /** The name from the last USER command. */
  readonly user: string | undefined
  setUser(name: string): void
  logIn(answer: Identity | Refusal): Promise<string>
  readonly ask: AskClient
  /** An existing message that is not deleted, by its number. */
  message(word: string | undefined): { readonly number: number; readonly entry: Entry } | undefined
  retrieve(number: number, entry: Entry): Promise<Answer>
  /** One line for each message that is not deleted. */
  listing(lineOf: (number: number, entry: Entry) => string): string[]
  update(): Promise<string>
  end(): void
}

export interface Command {
  readonly state: State | 'any'
  run(session: CommandContext, words: readonly string[], rest: string): Promise<Answer> | Answer
}

export const GONE = '-ERR No such message'
export const TEMPORARY = '-ERR [SYS/TEMP] Temporary failure, try again later'
export const IMPROPER = '-ERR Invalid response'

/** Number and total octets of the messages that are not deleted. */
export function counted({ entries, deleted }: Drop): string {
  const left = entries.filter((_, index) => !deleted.has(index + 1))
  return `${left.length} ${left.reduce((sum, { size }) => sum + size, 0)}`
}
