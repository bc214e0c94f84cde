/**
 * Mailboxes renamed, with everything below them.
 */
import type { Clock, Store } from 'iems'
import { type Change, type ChangeAccount, isRefused } from './account-transactions.ts'
import type { Mailbox, MailboxRef, Or } from './api.ts'
import { noteMailbox } from './history.ts'
import { GONE, mailboxOf, readMailbox, refused } from './mailbox.ts'
import { namesBelow } from './mailbox-edits.ts'
import { isNewName, levelsAbove, readName } from './names.ts'
import { addMailbox, hasRoom, TOO_MANY } from './new-mailboxes.ts'
import { mailboxKey, nameKey, subscribedKey } from './records.ts'

export const BAD_NAME = refused('CANNOT', 'This cannot be the name of a mailbox')

export interface RenamingDeps {
  readonly store: Store
  readonly clock: Clock
  readonly changeAccount: ChangeAccount
  read(ref: MailboxRef): Promise<Mailbox | undefined>
  create(account: string, name: string): Or<Mailbox>
  /** Moves all that one mailbox holds at this moment to another. */
  moveAll(from: MailboxRef, to: MailboxRef): Or<null>
  maxMailboxes(account: string): Promise<number>
}

export function createRenaming({ store, clock, changeAccount, read, create, moveAll, maxMailboxes }: RenamingDeps) {
  async function rename(ref: MailboxRef, name: string): Or<Mailbox> {
    const { account, id } = ref
    const wanted = readName(name)
    if (wanted === undefined || !isNewName(wanted)) return BAD_NAME
    const now = await read(ref)
    if (!now) return GONE
    if (now.name === 'INBOX') return renameInbox(ref, wanted)
    if (wanted === 'INBOX' || wanted.startsWith(`${now.name}/`))
      return refused('CANNOT', 'A mailbox cannot become INBOX or go below itself')
    const most = await maxMailboxes(account)
    const below = await namesBelow(store, account, now.name)
    return changeAccount(account, async (change) => {
      const record = await readMailbox(change, ref)
      if (record?.name !== now.name) return GONE
      if (await change.get(nameKey(account, wanted))) return refused('ALREADYEXISTS', 'There is a mailbox of that name')
      if (!(await hasRoom(change, { store, account, maxMailboxes: most }, levelsAbove(wanted)))) return TOO_MANY
      for (const above of levelsAbove(wanted))
        if (!(await change.get(nameKey(account, above))))
          await addMailbox(change, { account, now: clock.now() }, { name: above })
      for (const old of [now.name, ...below])
        await renameOne(change, { account, old, name: wanted + old.slice(now.name.length) })
      const renamed = await readMailbox(change, { account, id })
      return renamed ? mailboxOf(ref, renamed) : GONE
    })
  }

  async function renameOne(change: Change, { account, old, name }: { account: string; old: string; name: string }) {
    const id = await change.get<string>(nameKey(account, old))
    const record = id === undefined ? undefined : await readMailbox(change, { account, id })
    if (id === undefined || !record) return
    change.del(nameKey(account, old))
    change.put(nameKey(account, name), id)
    change.del(subscribedKey(account, name))
    if (record.subscribed) change.put(subscribedKey(account, old), 1)
    change.put(mailboxKey(account, id), await noteMailbox(change, { account, id }, { ...record, name }))
    change.tell(id)
  }

  /** RFC 9051 section 6.3.6: INBOX stays and is empty, its messages are in the new one. */
  async function renameInbox(ref: MailboxRef, name: string): Or<Mailbox> {
    const made = await create(ref.account, name)
    if (isRefused(made)) return made
    const moved = await moveAll(ref, made)
    if (isRefused(moved)) return moved
    return (await read(made)) ?? GONE
  }

  return rename
}
