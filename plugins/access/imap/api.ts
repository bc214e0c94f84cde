/**
 * The hooks of IMAP: what clients ask, and what they have done to messages.
 *
 * What must stay true: no password and no content passes here.
 */
import type { ConnectionInfo, Refusal } from 'iems'
import type { Mailbox } from '../../mailbox/store/api.ts'

export interface ImapClient {
  readonly remote: ConnectionInfo['remote']
  /** Absent before it has logged in. */
  readonly user?: string
  readonly account?: string
}

export interface ImapCommand extends ImapClient {
  /** `FETCH`, `UID FETCH`, … in upper case. */
  readonly name: string
  /** What is selected. */
  readonly mailbox?: Mailbox
}

export interface ImapChange extends ImapClient {
  readonly cause: 'APPEND' | 'COPY' | 'MOVE' | 'FLAG'
  /** Where the messages are now, and their UIDs there. */
  readonly mailbox: Mailbox
  readonly uids: readonly number[]
  /** Of FLAG: those the command named. */
  readonly flags?: readonly string[]
}

declare global {
  interface IemsHooks {
    /** Before a command runs; a refusal is its NO, or its BYE if it says 421. */
    'imap:command': (command: ImapCommand) => Refusal | void
    /** After messages have come or been flagged by a client, before it is told. */
    'imap:changed': (change: ImapChange) => void
  }
}
