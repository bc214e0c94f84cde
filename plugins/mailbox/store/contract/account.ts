/**
 * An account's emails across its mailboxes, as JMAP (RFC 8621) sees them.
 */

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
  /** The earliest INTERNALDATE, ms since 1970. */
  readonly received: number
  /** The earliest SAVEDATE, ms since 1970. */
  readonly saved: number
  /** Octets. */
  readonly size: number
  /** Of the last change of any of its places. */
  readonly modseq: number
}
