/**
 * The service's operations on mailboxes: create, find, rename, share, remove.
 *
 * Invariants: INBOX always exists.
 */
import { type Clock, type Store, unkey } from 'iems'
import type { ChangeAccount } from './account-transactions.ts'
import type { Mailbox, MailboxRef, Or, SpecialUse } from './api.ts'
import { createContinueUids } from './continuing-uids.ts'
import { mailboxOf, refused } from './mailbox.ts'
import { editMailbox } from './mailbox-edits.ts'
import { isNewName, levelsAbove, readName } from './names.ts'
import { ensureFirst, ensureMailbox, hasRoom, TOO_MANY } from './new-mailboxes.ts'
import { decode, type MailboxRecord, mailboxesOf, mailboxKey, nameKey } from './records.ts'
import { createRemoving } from './removing.ts'
import { BAD_NAME, createRenaming } from './renaming.ts'
import { createSharing } from './sharing.ts'

export interface MailboxesDeps {
  readonly store: Store
  readonly clock: Clock
  readonly changeAccount: ChangeAccount
  /** Moves all that one mailbox holds at this moment to another. */
  moveAll(from: MailboxRef, to: MailboxRef): Or<null>
  /** Called for a mailbox whose messages must be removed. */
  removed(ref: MailboxRef): void
  groupsOf(account: string): Promise<readonly string[]>
  /** Mailboxes that an account may have. */
  maxMailboxes(account: string): Promise<number>
}

export type Mailboxes = ReturnType<typeof createMailboxes>

export function createMailboxes(parts: MailboxesDeps) {
  const { store, clock, changeAccount } = parts

  async function read(ref: MailboxRef): Promise<Mailbox | undefined> {
    const value = await store.get(mailboxKey(ref.account, ref.id))
    return value && mailboxOf(ref, decode<MailboxRecord>(value))
  }

  async function ensure(account: string): Promise<void> {
    if (await store.get(nameKey(account, 'INBOX'))) return
    await changeAccount(account, async (change) => {
      await ensureFirst(change, account, clock.now())
      return null
    })
  }

  async function all(account: string): Promise<readonly Mailbox[]> {
    await ensure(account)
    const mailboxes: Mailbox[] = []
    for await (const [at, value] of store.scan(mailboxesOf(account))) {
      const [, , id] = unkey(at) as [string, string, string]
      mailboxes.push(mailboxOf({ account, id }, decode<MailboxRecord>(value)))
    }
    return mailboxes.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async function find(account: string, name: string): Promise<Mailbox | undefined> {
    const wanted = readName(name)
    if (wanted === undefined) return undefined
    const at = nameKey(account, wanted)
    let id = await store.get(at)
    if (!id) {
      // INBOX is the first of the account's mailboxes.
      await ensure(account)
      id = await store.get(at)
    }
    return id && read({ account, id: decode<string>(id) })
  }

  async function create(
    account: string,
    name: string,
    options: { readonly specialUse?: SpecialUse } = {},
  ): Or<Mailbox> {
    const wanted = readName(name)
    if (wanted === undefined || !isNewName(wanted)) return BAD_NAME
    const most = await parts.maxMailboxes(account)
    return changeAccount(account, async (change) => {
      await ensureFirst(change, account, clock.now())
      const id = await change.get<string>(nameKey(account, wanted))
      const record = id === undefined ? undefined : await change.get<MailboxRecord>(mailboxKey(account, id))
      if (record && !record.noSelect) return refused('ALREADYEXISTS', 'There is a mailbox of that name')
      if (!record && !(await hasRoom(change, { store, account, maxMailboxes: most }, [...levelsAbove(wanted), wanted])))
        return TOO_MANY
      return ensureMailbox(change, { account, now: clock.now() }, { name: wanted, specialUse: options.specialUse })
    })
  }

  return {
    all,
    find,
    read,
    create,
    rename: createRenaming({ ...parts, read, create }),
    ...createRemoving({ ...parts, read }),
    ...createSharing({ ...parts, read }),
    continueUids: createContinueUids(changeAccount),
    subscribe: (ref: MailboxRef, subscribed: boolean) =>
      editMailbox(changeAccount, ref, (record) => ({ ...record, subscribed })),
    setSortOrder: (ref: MailboxRef, sortOrder: number) =>
      editMailbox(changeAccount, ref, (record) => ({ ...record, sortOrder })),
  }
}
