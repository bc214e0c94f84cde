/**
 * The MailQuery service: searching, sorting and threading, with conditions and orders as data.
 *
 * A client protocol translates its own syntax into these values, and the results into its own responses. Invariants:
 * results do not depend on the full-text index or on any cache; a long query lets others run and ends when its signal
 * is aborted.
 */
import { defineService } from 'iems'
import type { AccountEmail } from './account.ts'
import type { MailboxRef } from './mailbox.ts'
import type { Entry, Uids } from './message.ts'

/** `headers`: all fields but the five before it, each as `name: value`. `attachments`: names of attachments. */
export type TextField = 'from' | 'to' | 'cc' | 'bcc' | 'subject' | 'headers' | 'body' | 'attachments'

/** A text in any of some fields, asked of some emails of an account. */
export interface TextQuery {
  readonly account: string
  readonly emails: readonly string[]
  readonly fields: readonly TextField[]
  readonly text: string
  /** `substring`: as in IMAP SEARCH; `words`: every word, or a word that begins with it. Ignores case and accents. */
  readonly how: 'substring' | 'words'
  /** Ends the search, which then throws the signal's reason. */
  readonly signal?: AbortSignal
}

/** Emails of an account that have every word, or a word that begins with it. */
export interface LatestQuery extends Pick<TextQuery, 'account' | 'fields' | 'text'> {
  /** Ids that are returned. */
  readonly most: number
}

/** Times in ms since 1970, sizes in octets. */
export type Condition =
  | { readonly kind: 'all' }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  /** UIDs of one mailbox; matches nothing in a query over a whole account. */
  | { readonly kind: 'uids'; readonly uids: Uids }
  | { readonly kind: 'mailbox'; readonly id: string }
  /** A system flag or a keyword, in any case. */
  | { readonly kind: 'flag'; readonly flag: string; readonly isSet: boolean }
  | { readonly kind: 'size'; readonly is: 'larger' | 'smaller'; readonly than: number }
  /** `before` excludes the moment itself, `since` includes it. `sent` is the Date field. */
  | {
      readonly kind: 'time'
      readonly of: 'received' | 'saved' | 'sent'
      readonly is: 'before' | 'since'
      readonly at: number
    }
  /** Whole days: `day` is midnight UTC of the day; `sent` uses the day in the Date field. */
  | {
      readonly kind: 'day'
      readonly of: 'received' | 'saved' | 'sent'
      readonly is: 'before' | 'on' | 'since'
      readonly day: number
    }
  /** A header field (lower case) whose decoded value contains the text; with an empty text, that has the field at all. */
  | { readonly kind: 'field'; readonly name: string; readonly text: string }
  | ({ readonly kind: 'text' } & Pick<TextQuery, 'fields' | 'text' | 'how'>)
  | { readonly kind: 'modseq'; readonly atLeast: number }
  | { readonly kind: 'email' | 'thread'; readonly id: string }
  | { readonly kind: 'threads'; readonly ids: ReadonlySet<string> }
  | { readonly kind: 'attachments'; readonly has: boolean }

/** RFC 5256 and RFC 5957 sort keys, and `flag`: messages with it come first. */
export type SortKey = (
  | {
      readonly by: 'received' | 'sent' | 'size' | 'subject' | 'from' | 'to' | 'cc' | 'displayFrom' | 'displayTo'
    }
  | { readonly by: 'flag'; readonly flag: string }
  /** Emails of these threads before the others. */
  | { readonly by: 'threads'; readonly ids: ReadonlySet<string> }
) & { readonly isReverse?: boolean }

interface Watched {
  /** Ends the query, which then throws the signal's reason. */
  readonly signal?: AbortSignal
  /** Called now and then with the number of messages read so far. */
  progress?(count: number): Promise<void> | void
}

export interface MailboxSearch extends Watched {
  readonly mailbox: MailboxRef
  /** Only these messages; all if absent. */
  readonly scope?: Uids
  readonly condition: Condition
}

export interface MailboxSort extends Watched {
  readonly mailbox: MailboxRef
  readonly uids: readonly number[]
  /** Messages that are equal stay in order of UID. */
  readonly order: readonly Exclude<SortKey, { readonly by: 'flag' | 'threads' }>[]
}

export interface MailboxThreads extends Watched {
  readonly mailbox: MailboxRef
  readonly uids: readonly number[]
  readonly algorithm: 'references' | 'orderedSubject'
}

/** RFC 5256: messages by reply relation. Trees may be thousands of levels deep. */
export interface ThreadTree {
  /** Absent for a message that others refer to and that is not among those asked for. */
  readonly message?: { readonly uid: number } | undefined
  readonly children: readonly ThreadTree[]
}

export interface AccountSearch extends Watched {
  readonly account: string
  /** A flag is set as `AccountEmail.flags` says. */
  readonly condition: Condition
  /** Default: the latest received first. Emails that are equal stay in order of id. */
  readonly order?: readonly SortKey[]
  /** Only the first email of each thread. */
  readonly collapseThreads?: boolean
}

export interface MailQueryApi {
  /** Messages of a mailbox that meet the condition, in order of UID. */
  search(query: MailboxSearch): AsyncIterable<Entry>
  /** The UIDs in the order asked for. UIDs that are not there sort as empty messages. */
  sort(query: MailboxSort): Promise<readonly number[]>
  threads(query: MailboxThreads): Promise<readonly ThreadTree[]>
  /** Emails of all mailboxes of an account that meet the condition, each once. */
  emails(query: AccountSearch): Promise<readonly AccountEmail[]>
  /** As `MailStoreApi.emails`, from memory for an account that was queried recently. */
  emailsById(account: string, ids: readonly string[]): Promise<readonly AccountEmail[]>
}

export const MailQuery = defineService<MailQueryApi>('mailquery')
