/**
 * An account's emails across its mailboxes, as JMAP (RFC 8621) sees them.
 */

/** Usage of an account, without expunged messages that can still be restored. */
export interface Usage {
  readonly octets: number
  readonly messages: number
}

/** At most so much; null: no limit. */
export interface UsageLimits {
  readonly octets: number | null
  readonly messages: number | null
  /** Octets by which the limit may be exceeded. Default: 0. */
  readonly grace?: number
}

/** The shared limit of several accounts, such as those of a domain. */
export interface PoolLimits extends UsageLimits {
  readonly name: string
}

/** The limits of an account. */
export interface AccountLimits extends UsageLimits {
  readonly account: string
  /** The pools that the account counts to. The first change that adds a message makes it join them. */
  readonly pools?: readonly PoolLimits[]
  /** Mailboxes of the account, if fewer than the store allows. */
  readonly maxMailboxes?: number
  /** Of its mailboxes, by name. */
  readonly mailboxes?: Readonly<Record<string, UsageLimits>>
  /** A message that has no room is permanently refused. Default: the sender may try again. */
  readonly isRefusing?: boolean
}

/** Counts of an account, or of a pool, that are not what its messages add up to. */
export interface Drift {
  /** The name of a mailbox; absent for the account or pool as a whole. */
  readonly mailbox?: string
  readonly counted: Usage
  readonly actual: Usage
}

/** An account's usage has changed. Comes after the commit, and may be missed when a server stops. */
export interface UsageChange {
  readonly account: string
  readonly before: Usage
  readonly after: Usage
  /** Ids of the mailboxes that changed. */
  readonly mailboxes: readonly string[]
}

/** Ids; each in one of the lists. */
export interface ObjectChanges {
  readonly created: readonly string[]
  readonly updated: readonly string[]
  readonly destroyed: readonly string[]
}

/** RFC 8620 section 5.2, for emails and mailboxes together. */
export interface AccountChanges {
  /** The `since` of the next call. */
  readonly state: string
  /** There were more changes than the limit. */
  readonly hasMore: boolean
  readonly emails: ObjectChanges
  readonly mailboxes: ObjectChanges
  /** Threads that have gained or lost emails. */
  readonly threads: readonly string[]
}

/** One place of an email: a message in a mailbox. */
export interface Place {
  readonly mailbox: string
  readonly uid: number
}

/** An email of an account, with what its entries in all mailboxes say together. */
export interface AccountEmail {
  readonly id: string
  readonly thread: string
  /** At least one. */
  readonly places: readonly Place[]
  /**
   * `\Seen` if every place has it, any other flag or keyword if one has it (RFC 8621 section 4.1.1 leaves this to
   * servers); `\Deleted` belongs to a place and is never here. Keywords are in lower case.
   */
  readonly flags: readonly string[]
  /** As JMAP keywords: `$seen`, `$flagged`, `work`. */
  readonly keywords: readonly string[]
  /** The earliest INTERNALDATE, ms since 1970. */
  readonly received: number
  /** The earliest SAVEDATE, ms since 1970. */
  readonly saved: number
  /** Octets. */
  readonly size: number
  /** Of the last change of any of its places. */
  readonly modseq: number
}
