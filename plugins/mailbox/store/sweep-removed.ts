/**
 * The messages of removed mailboxes, taken out a part at a time.
 */
import { type Clock, type Store, unkey } from 'iems'
import type { ChangeAccount } from './account-transactions.ts'
import type { MailboxRef } from './api.ts'
import { noteEmail } from './history.ts'
import {
  allRemoved,
  changeKey,
  decode,
  type EntryRecord,
  entriesOf,
  entryKey,
  heldKey,
  keywordsOf,
  readEmailId,
  removedKey,
  uidsOfMailbox,
} from './records.ts'

const BATCH = 500
const LAST_UID = 4_294_967_295

export interface RemovedDeps {
  readonly store: Store
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly changeAccount: ChangeAccount
}

export function createSweepRemoved({ store, clock, signal, changeAccount }: RemovedDeps) {
  async function sweepRemoved(): Promise<void> {
    for await (const [at] of store.scan(allRemoved)) {
      const [, account, id] = unkey(at) as [string, string, string]
      await purge({ account, id })
    }
  }

  async function purge(ref: MailboxRef): Promise<void> {
    while (!signal.aborted) {
      const some: { uid: number; entry: EntryRecord }[] = []
      for await (const [at, value] of store.scan({ ...entriesOf(ref.id, [0, LAST_UID]), limit: BATCH }))
        some.push({ uid: unkey(at)[2] as number, entry: decode<EntryRecord>(value) })
      if (some.length === 0) return forget(ref)
      await changeAccount(ref.account, async (change) => {
        for (const { uid, entry } of some) {
          const { base, tag } = readEmailId(entry.email)
          change.del(entryKey(ref.id, uid))
          change.del(changeKey(ref.id, entry.modseq, uid))
          change.del(heldKey(base, tag, ref.account, ref.id, uid))
          change.letGo(base, tag)
          await noteEmail(change, ref.account, entry, { places: -1, now: clock.now() })
        }
        return null
      })
    }
  }

  async function forget({ account, id }: MailboxRef): Promise<void> {
    const ops = [{ del: removedKey(account, id) }]
    for (const range of [uidsOfMailbox(id), keywordsOf(id)])
      for await (const [at] of store.scan(range)) ops.push({ del: at })
    await store.commit(ops)
  }

  return { purge, sweepRemoved }
}
