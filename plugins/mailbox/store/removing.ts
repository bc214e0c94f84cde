/**
 * Mailboxes removed, and names that stay subscribed after them.
 */
import { type Clock, type Key, type Store, unkey } from 'iems'
import { type ChangeAccount, isRefused } from './account-transactions.ts'
import type { Mailbox, MailboxRef, Or } from './api.ts'
import { noteMailboxGone } from './history.ts'
import { GONE, readMailbox, refused } from './mailbox.ts'
import { namesBelow } from './mailbox-edits.ts'
import { readName } from './names.ts'
import { addMailbox } from './new-mailboxes.ts'
import { mailboxKey, metadataOf, nameKey, removedKey, sharedKey, subscribedKey, subscribedOf } from './records.ts'

/** Names that stay subscribed after their mailbox. */
const MAX_LOST = 1000

export interface RemovingDeps {
  readonly store: Store
  readonly clock: Clock
  readonly changeAccount: ChangeAccount
  read(ref: MailboxRef): Promise<Mailbox | undefined>
  /** Called for a mailbox whose messages are to go. */
  removed(ref: MailboxRef): void
}

export function createRemoving({ store, clock, changeAccount, read, removed }: RemovingDeps) {
  async function remove(ref: MailboxRef): Or<null> {
    const { account, id } = ref
    const now = await read(ref)
    if (!now) return GONE
    if (now.name === 'INBOX') return refused('CANNOT', 'INBOX cannot be removed')
    const hasBelow = (await namesBelow(store, account, now.name)).length > 0
    if (hasBelow && now.noSelect) return refused('HASCHILDREN', 'There are mailboxes below it')
    const staysSubscribed = !hasBelow && now.subscribed && (await lostSubscriptions(account)).length < MAX_LOST
    const annotations: Key[] = []
    for await (const [at] of store.scan(metadataOf(account, id))) annotations.push(at)
    const done = await changeAccount(account, async (change) => {
      const record = await readMailbox(change, ref)
      if (record?.name !== now.name) return GONE
      const kept = await change.account()
      const { size, messages } = record
      change.setAccount({ ...kept, octets: kept.octets - size, messages: kept.messages - messages })
      change.del(mailboxKey(account, id))
      change.put(removedKey(account, id), record)
      change.del(nameKey(account, record.name))
      for (const identifier of Object.keys(record.acl)) change.del(sharedKey(identifier, account, id))
      for (const at of annotations) change.del(at)
      const { name, subscribed } = record
      if (hasBelow) await addMailbox(change, { account, now: clock.now() }, { name, noSelect: true, subscribed })
      else if (staysSubscribed) change.put(subscribedKey(account, name), 1)
      await noteMailboxGone(change, ref, { record, now: clock.now() })
      change.tell(id)
      return null
    })
    if (!isRefused(done)) removed(ref)
    return done
  }

  async function lostSubscriptions(account: string): Promise<readonly string[]> {
    const names: string[] = []
    for await (const [at] of store.scan(subscribedOf(account))) names.push(unkey(at)[2] as string)
    return names
  }

  async function unsubscribeLost(account: string, name: string): Promise<void> {
    const kept = readName(name)
    if (kept === undefined || !(await store.get(subscribedKey(account, kept)))) return
    await changeAccount(account, async (change) => {
      change.del(subscribedKey(account, kept))
      return null
    })
  }

  return { remove, lostSubscriptions, unsubscribeLost }
}
