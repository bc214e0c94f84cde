/**
 * Reads a mailbox, and the refusals for a missing one.
 */

import type { Change } from './account-transactions.ts'
import type { Mailbox, MailboxRef, Refused } from './api.ts'
import { type MailboxRecord, mailboxKey } from './records.ts'

export const refused = (code: Refused['refused'], why: string): Refused => ({ refused: code, why })
export const GONE = refused('NONEXISTENT', 'There is no such mailbox')

export function mailboxOf(
  { account, id }: MailboxRef,
  { v: _, created: _created, noted: _noted, ...record }: MailboxRecord,
): Mailbox {
  return { account, id, ...record }
}

export function readMailbox(change: Change, { account, id }: MailboxRef): Promise<MailboxRecord | undefined> {
  return change.get<MailboxRecord>(mailboxKey(account, id))
}
