/**
 * One mailbox's record changed by itself, and what is below a mailbox.
 */
import { type Store, unkey } from 'iems'
import type { ChangeAccount } from './account-transactions.ts'
import type { Mailbox, MailboxRef, Or } from './api.ts'
import { noteMailbox } from './history.ts'
import { GONE, mailboxOf, readMailbox } from './mailbox.ts'
import { type MailboxRecord, mailboxKey, namesOf } from './records.ts'

/** Mailboxes below a name. Read outside the change: one created meanwhile keeps its old name. */
export async function namesBelow(store: Store, account: string, name: string): Promise<readonly string[]> {
  const below: string[] = []
  for await (const [at] of store.scan(namesOf(account))) {
    const [, , other] = unkey(at) as [string, string, string]
    if (other.startsWith(`${name}/`)) below.push(other)
  }
  return below
}

/** Changes a mailbox's record. */
export function editMailbox(
  changeAccount: ChangeAccount,
  ref: MailboxRef,
  edit: (record: MailboxRecord) => MailboxRecord,
): Or<Mailbox> {
  return changeAccount(ref.account, async (change) => {
    const record = await readMailbox(change, ref)
    if (!record) return GONE
    const next = await noteMailbox(change, ref, edit(record))
    change.put(mailboxKey(ref.account, ref.id), next)
    change.tell(ref.id)
    return mailboxOf(ref, next)
  })
}
