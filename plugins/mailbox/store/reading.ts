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
import { bucketsOf, countUids, intersectUids, uidsOf } from './uids.ts'

/** Records that are read one by one rather than by going through all. */
const FEW = 4
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
    // A caller that requests a few knows that they exist.
    const wanted = countUids(uids) <= FEW ? uids : await present(ref, uids)
    for (const [first, last] of wanted) {
      if (last - first < FEW) {
        for (let uid = first; uid <= last; uid++) {
          const value = await store.get(entryKey(ref.id, uid))
          if (value) yield { uid, ...decode<EntryRecord>(value) }
        }
      } else {
        for await (const [at, value] of store.scan({ ...entriesOf(ref.id, [first, last]), limit: last - first + 1 }))
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
      // It may have changed again or been removed: the next request shows that. With its later mod-sequence, a client that
      // comes back after a crash would ask only for what came after it, and miss other changes in between.
      const value = await store.get(entryKey(ref.id, uid))
      if (!value) continue
      const entry = decode<EntryRecord>(value)
      found.push({ uid, ...entry, modseq: Math.min(entry.modseq, mailbox.modseq) })
    }
    return { mailbox, changed: found, vanished: uidsOf(vanished), forgotten: since < mailbox.forgotten }
  }

  return { read, present, open, entries, changes }
}
