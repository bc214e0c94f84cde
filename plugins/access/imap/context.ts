/**
 * What a command sees of the session that runs it: the connection, who the client is, the selected mailbox, and what the
 * client has been told.
 */
import type { Identity, LineReader, LineWriter, Log, Refusal, ServerSession } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
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
  /** For administrators that set quotas; undefined without a plugin that keeps them. */
  readonly quotas: QuotasApi | undefined
  /** Whether scripts run for what clients do (RFC 6785). */
  readonly hasEvents: boolean
  readonly accounts: AccountsApi
  readonly query: MailQueryApi
  readonly keywords: Keywords
  readonly unseen: Unseen
  readonly hostname: string
  now(): number
  /** Whether the connection is under TLS. */
  isSecure(): boolean
  hasTls(): boolean
  startTls(): Promise<void>
  compress(): void
  readonly open: Pick<ServerSession, 'mechanisms' | 'authenticate' | 'auth' | 'revoked' | 'onRechecked'>
  /** What plugins say of a command, and tells them of a change. */
  readonly judge: (command: Omit<ImapCommand, 'remote'>) => Promise<Refusal | undefined>
  readonly tellPlugins: (change: Omit<ImapChange, 'remote'>) => Promise<void>
  /** Aborted when the server stops. */
  readonly signal: AbortSignal
}

export interface CommandContext {
  readonly parts: SessionDeps
  readonly mail: MailStoreApi
  readonly output: LineWriter
  /** Undefined until the client has logged in. */
  readonly account: { readonly id: string; readonly user: string; readonly roles: readonly string[] } | undefined
  readonly names: Names | undefined
  /** The selected mailbox. */
  readonly view: View | undefined
  /** Capabilities that ENABLE has turned on, in upper case. */
  readonly enabled: Set<string>
  isCompressed: boolean
  failedLogins: number
  /** NOTIFY: what is told of new messages of the selected mailbox. */
  newItems: readonly FetchItem[] | undefined
  /** Names and strings may be UTF-8: IMAP4rev2 or UTF8=ACCEPT has been enabled. */
  readonly isUtf8: boolean
  readonly isCondstore: boolean
  readonly isOver: boolean

  /** Ends the session after the present command. */
  end(): void
  /** Asked between steps of long work: undefined, or settles when others have had their turn. */
  pause(): Promise<void> | undefined
  /** Tells news as it comes until the client sends something. False: the session is over. */
  listen(tell: () => Promise<void>): Promise<boolean>

  /** False when the account no longer exists. */
  logIn(identity: Identity): Promise<boolean>
  logOut(): void
  enableCondstore(): void

  /** A name as this client writes it, in Unicode. */
  readName(cursor: Cursor): string
  /** What the client wrote for a name or a pattern, in Unicode. */
  fromClient(text: string): string
  writeName(name: string): string
  named(name: string): Promise<Named | undefined>
  /** The mailbox of a name, if the client may know of it and has these rights. */
  mailbox(name: string, rights: string): Promise<Mailbox | TaggedResponse>
  may(mailbox: Mailbox, rights: string): Promise<boolean>

  select(view: View): void
  deselect(): void
  /** Closes the selected mailbox of another account when its owner has taken the right to read it back. */
  shutOut(): Promise<TaggedResponse | undefined>
  /** The last of these messages, as many as one command may be about (RFC 9738), with the code that says so. */
  limited(uids: Uids): { readonly uids: Uids; readonly code?: string }

  /** Tells of changes in mailboxes of these accounts from now on, and no longer of those before; `selected` at once too. */
  watchOthers(
    accounts: readonly string[],
    tell: (mailboxes: readonly string[]) => Promise<void>,
    selected: boolean,
  ): void
  /** Tells of everything that has changed. */
  tellNews(): Promise<void>
  /** The flags that messages of the selected mailbox have and can be given. */
  writeFlags(view: View): void
  /** The client hears of new keywords before it meets them on a message. */
  learn(flags: readonly string[]): void
  /** A FETCH that tells flags. */
  flagLine(number: number, entry: Pick<Entry, 'uid' | 'flags' | 'modseq'>): string
  /** Tells plugins what the client has done to messages. */
  changed(change: Omit<ImapChange, 'remote' | 'user' | 'account'>): Promise<void>
}
