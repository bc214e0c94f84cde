/**
 * Creates mailboxes within a change.
 *
 * Invariants: ids and UIDVALIDITY values are unique; the record of a name and its mailbox change in one commit.
 */
import { randomBytes } from 'node:crypto'
import type { Store } from 'iems'
import type { Change } from './account-transactions.ts'
import type { Mailbox, SpecialUse } from './api.ts'
import { noteMailbox } from './history.ts'
import { mailboxOf, refused } from './mailbox.ts'
import { FIRST_MAILBOXES, levelsAbove } from './names.ts'
import { type MailboxRecord, mailboxKey, nameKey, namesOf, subscribedKey } from './records.ts'

export const TOO_MANY = refused('LIMIT', 'There are too many mailboxes')

interface NewMailbox {
  readonly name: string
  readonly specialUse?: SpecialUse | undefined
  readonly noSelect?: boolean
  readonly subscribed?: boolean
}

/** Writes a mailbox that is not there. */
export async function addMailbox(
  change: Change,
  { account, now }: { readonly account: string; readonly now: number },
  { name, specialUse, noSelect, subscribed = !noSelect }: NewMailbox,
): Promise<Mailbox> {
  const id = `M${randomBytes(12).toString('base64url')}`
  const kept = await change.account()
  // RFC 9051 section 2.3.1.1: greater than any before, also when the clock was set back.
  const validity = Math.max(kept.validity + 1, Math.floor(now / 1000))
  change.setAccount({ ...kept, validity })
  const record = await noteMailbox(
    change,
    { account, id },
    {
      v: 1,
      name,
      ...(noSelect ? { noSelect } : {}),
      ...(specialUse ? { specialUse } : {}),
      subscribed,
      acl: {},
      keywords: 0,
      uidValidity: validity,
      uidNext: 1,
      modseq: await change.modseq(),
      forgotten: 0,
      messages: 0,
      unseen: 0,
      deleted: 0,
      size: 0,
    },
  )
  change.put(mailboxKey(account, id), record)
  change.put(nameKey(account, name), id)
  change.del(subscribedKey(account, name))
  change.tell(id)
  return mailboxOf({ account, id }, record)
}

/** The mailboxes every account has, made by the first who asks. */
export async function ensureFirst(change: Change, account: string, now: number): Promise<void> {
  if (await change.get(nameKey(account, 'INBOX'))) return
  for (const first of FIRST_MAILBOXES) await addMailbox(change, { account, now }, first)
}

/** The mailbox of a name, made with the levels above it if need be. */
export async function ensureMailbox(
  change: Change,
  { account, now }: { readonly account: string; readonly now: number },
  wanted: NewMailbox,
): Promise<Mailbox> {
  await ensureFirst(change, account, now)
  const id = await change.get<string>(nameKey(account, wanted.name))
  const record = id === undefined ? undefined : await change.get<MailboxRecord>(mailboxKey(account, id))
  if (id !== undefined && record && !record.noSelect) return mailboxOf({ account, id }, record)
  for (const above of levelsAbove(wanted.name)) {
    if ((await change.get(nameKey(account, above))) === undefined)
      await addMailbox(change, { account, now }, { name: above })
  }
  if (id === undefined || !record) return addMailbox(change, { account, now }, wanted)
  const { noSelect: _, ...rest } = record
  const opened = await noteMailbox(change, { account, id }, { ...rest, subscribed: true })
  change.put(mailboxKey(account, id), opened)
  change.tell(id)
  return mailboxOf({ account, id }, opened)
}

export interface RoomForNames {
  readonly store: Store
  readonly account: string
  readonly maxMailboxes: number
}

/** Whether the account may have mailboxes of these names, as far as they are new. */
export async function hasRoom(
  change: Change,
  { store, account, maxMailboxes }: RoomForNames,
  names: readonly string[],
): Promise<boolean> {
  let count = 0
  for (const name of names) if ((await change.get(nameKey(account, name))) === undefined) count++
  if (count === 0) return true
  for await (const _ of store.scan({ ...namesOf(account), limit: maxMailboxes })) count++
  return count <= maxMailboxes
}
