/**
 * The MailStore service: mailboxes and messages as IMAP4rev2 with CONDSTORE, QRESYNC, OBJECTID and SAVEDATE, POP3, web
 * mail and JMAP need them.
 *
 * What must stay true: whatever resolves is on stable storage; nobody waits for anybody else's session, and no mailbox
 * is ever locked or busy; a UID is used once and a UIDVALIDITY never goes backwards; content comes back byte for byte.
 * Saying no is a value (`Refused`); an exception means "not now".
 */
import type { ByteRange } from 'iems'
import { defineService, defineSignal } from 'iems'
import type { AccountChanges, AccountEmail, AccountLimits, Drift, Usage, UsageChange } from './contract/account.ts'
import type { Filing } from './contract/filing.ts'
import type { Mailbox, MailboxRef, MetadataPlace, Or, SpecialUse } from './contract/mailbox.ts'
import type { Changes, Copied, Email, Entry, FlagChange, NewMessage, Snapshot, Uids } from './contract/message.ts'
import type { TextQuery } from './contract/query.ts'

export type * from './contract/account.ts'
export type * from './contract/filing.ts'
export type * from './contract/mailbox.ts'
export type * from './contract/message.ts'
export * from './contract/query.ts'

// --- the service -----------------------------------------------------------------------------

export interface MailStoreApi {
  /** All mailboxes of an account in order of name; INBOX and the usual ones are made at the first call. */
  mailboxes(account: string): Promise<readonly Mailbox[]>
  /** By name (INBOX in any case), or undefined. */
  find(account: string, name: string): Promise<Mailbox | undefined>
  mailbox(ref: MailboxRef): Promise<Mailbox | undefined>
  /** Makes the levels above it too. */
  create(account: string, name: string, options?: { readonly specialUse?: SpecialUse }): Or<Mailbox>
  /** With everything below it; renaming INBOX moves its messages, as IMAP has it. */
  rename(ref: MailboxRef, name: string): Or<Mailbox>
  /** Its messages go; a mailbox with others below it stays as a level (`noSelect`). */
  remove(ref: MailboxRef): Or<null>
  subscribe(ref: MailboxRef, subscribed: boolean): Or<Mailbox>
  /** Names that stay subscribed though no mailbox has them any more (RFC 9051 section 6.3.7). */
  lostSubscriptions(account: string): Promise<readonly string[]>
  unsubscribeLost(account: string, name: string): Promise<void>
  /** Mailboxes of other accounts in which this one has any right. */
  shared(account: string): Promise<readonly Mailbox[]>
  /** RFC 4314: what an account may do with a mailbox; all rights for its owner. */
  rights(mailbox: Mailbox, account: string): Promise<string>
  setAcl(ref: MailboxRef, acl: Readonly<Record<string, string>>): Or<Mailbox>

  /**
   * RFC 5464 annotations by their full names in lower case, of a mailbox or (no mailbox) of an account: what everybody
   * sees, and below `/private` what this one has noted for himself.
   */
  metadata(place: MetadataPlace): Promise<Readonly<Record<string, string>>>
  /** Null removes. */
  setMetadata(place: MetadataPlace, values: Readonly<Record<string, string | null>>): Or<null>

  open(ref: MailboxRef): Or<Snapshot>
  /** In order of UID; UIDs that are not there are passed over. */
  entries(ref: MailboxRef, uids: Uids): AsyncIterable<Entry>
  changes(ref: MailboxRef, since: number): Or<Changes>
  /** All or none (RFC 3502). Each content is read before the next message is asked for. Answers their UIDs. */
  append(
    ref: MailboxRef,
    messages: Iterable<NewMessage> | AsyncIterable<NewMessage>,
  ): Or<{ readonly uidValidity: number; readonly uids: readonly number[] }>
  /** Answers the entries as they are now, and the UIDs that had changed since `unchangedSince`. */
  setFlags(
    ref: MailboxRef,
    uids: Uids,
    change: FlagChange,
  ): Or<{ readonly entries: readonly Entry[]; readonly modified: Uids }>
  /** Those of the UIDs that are still there; answers which. What goes for good can never be brought back. */
  expunge(ref: MailboxRef, uids: Uids, options?: { readonly forGood?: boolean }): Or<Uids>
  copy(
    ref: MailboxRef,
    uids: Uids,
    to: MailboxRef,
  ): Or<{ readonly uidValidity: number; readonly copied: readonly Copied[] }>
  /** A copy that is an expunge in the same commit within one account (RFC 6851). */
  move(
    ref: MailboxRef,
    uids: Uids,
    to: MailboxRef,
  ): Or<{ readonly uidValidity: number; readonly copied: readonly Copied[] }>
  /** Those of an account's emails in which a text stands; by the full-text index where that can tell. */
  search(query: TextQuery): AsyncIterable<string>
  /** The messages of a mailbox that `search` need be asked about; undefined when the index cannot tell quickly. */
  candidates(ref: MailboxRef, query: Pick<TextQuery, 'fields' | 'text' | 'how'>): Promise<Uids | undefined>
  /** Undefined when no mailbox holds it any more. */
  email(id: string): Promise<Email | undefined>

  /** Calls after every change of an account's mailboxes, with the ids of those that changed. May call for nothing. */
  watch(account: string, changed: (mailboxes: readonly string[]) => void): () => void
  usage(account: string): Promise<Usage>
  /** Of every account that has mailboxes, in order of id. */
  usages(): AsyncIterable<Usage & { readonly account: string }>
  /** The account's quota, as the hook `mailstore:limits` leaves it. */
  limitsOf(account: string): Promise<AccountLimits>
  /** What the accounts of a pool hold together. */
  poolUsage(pool: string): Promise<Usage>
  /** What the contents of all mailboxes take, each counted once, however many mailboxes hold it. */
  contentUsage(): Promise<Usage>
  /** The account counts to the pools of its limits from now on, with all that it holds. */
  joinPools(account: string): Promise<void>
  /** Counts the messages of an account, which joins its pools; `repair` puts wrong counts right. Exact while mail comes in. */
  recount(account: string, options: { readonly repair: boolean }): Promise<readonly Drift[]>
  /** The same for a pool, by the counts of its accounts. */
  recountPool(pool: string, options: { readonly repair: boolean }): Promise<readonly Drift[]>

  // --- a whole account, as JMAP sees it ---

  /** Emails with all their places, in the order of the ids; ids that the account does not hold are passed over. */
  emails(account: string, ids: readonly string[]): AsyncIterable<AccountEmail>
  /** The emails of a thread, the first received first. */
  thread(account: string, thread: string): Promise<readonly AccountEmail[]>
  /** Changes the flags of an email in all its places, in one commit. JMAP keywords are understood as well. */
  setEmailFlags(account: string, id: string, change: FlagChange): Or<AccountEmail>
  /** The state of an account's emails and mailboxes, for `accountChanges`. */
  accountState(account: string): Promise<string>
  /** `limit`: objects in one answer. `cannotCalculate`: the state is unknown, or its history has been forgotten. */
  accountChanges(
    account: string,
    since: string,
    options?: { readonly limit?: number },
  ): Promise<AccountChanges | 'cannotCalculate'>
  /** Keeps content for an account without filing it (RFC 8620 section 6.1), for the time that the options say. */
  upload(account: string, content: AsyncIterable<Uint8Array>): Or<{ readonly id: string; readonly size: number }>
  /** Undefined when it has expired, or is another account's. */
  openUpload(
    account: string,
    id: string,
  ): Promise<{ readonly size: number; open(range?: ByteRange): AsyncIterable<Uint8Array> } | undefined>
}

export const MailStore = defineService<MailStoreApi>('mailstore')

// --- signals ----------------------------------------------------------------------------------

/** A kernel has changed an account's mailboxes; without `mailboxes` many of them. `by` is that kernel. */
export const Changed = defineSignal<{
  readonly account: string
  readonly by: string
  readonly mailboxes?: readonly string[]
}>('mailstore:changed')

// --- hooks ------------------------------------------------------------------------------------

/** A user moved messages; where from and to, by special use, is what filters learn from. */
export interface Moved {
  readonly account: string
  readonly from: Mailbox
  readonly to: Mailbox
  readonly emails: readonly string[]
}

declare global {
  interface IemsHooks {
    /** A waterfall: each filter answers the filing with its own actions added (contract/filing.ts). */
    'mailstore:filing': (filing: Filing) => Filing | void
    'mailstore:moved': (moved: Moved) => void
    /** A waterfall that begins with the account's quota: each handler may answer other limits. Asked before each change. */
    'mailstore:limits': (limits: AccountLimits) => AccountLimits | void
    /** For thresholds and reports. */
    'mailstore:usage': (change: UsageChange) => void
  }
}
