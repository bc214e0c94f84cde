/**
 * Flags of messages changed: of some in one mailbox, or of an email in all its places.
 */
import { type Change, isRefused } from './account-transactions.ts'
import type { Entry, FlagChange, MailboxRef, Refused, UidRange, Uids } from './api.ts'
import { begin, count, finish, fitting, TOO_MANY_IN_MAILBOX, type Working } from './entries.ts'
import { changeFlags, hasTooMany, sameFlags, TOO_MANY_KEYWORDS } from './flags.ts'
import { noteEmail } from './history.ts'
import { type ChangeKind, changeKey, type EntryRecord, entryKey } from './records.ts'
import { eachUid, uidsOf } from './uids.ts'

export interface FlagBatch {
  readonly ref: MailboxRef
  readonly uids: Uids
  readonly flagChange: FlagChange
  readonly maxKeywords: number
}

export async function flagBatch(
  change: Change,
  { ref, uids, flagChange, maxKeywords }: FlagBatch,
): Promise<{ readonly entries: readonly Entry[]; readonly modified: Uids } | Refused> {
  const working = await begin(change, ref)
  if (isRefused(working)) return working
  if (flagChange.how !== 'remove' && hasTooMany(flagChange.flags)) return TOO_MANY_KEYWORDS
  const entries: Entry[] = []
  const modified: UidRange[] = []
  let changed = false
  for (const uid of eachUid(uids)) {
    const entry = await change.get<EntryRecord>(entryKey(ref.id, uid))
    if (!entry) continue
    if (flagChange.unchangedSince !== undefined && entry.modseq > flagChange.unchangedSince) {
      modified.push([uid, uid])
      continue
    }
    const flags = changeFlags(entry.flags, flagChange)
    if (sameFlags(flags, entry.flags)) {
      entries.push({ uid, ...entry })
      continue
    }
    if (flags.length > entry.flags.length && hasTooMany(flags)) return TOO_MANY_KEYWORDS
    const news = flags.filter((flag) => !entry.flags.includes(flag))
    if (!(await fitting(working, news, { most: maxKeywords, excess: 'refuse' }))) return TOO_MANY_IN_MAILBOX
    entries.push({ uid, ...(await reflag(working, { uid, entry, flags })) })
    changed = true
  }
  if (changed) await finish(working)
  return { entries, modified: uidsOf(modified) }
}

async function reflag(
  working: Working,
  { uid, entry, flags }: { uid: number; entry: EntryRecord; flags: readonly string[] },
): Promise<EntryRecord> {
  const { change, ref } = working
  const modseq = await change.modseq()
  const next: EntryRecord = { ...entry, flags, modseq }
  await count(working, entry, -1)
  await count(working, next, 1)
  change.del(changeKey(ref.id, entry.modseq, uid))
  change.put(changeKey(ref.id, modseq, uid), '+' satisfies ChangeKind)
  change.put(entryKey(ref.id, uid), next)
  await noteEmail(change, ref.account, entry, { places: 0 })
  return next
}
