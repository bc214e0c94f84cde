/**
 * Restores expunged messages while they are retained.
 *
 * Invariants: a message is restored under a new UID, with its flags except \Deleted, and its email exists throughout:
 * one commit creates the new entry and removes the old record.
 */
import { type Clock, type Store, unkey } from 'iems'
import { type ChangeAccount, isRefused } from './account-transactions.ts'
import { addEntries } from './entries.ts'
import { ensureMailbox } from './new-mailboxes.ts'
import { decode, type ExpungedRecord, expungedOf, heldKey, readEmailId } from './records.ts'

export interface UndeleteDeps {
  readonly store: Store
  readonly clock: Clock
  readonly changeAccount: ChangeAccount
}

export interface Wanted {
  readonly account: string
  /** By the name it had; all if absent. */
  readonly mailbox?: string
  /** Expunged at or after this time, ms since 1970. */
  readonly since: number
}

/** The restored messages, and their location. */
export interface Restored {
  readonly mailbox: string
  readonly uid: number
}

export type Undelete = ReturnType<typeof createUndelete>

export function createUndelete({ store, clock, changeAccount }: UndeleteDeps) {
  return async function* undelete({ account, mailbox, since }: Wanted): AsyncGenerator<Restored> {
    for await (const [at, value] of store.scan(expungedOf(account))) {
      const [, , time, id, uid] = unkey(at) as [string, string, number, string, number]
      const { from, ...entry } = decode<ExpungedRecord>(value)
      if (time < since || (mailbox !== undefined && mailbox !== from)) continue
      const restored = await changeAccount(account, async (change) => {
        // It may have been restored or swept concurrently.
        if ((await change.get(at)) === undefined) return null
        const target = await ensureMailbox(change, { account, now: clock.now() }, { name: from })
        const flags = entry.flags.filter((flag) => flag !== '\\Deleted')
        const uids = await addEntries(change, target, [{ ...entry, flags, saved: clock.now() }])
        if (isRefused(uids)) return uids
        const { base, tag } = readEmailId(entry.email)
        change.del(at)
        change.del(heldKey(base, tag, account, id, uid))
        return { mailbox: from, uid: uids[0] as number }
      })
      if (isRefused(restored)) throw new Error(restored.why)
      if (restored) yield restored
    }
  }
}
