/**
 * Reads the content of mailboxes: UIDs, entries and changes.
 */
import { type Store, unkey } from 'iems'
import type { Changes, Entry, Mailbox, MailboxRef, Or, Snapshot, UidRange, Uids } from './api.ts'
import { GONE, mailboxOf } from './mailbox.ts'
import {
  type ChangeKind,
  changeKey,
  changesOf,
  decode,
  type EntryRecord,
  entriesOf,
  entryKey,
  type MailboxRecord,
  mailboxKey,
  uidsKey,
} from './records.ts'
import { bucketsOf, countUids, eachUid, intersectUids, uidsOf } from './uids.ts'

/** Messages that are read by their keys, which costs half of what going through a range of them does. */
const FEW = 64
/** Of these so many at once, because some callers want only the first. */
const TOGETHER = 16
export const ALL: Uids = [[1, 4_294_967_295]]

export type Reading = ReturnType<typeof createReading>

export function createReading(store: Store) {
  async function read(ref: MailboxRef): Promise<Mailbox | undefined> {
    const value = await store.get(mailboxKey(ref.account, ref.id))
    return value && mailboxOf(ref, decode<MailboxRecord>(value))
  }

  /** The UIDs of a mailbox that are there, of those asked for. */
  async function present(ref: MailboxRef, asked: Uids): Promise<Uids> {
    const mailbox = await read(ref)
    return mailbox ? uidsIn(store, mailbox, asked) : []
  }

  /** For work that passes over missing UIDs: a look at which are there pays only if many are asked for. */
  async function narrowed(ref: MailboxRef, asked: Uids): Promise<Uids> {
    return countUids(asked) <= FEW ? asked : present(ref, asked)
  }

  async function open(ref: MailboxRef): Or<Snapshot> {
    // The record, then the UIDs, then the record again: a change in between is seen by its modseq.
    for (;;) {
      const before = await read(ref)
      if (!before) return GONE
      const uids = await uidsIn(store, before, ALL)
      const mailbox = await read(ref)
      if (mailbox?.modseq === before.modseq) return { mailbox, uids }
    }
  }

  async function* entries(ref: MailboxRef, uids: Uids): AsyncGenerator<Entry> {
    for (const [first, last] of await narrowed(ref, uids)) {
      if (last - first >= FEW) {
        for await (const [at, value] of store.scan({ ...entriesOf(ref.id, [first, last]), limit: last - first + 1 }))
          yield { uid: unkey(at)[2] as number, ...decode<EntryRecord>(value) }
        continue
      }
      for (let start = first; start <= last; start += TOGETHER) {
        const some = [...eachUid([[start, Math.min(last, start + TOGETHER - 1)]])]
        const values = await Promise.all(some.map((uid) => store.get(entryKey(ref.id, uid))))
        for (const [index, uid] of some.entries()) {
          const value = values[index]
          if (value) yield { uid, ...decode<EntryRecord>(value) }
        }
      }
    }
  }

  async function changes(ref: MailboxRef, since: number): Or<Changes> {
    const mailbox = await read(ref)
    return mailbox ? changesIn(store, mailbox, since) : GONE
  }

  return { read, present, narrowed, open, entries, changes }
}

async function uidsIn(store: Store, { id, uidNext }: Mailbox, asked: Uids): Promise<Uids> {
  const wanted = intersectUids(asked, [[1, uidNext - 1]])
  const values = await Promise.all(bucketsOf(wanted).map((number) => store.get(uidsKey(id, number))))
  const all = values.flatMap((value) => (value ? decode<Uids>(value) : []))
  return intersectUids(uidsOf(all), wanted)
}

async function changesIn(store: Store, mailbox: Mailbox, since: number): Promise<Changes> {
  const { id } = mailbox
  const changed: number[] = []
  const vanished: UidRange[] = []
  if (since < mailbox.modseq) {
    const upTo = { ...changesOf(id, since), to: changeKey(id, mailbox.modseq + 1, 0) }
    for await (const [at, value] of store.scan(upTo)) {
      const uid = unkey(at)[3] as number
      if (decode<ChangeKind>(value) === '-') vanished.push([uid, uid])
      else changed.push(uid)
    }
  }
  const found: Entry[] = []
  for (const uid of changed.sort((a, b) => a - b)) {
    // It may have changed again or been removed: the next request shows that. With its later mod-sequence, a client that
    // comes back after a crash would ask only for what came after it, and miss other changes in between.
    const value = await store.get(entryKey(id, uid))
    if (!value) continue
    const entry = decode<EntryRecord>(value)
    found.push({ uid, ...entry, modseq: Math.min(entry.modseq, mailbox.modseq) })
  }
  return { mailbox, changed: found, vanished: uidsOf(vanished), forgotten: since < mailbox.forgotten }
}
