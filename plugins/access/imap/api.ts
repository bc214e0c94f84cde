/**
 * The hooks of IMAP: commands of clients, and their changes to messages.
 *
 * Invariants: no password and no content passes here.
 */
import type { ConnectionInfo, Refusal } from 'iems'
import type { Mailbox } from '../../mailbox/store/api.ts'

export interface ImapClient {
  readonly remote: ConnectionInfo['remote']
  /** Absent before login. */
  readonly user?: string
  readonly account?: string
}

export interface ImapCommand extends ImapClient {
  /** `FETCH`, `UID FETCH`, … in upper case. */
  readonly name: string
  /** The selected mailbox. */
  readonly mailbox?: Mailbox
}

export interface ImapChange extends ImapClient {
  readonly cause: 'APPEND' | 'COPY' | 'MOVE' | 'FLAG'
  /** The mailbox that now holds the messages, and their UIDs in it. */
  readonly mailbox: Mailbox
  readonly uids: readonly number[]
  /** For FLAG: the flags that the command named. */
  readonly flags?: readonly string[]
}

declare global {
  interface IemsHooks {
    /** Before a command runs. A refusal becomes its NO, or a BYE for code 421. */
    'imap:command': (command: ImapCommand) => Refusal | void
    /** After a client has added or flagged messages, before it gets the response. */
    'imap:changed': (change: ImapChange) => void
  }
}
