/**
 * A command's view of its session: the connection, the client's identity, the selected mailbox, and pending
 * notifications.
 */
import type { Duplex } from 'node:stream'
import type { Identity, LineReader, LineWriter, Log, Refusal, ServerSession } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { OldSession } from '../../gateway/move/api.ts'
import type { QuotasApi } from '../../mailbox/quota/api.ts'
import type { Entry, Mailbox, MailQueryApi, MailStoreApi, Uids } from '../../mailbox/store/api.ts'
import type { ImapChange, ImapCommand } from './api.ts'
import type { Cursor } from './grammar/cursor.ts'
import type { FetchItem } from './grammar/fetch.ts'
import type { Keywords } from './keywords.ts'
import type { Named, Names } from './names.ts'
import type { Options } from './options.ts'
import type { TaggedResponse } from './responses.ts'
import type { Unseen } from './unseen.ts'
import type { View } from './view.ts'

export interface SessionDeps {
  readonly input: LineReader
  readonly output: LineWriter
  readonly options: Options
  readonly log: Log
  readonly mail: MailStoreApi
  /** For administrators who set quotas; undefined without a quota plugin. */
  readonly quotas: QuotasApi | undefined
  /** Whether scripts run for what clients do (RFC 6785). */
  readonly hasEvents: boolean
  readonly accounts: AccountsApi
  readonly query: MailQueryApi
  readonly keywords: Keywords
  readonly unseen: Unseen
  /** The session on the old server of an account that has not been moved. */
  oldSession(account: string): Promise<OldSession | undefined>
  readonly hostname: string
  now(): number
  /** Whether the connection uses TLS. */
  isSecure(): boolean
  hasTls(): boolean
  startTls(): Promise<void>
  compress(): void
  relay(there: Duplex, first: Uint8Array): Promise<void>
  readonly open: Pick<ServerSession, 'mechanisms' | 'authenticate' | 'auth' | 'revoked' | 'onRechecked'>
  /** Calls the hooks for a command and for a change. */
  readonly judge: (command: Omit<ImapCommand, 'remote'>) => Promise<Refusal | undefined>
  readonly tellPlugins: (change: Omit<ImapChange, 'remote'>) => Promise<void>
  /** Aborts when the server stops. */
  readonly signal: AbortSignal
}

export interface CommandContext {
  readonly parts: SessionDeps
  readonly mail: MailStoreApi
  readonly output: LineWriter
  /** Undefined before login. */
  readonly account: { readonly id: string; readonly user: string; readonly roles: readonly string[] } | undefined
  readonly names: Names | undefined
  /** The selected mailbox. */
  readonly view: View | undefined
  /** Capabilities turned on by ENABLE, in upper case. */
  readonly enabled: Set<string>
  isCompressed: boolean
  failedLogins: number
  /** NOTIFY: the items sent for new messages of the selected mailbox. */
  newItems: readonly FetchItem[] | undefined
  /** Names and strings may be UTF-8, because IMAP4rev2 or UTF8=ACCEPT is enabled. */
  readonly isUtf8: boolean
  readonly isCondstore: boolean
  readonly isOver: boolean

  /** Ends the session after the current command. */
  end(): void
  /**
   * Consulted between steps of long work: undefined, or a promise that resolves after other sessions had their turn.
   */
  pause(): Promise<void> | undefined
  /** Sends notifications until the client sends something. False: the session has ended. */
  listen(tell: () => Promise<void>): Promise<boolean>

  /** False when the account no longer exists. */
  logIn(identity: Identity): Promise<boolean>
  logOut(): void
  enableCondstore(): void

  /** Reads a mailbox name in this client's encoding. */
  readName(cursor: Cursor): string
  /** Decodes a name or pattern from the client. */
  fromClient(text: string): string
  writeName(name: string): string
  named(name: string): Promise<Named | undefined>
  /** The mailbox with that name, if the client may see it and has these rights. */
  mailbox(name: string, rights: string): Promise<Mailbox | TaggedResponse>
  may(mailbox: Mailbox, rights: string): Promise<boolean>

  select(view: View): void
  deselect(): void
  /** Closes the selected mailbox of another account when its owner has revoked the right to read. */
  shutOut(): Promise<TaggedResponse | undefined>
  /** The last of these messages within the limit per command (RFC 9738), with the response code. */
  limited(uids: Uids): { readonly uids: Uids; readonly code?: string }

  /**
   * Sends changes in mailboxes of these accounts from now on, replacing earlier ones; `selected`: also of the selected
   * one, at once.
   */
  watchOthers(
    accounts: readonly string[],
    tell: (mailboxes: readonly string[]) => Promise<void>,
    selected: boolean,
  ): void
  /** Sends all changes. */
  sendNews(): Promise<void>
  /** Sends the flags and permanent flags of the selected mailbox. */
  writeFlags(view: View): void
  /** Announces new keywords before a message shows them. */
  learn(flags: readonly string[]): void
  /** A FETCH response with flags. */
  flagLine(number: number, entry: Pick<Entry, 'uid' | 'flags' | 'modseq'>): string
  /** Notifies plugins of the client's changes to messages. */
  changed(change: Omit<ImapChange, 'remote' | 'user' | 'account'>): Promise<void>
}
