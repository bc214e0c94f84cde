/**
 * An account of another mail system as a move reads it, whatever keeps it: an IMAP server, a Maildir, an mbox.
 *
 * Invariants: a message's id never changes while the message exists; messages are listed in the order of their UIDs.
 */
import type { SpecialUse } from '../../../mailbox/store/api.ts'

export interface SourceFolder {
  /** As the source names it; identifies the folder in later runs. */
  readonly path: string
  /** Name here, levels divided by `/`. */
  readonly name: string
  readonly specialUse?: SpecialUse
  /** Undefined when the source does not know. */
  readonly subscribed?: boolean
  /** For clients that keep caches; undefined when the source assigns no UIDs. */
  readonly uids?: { readonly uidValidity: number; readonly uidNext: number }
}

export interface SourceMessage {
  /** Within its folder. */
  readonly id: string
  readonly uid?: number
  /** Octets; 0 when the source does not say. */
  readonly size: number
  readonly flags: readonly string[]
  /** Ms since 1970. */
  readonly received?: number
}

export interface SourceAccount {
  /** Identifies the account in later runs. */
  readonly id: string
  folders(): Promise<readonly SourceFolder[]>
  list(folder: SourceFolder): AsyncIterable<SourceMessage>
  /** The content of messages of the folder listed last, in any order; those that have gone are left out. */
  read(
    folder: SourceFolder,
    messages: readonly SourceMessage[],
  ): AsyncIterable<{ readonly message: SourceMessage; readonly content: Uint8Array }>
  close(): Promise<void>
}
