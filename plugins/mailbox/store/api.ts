/**
 * The MailStore service: mailboxes and messages as IMAP4rev2 with CONDSTORE, QRESYNC, OBJECTID and SAVEDATE, POP3, web
 * mail and JMAP need them.
 *
 * What must stay true: whatever resolves is on stable storage; nobody waits for anybody else's session, and no mailbox
 * is ever locked or busy; a UID is used once and a UIDVALIDITY never goes backwards; content comes back byte for byte.
 * Saying no is a value (`Refused`); an exception means "not now".
 */
import type { ByteRange, Delivery, Recipient, Refusal } from 'iems'
import { defineService, defineSignal } from 'iems'
import type { EmailText, EncodedBody, MimePart } from 'iems/mime'
import type { Account } from '../../directory/static/api.ts'

export type { EmailText, Envelope, EnvelopeAddress, MimePart } from 'iems/mime'

// --- mailboxes ----------------------------------------------------------------------------

/** Which mailbox is meant. The id stays when it is renamed (RFC 8474 MAILBOXID). */
export interface MailboxRef {
  readonly account: string
  readonly id: string
}

export type SpecialUse = '\\All' | '\\Archive' | '\\Drafts' | '\\Flagged' | '\\Junk' | '\\Sent' | '\\Trash'

export interface Mailbox extends MailboxRef {
  /** Levels divided by `/`, in Unicode NFC; the first mailbox of every account is `INBOX`. */
  readonly name: string
  /** RFC 3501 \Noselect: only a level for others below it. */
  readonly noSelect?: boolean
  readonly specialUse?: SpecialUse
  readonly subscribed: boolean
  /** RFC 4314: rights by identifier (an account's id, `group:name`, `anyone`, each also with `-` before it); the owner has all. */
  readonly acl: Readonly<Record<string, string>>
  readonly uidValidity: number
  readonly uidNext: number
  /** RFC 7162 HIGHESTMODSEQ. */
  readonly modseq: number
  /** Changes before this one have been forgotten: a QRESYNC client from before it starts anew. */
  readonly forgotten: number
  readonly messages: number
  readonly unseen: number
  readonly deleted: number
  /** Octets of all messages. */
  readonly size: number
}

// --- messages -----------------------------------------------------------------------------

/** UIDs from the first to the last, both included. */
export type UidRange = readonly [first: number, last: number]
/** In order and without overlap. */
export type Uids = readonly UidRange[]

/** A message in a mailbox. */
export interface Entry {
  readonly uid: number
  /** RFC 8474 EMAILID: the content, the same in every mailbox that holds it. */
  readonly email: string
  /** RFC 8474 THREADID. */
  readonly thread: string
  /** System flags with their backslash, keywords without. */
  readonly flags: readonly string[]
  readonly modseq: number
  /** INTERNALDATE, ms since 1970. */
  readonly received: number
  /** RFC 8514 SAVEDATE, ms since 1970. */
  readonly saved: number
  /** Octets. */
  readonly size: number
}

/** A mailbox at one moment, from which a session counts its sequence numbers. */
export interface Snapshot {
  readonly mailbox: Mailbox
  readonly uids: Uids
}

/** What happened since a modseq. */
export interface Changes {
  /** Where these changes end: the `since` of the next question. */
  readonly mailbox: Mailbox
  /** Entries that are new or whose flags changed, in order of UID. */
  readonly changed: readonly Entry[]
  readonly vanished: Uids
  /** True when `since` lies before what is remembered: `vanished` is then incomplete. */
  readonly forgotten: boolean
}

export interface FlagChange {
  readonly how: 'add' | 'remove' | 'set'
  readonly flags: readonly string[]
  /** RFC 7162 UNCHANGEDSINCE. */
  readonly unchangedSince?: number
}

export interface NewMessage {
  readonly content: AsyncIterable<Uint8Array>
  readonly flags?: readonly string[]
  /** Default: now. */
  readonly received?: number
}

/** A copy's UID beside the original's. */
export interface Copied {
  readonly from: number
  readonly to: number
}

/** Octets of the content, or of what the body of an encoded message in it decodes to. */
export interface PartRange extends ByteRange {
  readonly within?: EncodedBody
}

/** A message's content, whichever mailbox it is in. */
export interface Email {
  readonly id: string
  readonly size: number
  /** Octets of the header, the blank line after it included. */
  readonly headerSize: number
  open(range?: PartRange): AsyncIterable<Uint8Array>
  /** The octets of the header, the blank line after it included; undefined for one beyond a mebibyte. */
  header(): Promise<Uint8Array | undefined>
  /** Made once and kept. */
  structure(): Promise<MimePart>
  /** A part's body with its transfer encoding undone; undefined for an encoding nobody knows. */
  decoded(part: MimePart): AsyncIterable<Uint8Array> | undefined
  /** The last field of that name (lower case), unfolded and otherwise as it stands. */
  field(name: string): Promise<string | undefined>
  /** What is searched in it, up to so many characters of its parts; default 1,048,576. */
  text(most?: number): Promise<EmailText>
  /** RFC 8970: what it says, in 256 characters or less. */
  preview(): Promise<string>
}

/** Text in any of these fields; `headers` are all but those named, each as `name: value`, `attachments` their names. */
export interface TextQuery {
  readonly account: string
  readonly emails: readonly string[]
  readonly fields: readonly ('from' | 'to' | 'cc' | 'bcc' | 'subject' | 'headers' | 'body' | 'attachments')[]
  readonly text: string
  /** `substring`: as IMAP SEARCH has it; `words`: every word, or one that begins so. Case and accents make no difference. */
  readonly how: 'substring' | 'words'
  /** Aborted when nobody wants the answer any more, which then throws. */
  readonly signal?: AbortSignal
}

export interface MetadataPlace {
  readonly account: string
  readonly mailbox?: string
  /** Whose private annotations are meant. */
  readonly who: string
}

// --- saying no --------------------------------------------------------------------------------

/** Why not, by the response codes of RFC 5530 and RFC 9051. */
export interface Refused {
  readonly refused: 'NONEXISTENT' | 'ALREADYEXISTS' | 'CANNOT' | 'OVERQUOTA' | 'LIMIT' | 'HASCHILDREN' | 'TOOBIG'
  /** One line for the client's user. */
  readonly why: string
}

/** Tells a refusal from a result. */
export type Or<T> = Promise<T | Refused>

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
  /** Octets that an account's mailboxes hold. */
  usage(account: string): Promise<number>
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

/** Where a message for one account goes: what Mailsort, quota and vacation decide. */
export interface Filing {
  readonly account: Account
  readonly recipient: Recipient
  /** Of a subaddress. */
  readonly detail?: string
  readonly delivery: Delivery
  /** Mailboxes by name, which are made if they are not there. None: it is discarded, which the account's owner asked for. */
  readonly into: readonly { readonly mailbox: string; readonly flags: readonly string[] }[]
  /** Set to refuse it for this recipient, for now or for ever. */
  readonly refusal?: Refusal
}

/** A user moved messages; where from and to, by special use, is what filters learn from. */
export interface Moved {
  readonly account: string
  readonly from: Mailbox
  readonly to: Mailbox
  readonly emails: readonly string[]
}

declare global {
  interface IemsHooks {
    /** A waterfall: each gets what the one before answered. */
    'mailstore:filing': (filing: Filing) => Filing | void
    'mailstore:moved': (moved: Moved) => void
  }
}
