/**
 * Messages in mailboxes: appended, flagged, copied, moved, expunged, and what changed since.
 *
 * What must stay true: a UID is given once, in order; each entry stands in the list of changes once, at its last modseq;
 * counts, sizes and UIDs change in the commit of the entry; an entry holds its email from the commit that makes it to
 * the one that removes it, so no content is missing and none is left.
 */
import { type Store, unkey } from 'iems'
import { type Change, type ChangeAccount, isRefused } from './account-transactions.ts'
import type {
  Changes,
  Copied,
  Entry,
  FlagChange,
  Mailbox,
  MailboxRef,
  Or,
  Refused,
  Snapshot,
  UidRange,
  Uids,
} from './api.ts'
import { countKeywords, fittingFlags, type KeywordLimit, NO_LIMIT } from './keyword-counts.ts'
import { GONE, mailboxOf, readMailbox, refused } from './mailbox.ts'
import {
  type ChangeKind,
  changeKey,
  changesOf,
  decode,
  type EntryRecord,
  type ExpungedRecord,
  entriesOf,
  entryKey,
  expungedKey,
  heldKey,
  type MailboxRecord,
  mailboxKey,
  readEmailId,
  uidsKey,
  vanishedKey,
} from './records.ts'
import { bucketOf, bucketsOf, countUids, eachUid, intersectUids, subtractUids, uidsOf } from './uids.ts'

/** Messages changed in one commit. */
const BATCH = 1000
/** Messages that one COPY, MOVE or APPEND may concern: all or none of them. */
const MAX_AT_ONCE = 20_000
/** Records that are read one by one rather than by going through all. */
const FEW = 4
const LAST_UID = 4_294_967_295
const ALL: Uids = [[1, LAST_UID]]

/** The mailbox a change works on; its record is written when the work is done. */
interface Working {
  readonly change: Change
  readonly ref: MailboxRef
  record: MailboxRecord
  readonly buckets: Map<number, Uids>
}

async function begin(change: Change, ref: MailboxRef): Promise<Working | Refused> {
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

async function finish(working: Working): Promise<void> {
  const { change, ref, record, buckets } = working
  for (const [number, uids] of buckets) {
    if (uids.length > 0) change.put(uidsKey(ref.id, number), uids)
    else change.del(uidsKey(ref.id, number))
  }
  change.put(mailboxKey(ref.account, ref.id), { ...record, modseq: await change.modseq() })
  change.tell(ref.id)
}

/** How an entry counts in its mailbox. */
async function count(working: Working, { flags, size }: Pick<EntryRecord, 'flags' | 'size'>, sign: 1 | -1) {
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

async function countOctets(change: Change, octets: number): Promise<void> {
  const account = await change.account()
  change.setAccount({ ...account, octets: account.octets + octets })
}

type NewEntry = Omit<EntryRecord, 'modseq'>

/** Adds an entry; who holds the email already has said so. */
async function add(working: Working, entry: NewEntry): Promise<number> {
  const { change, ref } = working
  const uid = working.record.uidNext
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
  await countOctets(change, entry.size)
  return uid
}

/** Keywords of one message. */
const KEYWORDS = 100
const TOO_MANY_KEYWORDS = refused('LIMIT', 'Too many keywords on one message')

const TOO_MANY_IN_MAILBOX = refused('LIMIT', 'Too many different keywords in one mailbox')

/** The flags that a message may have there; undefined when a keyword too many is to be refused. */
const fitting = ({ change, ref, record }: Working, flags: readonly string[], limit: KeywordLimit) =>
  fittingFlags(change, { id: ref.id, record }, flags, limit)

const FULL = refused('OVERQUOTA', 'The account has no room for this')

/** Adds entries to one mailbox, if the account has room for them; answers their UIDs. */
export async function addEntries(
  change: Change,
  ref: MailboxRef,
  entries: readonly NewEntry[],
  {
    quota = Number.POSITIVE_INFINITY,
    keywords = NO_LIMIT,
  }: { quota?: number | undefined; keywords?: KeywordLimit } = {},
): Promise<readonly number[] | Refused> {
  const working = await begin(change, ref)
  if (isRefused(working)) return working
  if (entries.some(({ flags }) => hasTooMany(flags))) return TOO_MANY_KEYWORDS
  const octets = entries.reduce((sum, { size }) => sum + size, 0)
  if ((await change.account()).octets + octets > quota) return FULL
  const uids: number[] = []
  for (const entry of entries) {
    const flags = await fitting(working, entry.flags, keywords)
    if (!flags) return TOO_MANY_IN_MAILBOX
    uids.push(await add(working, { ...entry, flags }))
  }
  await finish(working)
  return uids
}

/** How long what is expunged is remembered. */
export interface Remembering {
  readonly now: number
  /** Whether it may be brought back. */
  readonly keeps: boolean
}

/** Takes an entry out. Its email is let go, unless it is kept to be brought back. */
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
  await countOctets(change, -entry.size)
}

async function takeAll(working: Working, uids: Uids, remembering: Remembering): Promise<Uids> {
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

// --- the parts of the service ------------------------------------------------------------------

export interface MessagesDeps {
  readonly store: Store
  readonly changeAccount: ChangeAccount
  now(): number
  /** Octets an account may hold. */
  quotaOf(account: string): Promise<number | undefined>
  /** Whether what is expunged is kept for a while. */
  readonly keepsExpunged?: boolean
  /** Different keywords of one mailbox. */
  readonly maxKeywords: number
}

export type Messages = ReturnType<typeof createMessages>

export function createMessages(parts: MessagesDeps) {
  const { store, changeAccount, now, quotaOf, keepsExpunged = false, maxKeywords } = parts
  const leavesOut: KeywordLimit = { most: maxKeywords, excess: 'leave out' }

  async function read(ref: MailboxRef): Promise<Mailbox | undefined> {
    const value = await store.get(mailboxKey(ref.account, ref.id))
    return value && mailboxOf(ref, decode<MailboxRecord>(value))
  }

  /** The UIDs of a mailbox that are there, of those asked for. */
  async function present(ref: MailboxRef, asked: Uids): Promise<Uids> {
    const mailbox = await read(ref)
    if (!mailbox) return []
    const wanted = intersectUids(asked, [[1, mailbox.uidNext - 1]])
    const values = await Promise.all(bucketsOf(wanted).map((number) => store.get(uidsKey(ref.id, number))))
    const all = values.flatMap((value) => (value ? decode<Uids>(value) : []))
    return intersectUids(uidsOf(all), wanted)
  }

  async function open(ref: MailboxRef): Or<Snapshot> {
    // The record, then the UIDs, then the record again: a change in between is seen by its modseq.
    for (;;) {
      const before = await read(ref)
      if (!before) return GONE
      const uids = await present(ref, ALL)
      const mailbox = await read(ref)
      if (mailbox?.modseq === before.modseq) return { mailbox, uids }
    }
  }

  async function* entries(ref: MailboxRef, uids: Uids): AsyncGenerator<Entry> {
    // Whoever asks for a few knows them to be there.
    const wanted = countUids(uids) <= FEW ? uids : await present(ref, uids)
    for (const [first, last] of wanted) {
      if (last - first < FEW) {
        for (let uid = first; uid <= last; uid++) {
          const value = await store.get(entryKey(ref.id, uid))
          if (value) yield { uid, ...decode<EntryRecord>(value) }
        }
      } else {
        for await (const [at, value] of store.scan(entriesOf(ref.id, [first, last])))
          yield { uid: unkey(at)[2] as number, ...decode<EntryRecord>(value) }
      }
    }
  }

  async function changes(ref: MailboxRef, since: number): Or<Changes> {
    const mailbox = await read(ref)
    if (!mailbox) return GONE
    const changed: number[] = []
    const vanished: UidRange[] = []
    if (since < mailbox.modseq) {
      const upTo = { ...changesOf(ref.id, since), to: changeKey(ref.id, mailbox.modseq + 1, 0) }
      for await (const [at, value] of store.scan(upTo)) {
        const uid = unkey(at)[3] as number
        if (decode<ChangeKind>(value) === '-') vanished.push([uid, uid])
        else changed.push(uid)
      }
    }
    const found: Entry[] = []
    for (const uid of changed.sort((a, b) => a - b)) {
      // It may have changed again, or gone, since: the next question tells.
      const value = await store.get(entryKey(ref.id, uid))
      if (value) found.push({ uid, ...decode<EntryRecord>(value) })
    }
    return { mailbox, changed: found, vanished: uidsOf(vanished), forgotten: since < mailbox.forgotten }
  }

  /** Does work on the messages that are there, so many in one commit. */
  async function inBatches(
    uids: Uids,
    work: (batch: Uids) => Promise<Refused | undefined>,
  ): Promise<Refused | undefined> {
    for (const batch of batchesOf(uids)) {
      const refusal = await work(batch)
      if (refusal) return refusal
    }
    return undefined
  }

  async function setFlags(ref: MailboxRef, asked: Uids, flagChange: FlagChange) {
    const all: Entry[] = []
    const modified: UidRange[] = []
    const refusal = await inBatches(await present(ref, asked), async (uids) => {
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
    const refusal = await inBatches(await present(ref, asked), async (uids) => {
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

  async function copy(ref: MailboxRef, asked: Uids, to: MailboxRef) {
    const uids = await present(ref, asked)
    if (countUids(uids) > MAX_AT_ONCE) return refused('LIMIT', `No more than ${MAX_AT_ONCE} messages at once`)
    const quota = await quotaOf(to.account)
    return changeAccount(to.account, async (change) => {
      const target = await begin(change, to)
      if (isRefused(target)) return target
      const copied = await copyInto(target, { from: ref, uids, now: now(), keywords: leavesOut })
      if (quota !== undefined && (await change.account()).octets > quota) return FULL
      if (copied.length > 0) await finish(target)
      return { uidValidity: target.record.uidValidity, copied }
    })
  }

  async function move(ref: MailboxRef, asked: Uids, to: MailboxRef) {
    if (ref.account !== to.account) return moveAcross(ref, asked, to)
    const uids = await present(ref, asked)
    if (countUids(uids) > MAX_AT_ONCE) return refused('LIMIT', `No more than ${MAX_AT_ONCE} messages at once`)
    return changeAccount(ref.account, async (change) => {
      const target = await begin(change, to)
      if (isRefused(target)) return target
      const copied = await copyInto(target, { from: ref, uids, now: now(), keywords: leavesOut })
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

  return { open, entries, changes, setFlags, expunge, copy, move, moveAll }
}

function* batchesOf(uids: Uids): Generator<Uids> {
  let batch: UidRange[] = []
  let left = BATCH
  for (let [first, last] of uids) {
    while (first <= last) {
      const end = Math.min(last, first + left - 1)
      batch.push([first, end])
      left -= end - first + 1
      first = end + 1
      if (left > 0) continue
      yield batch
      batch = []
      left = BATCH
    }
  }
  if (batch.length > 0) yield batch
}

interface Copying {
  readonly from: MailboxRef
  readonly uids: Uids
  readonly now: number
  readonly keywords: KeywordLimit
}

async function copyInto(target: Working, { from, uids, now, keywords }: Copying): Promise<Copied[]> {
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
    copied.push({ from: uid, to: await add(target, { ...kept, flags, saved: now }) })
  }
  return copied
}

interface FlagBatch {
  readonly ref: MailboxRef
  readonly uids: Uids
  readonly flagChange: FlagChange
  readonly maxKeywords: number
}

async function flagBatch(change: Change, { ref, uids, flagChange, maxKeywords }: FlagBatch) {
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
  return next
}

const SYSTEM_FLAGS = ['\\Answered', '\\Flagged', '\\Deleted', '\\Seen', '\\Draft']

/** Whether there are more keywords than a message may have; system flags do not count. */
const hasTooMany = (flags: readonly string[]) => flags.length - SYSTEM_FLAGS.length > KEYWORDS

/** Flags without repetition; system flags in one spelling, keywords in that of their first use. */
export function readFlags(flags: readonly string[]): readonly string[] {
  const known = new Map<string, string>()
  for (const flag of flags) {
    const name = flag.toLowerCase()
    if (!known.has(name)) known.set(name, SYSTEM_FLAGS.find((one) => one.toLowerCase() === name) ?? flag)
  }
  known.delete('\\recent')
  return [...known.values()]
}

function changeFlags(now: readonly string[], { how, flags }: FlagChange): readonly string[] {
  const given = readFlags(flags)
  if (how === 'add') return readFlags([...now, ...given])
  if (how === 'set') return readFlags([...now.filter((flag) => includes(given, flag)), ...given])
  return now.filter((flag) => !includes(given, flag))
}

const includes = (flags: readonly string[], wanted: string) =>
  flags.some((flag) => flag.toLowerCase() === wanted.toLowerCase())

const sameFlags = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((flag) => includes(b, flag))
