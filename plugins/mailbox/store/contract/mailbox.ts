/**
 * Mailboxes as the store's users see them, and how the store refuses.
 */

/** Identifies a mailbox. The id survives a rename (RFC 8474 MAILBOXID). */
export interface MailboxRef {
  readonly account: string
  readonly id: string
}

export const SPECIAL_USES = [
  '\\All',
  '\\Archive',
  '\\Drafts',
  '\\Flagged',
  '\\Junk',
  '\\Sent',
  '\\Snoozed',
  '\\Trash',
] as const
export type SpecialUse = (typeof SPECIAL_USES)[number]

export interface Mailbox extends MailboxRef {
  /** Levels divided by `/`, in Unicode NFC; the first mailbox of every account is `INBOX`. */
  readonly name: string
  /** RFC 3501 \Noselect: only a level for others below it. */
  readonly noSelect?: boolean
  readonly specialUse?: SpecialUse
  readonly subscribed: boolean
  /** Place among the mailboxes as clients show them, the lowest first. Absent: as the client sees fit. */
  readonly sortOrder?: number
  /** RFC 4314: rights by identifier (an account's id, `group:name`, `anyone`, each also with `-` before it); the owner has all. */
  readonly acl: Readonly<Record<string, string>>
  readonly uidValidity: number
  readonly uidNext: number
  /** RFC 7162 HIGHESTMODSEQ. */
  readonly modseq: number
  /** Changes before this one have been swept: a QRESYNC client from before it starts over. */
  readonly forgotten: number
  readonly messages: number
  readonly unseen: number
  readonly deleted: number
  /** Octets of all messages. */
  readonly size: number
  /** Different keywords in use; of those in a mailbox from before they were counted, only new ones. */
  readonly keywords?: number
}

export interface MetadataPlace {
  readonly account: string
  readonly mailbox?: string
  /** The owner of private annotations. */
  readonly who: string
}

/** Why not, by the response codes of RFC 5530 and RFC 9051. */
export interface Refused {
  readonly refused: 'NONEXISTENT' | 'ALREADYEXISTS' | 'CANNOT' | 'OVERQUOTA' | 'LIMIT' | 'HASCHILDREN' | 'TOOBIG'
  /** One line for the client's user. */
  readonly why: string
}

/** A result or a refusal. */
export type Or<T> = Promise<T | Refused>
