/**
 * Messages copied and moved: within an account in one commit, all or none of them.
 */
import { type ChangeAccount, isRefused } from './account-transactions.ts'
import type { Copied, MailboxRef, Or, Uids } from './api.ts'
import { inBatches } from './batches.ts'
import { add, begin, FULL, finish, fitting, takeAll, type Working } from './entries.ts'
import type { KeywordLimit } from './keyword-counts.ts'
import { hasRoom, type Limits, mailboxHasRoom } from './limits.ts'
import { refused } from './mailbox.ts'
import { ALL, type Reading } from './reading.ts'
import { type EntryRecord, entryKey } from './records.ts'
import { countUids, eachUid, uidsOf } from './uids.ts'

/** Messages that one COPY, MOVE or APPEND may concern: all or none of them. */
const MAX_AT_ONCE = 20_000

export interface CopyingDeps {
  readonly reading: Reading
  readonly changeAccount: ChangeAccount
  now(): number
  limitsOf(account: string): Promise<Limits>
  expunge(ref: MailboxRef, uids: Uids): Or<Uids>
  /** Different keywords of one mailbox. */
  readonly maxKeywords: number
}

export function createCopying({ reading, changeAccount, now, limitsOf, expunge, maxKeywords }: CopyingDeps) {
  const { present } = reading
  const leavesOut: KeywordLimit = { most: maxKeywords, excess: 'leave out' }

  async function copy(ref: MailboxRef, asked: Uids, to: MailboxRef) {
    const uids = await present(ref, asked)
    if (countUids(uids) > MAX_AT_ONCE) return refused('LIMIT', `No more than ${MAX_AT_ONCE} messages at once`)
    const limits = await limitsOf(to.account)
    return changeAccount(to.account, async (change) => {
      const target = await begin(change, to)
      if (isRefused(target)) return target
      const copied = await copyInto(target, { from: ref, uids, now: now(), keywords: leavesOut })
      if (!mailboxHasRoom(target.record, limits) || !(await hasRoom(change, limits))) return FULL
      if (copied.length > 0) await finish(target)
      return { uidValidity: target.record.uidValidity, copied }
    })
  }

  async function move(ref: MailboxRef, asked: Uids, to: MailboxRef, { received }: Moving = {}) {
    if (ref.account !== to.account) return moveAcross(ref, asked, to)
    const uids = await present(ref, asked)
    if (countUids(uids) > MAX_AT_ONCE) return refused('LIMIT', `No more than ${MAX_AT_ONCE} messages at once`)
    const limits = await limitsOf(ref.account)
    return changeAccount(ref.account, async (change) => {
      const target = await begin(change, to)
      if (isRefused(target)) return target
      const copied = await copyInto(target, { from: ref, uids, now: now(), keywords: leavesOut, received })
      if (ref.id !== to.id && !mailboxHasRoom(target.record, limits)) return FULL
      if (copied.length > 0) await finish(target)
      // Begun only now: to move within one mailbox is to work on the record that has just been written.
      const source = await begin(change, ref)
      if (isRefused(source)) return source
      await takeAll(source, uidsOf(copied.map(({ from }) => [from, from])), { now: now(), keeps: false })
      if (copied.length > 0) await finish(source)
      return { uidValidity: target.record.uidValidity, copied }
    })
  }

  /** Between accounts there is no common commit: first it is there, then it is no longer here. */
  async function moveAcross(ref: MailboxRef, uids: Uids, to: MailboxRef) {
    const done = await copy(ref, uids, to)
    if (isRefused(done)) return done
    const gone = await expunge(ref, uidsOf(done.copied.map(({ from }) => [from, from])))
    return isRefused(gone) ? gone : done
  }

  /** All that a mailbox holds at this moment, a part at a time. */
  async function moveAll(from: MailboxRef, to: MailboxRef): Or<null> {
    const refusal = await inBatches(await present(from, ALL), async (batch) => {
      const moved = await move(from, batch, to)
      return isRefused(moved) ? moved : undefined
    })
    return refusal ?? null
  }

  return { copy, move, moveAll }
}

export interface Moving {
  readonly received?: number
}

interface Copying {
  readonly from: MailboxRef
  readonly uids: Uids
  readonly now: number
  readonly keywords: KeywordLimit
  /** INTERNALDATE of the copies. Default: the originals'. */
  readonly received?: number | undefined
}

async function copyInto(target: Working, { from, uids, now, keywords, received }: Copying): Promise<Copied[]> {
  const copied: Copied[] = []
  const { change } = target
  for (const uid of eachUid(uids)) {
    const entry = await change.get<EntryRecord>(entryKey(from.id, uid))
    if (!entry) continue
    // In another account it may be expunged at this moment, and with it the last hold on the email.
    if (from.account !== target.ref.account) change.check({ key: entryKey(from.id, uid), is: 'present' })
    const { modseq: _, ...kept } = entry
    if (from.account !== target.ref.account) change.index(entry.email)
    const flags = (await fitting(target, kept.flags, keywords)) ?? []
    copied.push({
      from: uid,
      to: await add(target, { ...kept, received: received ?? kept.received, flags, saved: now }),
    })
  }
  return copied
}
