/**
 * Messages in mailboxes, as the service offers them: read, flagged, expunged, copied, moved.
 */
import type { Store } from 'iems'
import { type ChangeAccount, isRefused } from './account-transactions.ts'
import type { Entry, FlagChange, MailboxRef, Or, UidRange, Uids } from './api.ts'
import { inBatches } from './batches.ts'
import { createCopying } from './copying.ts'
import { begin, finish, takeAll } from './entries.ts'
import { flagBatch } from './flagging.ts'
import type { Limits } from './limits.ts'
import { createReading } from './reading.ts'
import { uidsOf } from './uids.ts'

export interface MessagesDeps {
  readonly store: Store
  readonly changeAccount: ChangeAccount
  now(): number
  limitsOf(account: string): Promise<Limits>
  /** Whether expunged messages can be restored for a while. */
  readonly keepsExpunged?: boolean
  /** Different keywords of one mailbox. */
  readonly maxKeywords: number
}

export type Messages = ReturnType<typeof createMessages>

export function createMessages(deps: MessagesDeps) {
  const { store, changeAccount, now, keepsExpunged = false, maxKeywords } = deps
  const reading = createReading(store)
  const { narrowed, open, entries, changes } = reading

  async function setFlags(ref: MailboxRef, asked: Uids, flagChange: FlagChange) {
    const all: Entry[] = []
    const modified: UidRange[] = []
    const refusal = await inBatches(await narrowed(ref, asked), async (uids) => {
      const done = await changeAccount(ref.account, async (change) =>
        flagBatch(change, { ref, uids, flagChange, maxKeywords }),
      )
      if (isRefused(done)) return done
      all.push(...done.entries)
      modified.push(...done.modified)
      return undefined
    })
    return refusal ?? { entries: all, modified: uidsOf(modified) }
  }

  async function expunge(ref: MailboxRef, asked: Uids, { forGood = false } = {}): Or<Uids> {
    const remembering = { now: now(), keeps: keepsExpunged && !forGood }
    const gone: UidRange[] = []
    const refusal = await inBatches(await narrowed(ref, asked), async (uids) => {
      const done = await changeAccount(ref.account, async (change) => {
        const working = await begin(change, ref)
        if (isRefused(working)) return working
        const taken = await takeAll(working, uids, remembering)
        if (taken.length > 0) await finish(working)
        return taken
      })
      if (isRefused(done)) return done
      gone.push(...done)
      return undefined
    })
    return refusal ?? uidsOf(gone)
  }

  return { open, entries, changes, setFlags, expunge, ...createCopying({ ...deps, reading, expunge }) }
}
