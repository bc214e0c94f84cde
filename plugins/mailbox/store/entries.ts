/**
 * Adds and removes entries of a mailbox within a change, with all counters.
 *
 * Invariants: UIDs are assigned once, in order; each entry is in the change list once, at its last modseq; counts,
 * sizes and UIDs change in the entry's commit; an entry holds its email from the commit that creates it to the one that
 * removes it, so content is neither missing nor leaked.
 */
import { type Change, isRefused } from './account-transactions.ts'
import type { MailboxRef, Refused, UidRange, Uids } from './api.ts'
import { hasTooMany, TOO_MANY_KEYWORDS } from './flags.ts'
import { noteEmail, noteMailbox } from './history.ts'
import { countKeywords, fittingFlags, type KeywordLimit, NO_LIMIT } from './keyword-counts.ts'
import { hasRoom, type Limits, mailboxHasRoom } from './limits.ts'
import { GONE, readMailbox, refused } from './mailbox.ts'
import {
  type ChangeKind,
  changeKey,
  type EntryRecord,
  type ExpungedRecord,
  entryKey,
  expungedKey,
  heldKey,
  type MailboxRecord,
  mailboxKey,
  readEmailId,
  uidsKey,
  vanishedKey,
} from './records.ts'
import { bucketOf, bucketsOf, eachUid, intersectUids, subtractUids, uidsOf } from './uids.ts'

const LAST_UID = 4_294_967_295

/** The mailbox a change works on; its record is written when the work is done. */
export interface Working {
  readonly change: Change
  readonly ref: MailboxRef
  record: MailboxRecord
  readonly buckets: Map<number, Uids>
}

export async function begin(change: Change, ref: MailboxRef): Promise<Working | Refused> {
  const record = await readMailbox(change, ref)
  if (!record) return GONE
  if (record.noSelect) return refused('CANNOT', 'This is only a level for other mailboxes')
  return { change, ref, record, buckets: new Map() }
}

async function bucket({ change, ref, buckets }: Working, number: number): Promise<Uids> {
  const known = buckets.get(number)
  if (known) return known
  const read = (await change.get<Uids>(uidsKey(ref.id, number))) ?? []
  buckets.set(number, read)
  return read
}

export async function finish(working: Working): Promise<void> {
  const { change, ref, record, buckets } = working
  for (const [number, uids] of buckets) {
    if (uids.length > 0) change.put(uidsKey(ref.id, number), uids)
    else change.del(uidsKey(ref.id, number))
  }
  const noted = await noteMailbox(change, ref, { ...record, modseq: await change.modseq() })
  change.put(mailboxKey(ref.account, ref.id), noted)
  change.tell(ref.id)
}

/** An entry's contribution to its mailbox's counts. */
export async function count(working: Working, { flags, size }: Pick<EntryRecord, 'flags' | 'size'>, sign: 1 | -1) {
  const { change, ref } = working
  const record = await countKeywords(change, { id: ref.id, record: working.record }, flags, sign)
  working.record = {
    ...record,
    messages: record.messages + sign,
    unseen: record.unseen + (flags.includes('\\Seen') ? 0 : sign),
    deleted: record.deleted + (flags.includes('\\Deleted') ? sign : 0),
    size: record.size + sign * size,
  }
}

async function countUsage(change: Change, { size }: Pick<EntryRecord, 'size'>, sign: 1 | -1): Promise<void> {
  const account = await change.account()
  const octets = account.octets + sign * size
  change.setAccount({ ...account, octets, messages: account.messages + sign })
}

type NewEntry = Omit<EntryRecord, 'modseq'> & { readonly uid?: number }

/** Adds an entry. The caller holds the email. */
export async function add(working: Working, { uid: wanted = 0, ...entry }: NewEntry): Promise<number> {
  const { change, ref } = working
  const uid = Math.max(working.record.uidNext, wanted)
  if (uid >= LAST_UID) throw new Error(`mailbox ${ref.id} has used all its UIDs`)
  const modseq = await change.modseq()
  const number = bucketOf(uid)
  working.buckets.set(number, uidsOf([...(await bucket(working, number)), [uid, uid]]))
  change.put(entryKey(ref.id, uid), { ...entry, modseq })
  change.put(changeKey(ref.id, modseq, uid), '+' satisfies ChangeKind)
  const { base, tag } = readEmailId(entry.email)
  change.put(heldKey(base, tag, ref.account, ref.id, uid), 1)
  await count(working, entry, 1)
  working.record = { ...working.record, uidNext: uid + 1 }
  await countUsage(change, entry, 1)
  await noteEmail(change, ref.account, entry, { places: 1, now: entry.saved })
  return uid
}

export const TOO_MANY_IN_MAILBOX = refused('LIMIT', 'Too many different keywords in one mailbox')

/** The flags that a message may have there; undefined when a keyword too many is to be refused. */
export const fitting = ({ change, ref, record }: Working, flags: readonly string[], limit: KeywordLimit) =>
  fittingFlags(change, { id: ref.id, record }, flags, limit)

export const FULL = refused('OVERQUOTA', 'The account has no room for this')

/** Adds entries to one mailbox, if the account has room for them; answers their UIDs. */
export async function addEntries(
  change: Change,
  ref: MailboxRef,
  entries: readonly NewEntry[],
  { limits, keywords = NO_LIMIT }: { limits?: Limits; keywords?: KeywordLimit } = {},
): Promise<readonly number[] | Refused> {
  const working = await begin(change, ref)
  if (isRefused(working)) return working
  if (entries.some(({ flags }) => hasTooMany(flags))) return TOO_MANY_KEYWORDS
  const octets = entries.reduce((sum, { size }) => sum + size, 0)
  const more = { octets, messages: entries.length }
  if (limits && !(mailboxHasRoom(working.record, limits, more) && (await hasRoom(change, limits, more)))) return FULL
  const uids: number[] = []
  for (const entry of entries) {
    const flags = await fitting(working, entry.flags, keywords)
    if (!flags) return TOO_MANY_IN_MAILBOX
    uids.push(await add(working, { ...entry, flags }))
  }
  await finish(working)
  return uids
}

/** How long expunges are remembered. */
export interface Remembering {
  readonly now: number
  /** Whether it may be brought back. */
  readonly keeps: boolean
}

/** Removes an entry. Its email is released, unless it can be restored. */
async function take(working: Working, uid: number, entry: EntryRecord, { now, keeps }: Remembering): Promise<void> {
  const { change, ref } = working
  const modseq = await change.modseq()
  change.del(entryKey(ref.id, uid))
  change.del(changeKey(ref.id, entry.modseq, uid))
  change.put(changeKey(ref.id, modseq, uid), '-' satisfies ChangeKind)
  change.put(vanishedKey(now, ref.account, ref.id, modseq, uid), 1)
  const { base, tag } = readEmailId(entry.email)
  if (keeps) {
    const kept: ExpungedRecord = { ...entry, from: working.record.name }
    change.put(expungedKey(ref.account, now, ref.id, uid), kept)
  } else {
    change.del(heldKey(base, tag, ref.account, ref.id, uid))
    change.letGo(base, tag)
  }
  await count(working, entry, -1)
  await countUsage(change, entry, -1)
  await noteEmail(change, ref.account, entry, { places: -1, now })
}

export async function takeAll(working: Working, uids: Uids, remembering: Remembering): Promise<Uids> {
  const taken: UidRange[] = []
  for (const number of bucketsOf(uids)) {
    const there = intersectUids(await bucket(working, number), uids)
    for (const uid of eachUid(there)) {
      const entry = await working.change.get<EntryRecord>(entryKey(working.ref.id, uid))
      if (entry) await take(working, uid, entry, remembering)
    }
    working.buckets.set(number, subtractUids(await bucket(working, number), there))
    taken.push(...there)
  }
  return uidsOf(taken)
}
