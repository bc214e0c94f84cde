/**
 * Takes over UIDVALIDITY and UIDNEXT of a mailbox on another server.
 *
 * Invariants: no UID that this mailbox assigned under one UIDVALIDITY is visible under another; later mailboxes of the
 * account get greater UIDVALIDITY values.
 */
import type { ChangeAccount } from './account-transactions.ts'
import type { MailStoreApi } from './api.ts'
import { noteMailbox } from './history.ts'
import { GONE, mailboxOf, readMailbox, refused } from './mailbox.ts'
import { mailboxKey } from './records.ts'

/** UIDVALIDITY and UIDNEXT are unsigned 32-bit numbers above 0 (RFC 9051 section 2.3.1.1). */
const isUid = (value: number) => Number.isInteger(value) && value > 0 && value <= 4_294_967_295

export function createContinueUids(changeAccount: ChangeAccount): MailStoreApi['continueUids'] {
  return async (ref, { uidValidity, uidNext }) => {
    if (!isUid(uidValidity) || !isUid(uidNext)) return refused('CANNOT', 'UIDVALIDITY and UIDNEXT are 32-bit numbers')
    return changeAccount(ref.account, async (change) => {
      const record = await readMailbox(change, ref)
      if (!record) return GONE
      if (record.uidValidity !== uidValidity && record.uidNext > 1)
        return refused('CANNOT', 'The mailbox has assigned UIDs under another UIDVALIDITY')
      const account = await change.account()
      if (account.validity < uidValidity) change.setAccount({ ...account, validity: uidValidity })
      const next = await noteMailbox(change, ref, {
        ...record,
        uidValidity,
        uidNext: Math.max(record.uidNext, uidNext),
        modseq: await change.modseq(),
      })
      change.put(mailboxKey(ref.account, ref.id), next)
      change.tell(ref.id)
      return mailboxOf(ref, next)
    })
  }
}
