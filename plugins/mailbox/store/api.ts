/**
 * The MailStore service: mailboxes and messages as IMAP4rev2 with CONDSTORE, QRESYNC, OBJECTID and SAVEDATE, POP3, web
 * mail and JMAP need them.
 *
 * Invariants: a resolved change is on stable storage; no session waits for another, and no mailbox is ever locked; a
 * UID is used once and a UIDVALIDITY never decreases; content is returned byte for byte. A refusal is a value
 * (`Refused`); an exception means a temporary failure.
 */
import type { ByteRange } from 'iems'
import { defineService, defineSignal } from 'iems'
import type { AccountChanges, AccountEmail, AccountLimits, Drift, Usage, UsageChange } from './contract/account.ts'
import type { Filing } from './contract/filing.ts'
import type { Mailbox, MailboxRef, MetadataPlace, Or, SpecialUse } from './contract/mailbox.ts'
import type { Changes, Copied, Email, Entry, FlagChange, NewMessage, Snapshot, Uids } from './contract/message.ts'
import type { LatestQuery, TextQuery } from './contract/query.ts'

export type * from './contract/account.ts'
export type * from './contract/filing.ts'
export * from './contract/mailbox.ts'
export type * from './contract/message.ts'
export * from './contract/query.ts'
export { levelsAbove } from './names.ts'

/** Octets of an email that is read at once and kept while it is in use, because most readers look at several parts of it. */
export const IN_ONE_PIECE = 65_536

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
  setSortOrder(ref: MailboxRef, sortOrder: number): Or<Mailbox>
  /**
   * Continues the UIDs of another server's mailbox, whose clients keep their caches. UIDVALIDITY can be taken over only
   * before the mailbox has assigned a UID; UIDNEXT only grows.
   */
  continueUids(ref: MailboxRef, uids: { readonly uidValidity: number; readonly uidNext: number }): Or<Mailbox>
  /** Names that stay subscribed though no mailbox has them any more (RFC 9051 section 6.3.7). */
  lostSubscriptions(account: string): Promise<readonly string[]>
  unsubscribeLost(account: string, name: string): Promise<void>
  /** Mailboxes of other accounts in which this one has any right. */
  shared(account: string): Promise<readonly Mailbox[]>
  /** RFC 4314: what an account may do with a mailbox; all rights for its owner. */
  rights(mailbox: Mailbox, account: string): Promise<string>
  setAcl(ref: MailboxRef, acl: Readonly<Record<string, string>>): Or<Mailbox>

  /**
   * RFC 5464 annotations by full lower-case name, of a mailbox or (without one) of an account: shared ones, and below
   * `/private` those of this user.
   */
  metadata(place: MetadataPlace): Promise<Readonly<Record<string, string>>>
  /** Null removes. */
  setMetadata(place: MetadataPlace, values: Readonly<Record<string, string | null>>): Or<null>

  open(ref: MailboxRef): Or<Snapshot>
  /** In order of UID; UIDs that are not there are passed over. */
  entries(ref: MailboxRef, uids: Uids): AsyncIterable<Entry>
  changes(ref: MailboxRef, since: number): Or<Changes>
  /** All or none (RFC 3502). Each content is read before the next message is requested. Returns the UIDs. */
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
  /** Expunges those of the UIDs that exist, and returns them. With `forGood` they cannot be restored. */
  expunge(ref: MailboxRef, uids: Uids, options?: { readonly forGood?: boolean }): Or<Uids>
  copy(
    ref: MailboxRef,
    uids: Uids,
    to: MailboxRef,
  ): Or<{ readonly uidValidity: number; readonly copied: readonly Copied[] }>
  /**
   * Copies and expunges, in one commit within an account (RFC 6851). With `received` the messages have this
   * INTERNALDATE from then on, in ms since 1970.
   */
  move(
    ref: MailboxRef,
    uids: Uids,
    to: MailboxRef,
    options?: { readonly received?: number },
  ): Or<{ readonly uidValidity: number; readonly copied: readonly Copied[] }>
  /** Those of an account's emails that contain a text, by the full-text index where possible. */
  search(query: TextQuery): AsyncIterable<string>
  /**
   * Ids of those that came into the index last, without a look at the others, however many there are. `isAll`: there
   * are no more. Undefined when the index cannot answer quickly.
   */
  searchLatest(query: LatestQuery): Promise<{ readonly emails: readonly string[]; readonly isAll: boolean } | undefined>
  /** The messages of a mailbox that `search` must examine; undefined when the index cannot answer quickly. */
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
  /** Total usage of a pool's accounts. */
  poolUsage(pool: string): Promise<Usage>
  /** Size of the content of all mailboxes, each counted once. */
  contentUsage(): Promise<Usage>
  /** The account counts to the pools of its limits from now on, with all that it holds. */
  joinPools(account: string): Promise<void>
  /** Counts the messages of an account, which joins its pools; `repair` puts wrong counts right. Exact while mail comes in. */
  recount(account: string, options: { readonly repair: boolean }): Promise<readonly Drift[]>
  /** Recounts a pool from the counts of its accounts. */
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
