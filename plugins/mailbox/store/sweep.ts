/**
 * What time and crashes leave in the message store: emails nobody holds, messages of removed mailboxes, expunges that
 * are remembered long enough, messages past the admin's retention.
 *
 * What must stay true: it can stop at any moment and goes on from the records; it removes an email only when it has
 * looked that nobody holds it.
 */
import { type Clock, type Log, type Store, unkey } from 'iems'
import { type ChangeAccount, isRefused } from './account-transactions.ts'
import type { MailboxRef, UidRange } from './api.ts'
import type { Emails } from './emails.ts'
import type { Mailboxes } from './mailboxes.ts'
import type { Messages } from './messages.ts'
import {
  allAccounts,
  allContents,
  allLetGo,
  allRemoved,
  changeKey,
  decode,
  type EntryRecord,
  type ExpungedRecord,
  entriesOf,
  entryKey,
  expungedKey,
  expungedOf,
  heldKey,
  keywordsOf,
  type MailboxRecord,
  mailboxKey,
  readEmailId,
  removedKey,
  uidsOfMailbox,
  vanishedBefore,
} from './records.ts'

const BATCH = 500
const ALL_UIDS: UidRange = [0, 4_294_967_295]

export interface Retention {
  /** A mailbox by name, in every account. */
  readonly mailbox: string
  /** Ms after which its messages are expunged. */
  readonly after: number
}

export interface SweepDeps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  readonly changeAccount: ChangeAccount
  readonly emails: Emails
  readonly mailboxes: Mailboxes
  readonly messages: Messages
  /** Ms for which expunged messages can be brought back. */
  readonly undeleteMs: number
  /** Ms for which a QRESYNC client is told what vanished. */
  readonly rememberMs: number
  readonly retention: readonly Retention[]
}

export function createSweep(parts: SweepDeps) {
  const { store, clock, log, signal, changeAccount, emails, mailboxes, messages } = parts

  async function sweepLetGo(): Promise<void> {
    for await (const [at] of store.scan(allLetGo)) {
      if (signal.aborted) return
      const [, base, tag] = unkey(at) as [string, string, string]
      await emails.release(base, tag)
    }
  }

  /** Content that was brought and then filed nowhere, because the process ended in between. */
  async function sweepContents(): Promise<void> {
    for await (const [at] of store.scan(allContents)) {
      if (signal.aborted) return
      await emails.releaseContent((unkey(at) as [string, string])[1])
    }
  }

  /** The messages of removed mailboxes, a part at a time. */
  async function sweepRemoved(): Promise<void> {
    for await (const [at] of store.scan(allRemoved)) {
      const [, account, id] = unkey(at) as [string, string, string]
      await purge({ account, id })
    }
  }

  async function purge(ref: MailboxRef): Promise<void> {
    while (!signal.aborted) {
      const some: { uid: number; entry: EntryRecord }[] = []
      for await (const [at, value] of store.scan({ ...entriesOf(ref.id, ALL_UIDS), limit: BATCH }))
        some.push({ uid: unkey(at)[2] as number, entry: decode<EntryRecord>(value) })
      if (some.length === 0) return forget(ref)
      await changeAccount(ref.account, async (change) => {
        for (const { uid, entry } of some) {
          const { base, tag } = readEmailId(entry.email)
          change.del(entryKey(ref.id, uid))
          change.del(changeKey(ref.id, entry.modseq, uid))
          change.del(heldKey(base, tag, ref.account, ref.id, uid))
          change.letGo(base, tag)
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

  /** Expunges too old for QRESYNC, oldest first. */
  async function sweepVanished(): Promise<void> {
    let batch: { account: string; id: string; modseq: number; uid: number; at: Uint8Array }[] = []
    for await (const [at] of store.scan(vanishedBefore(clock.now() - parts.rememberMs))) {
      if (signal.aborted) return
      const [, , account, id, modseq, uid] = unkey(at) as [string, number, string, string, number, number]
      const before = batch[0]
      if (before && (before.id !== id || batch.length >= BATCH)) {
        await forgetVanished(batch)
        batch = []
      }
      batch.push({ account, id, modseq, uid, at })
    }
    if (batch.length > 0) await forgetVanished(batch)
  }

  async function forgetVanished(
    batch: readonly { account: string; id: string; modseq: number; uid: number; at: Uint8Array }[],
  ): Promise<void> {
    const { account, id } = batch[0] as { account: string; id: string }
    await changeAccount(account, async (change) => {
      const record = await change.get<MailboxRecord>(mailboxKey(account, id))
      for (const { at, modseq, uid } of batch) {
        change.del(at)
        change.del(changeKey(id, modseq, uid))
      }
      const forgotten = Math.max(record?.forgotten ?? 0, ...batch.map(({ modseq }) => modseq))
      if (record) change.put(mailboxKey(account, id), { ...record, forgotten })
      return null
    })
  }

  /** Expunged messages that nobody wanted back in time. */
  async function sweepExpunged(account: string): Promise<void> {
    const before = clock.now() - parts.undeleteMs
    const { from } = expungedOf(account)
    for await (const [at, value] of store.scan({ from, to: expungedKey(account, before, '', 0) })) {
      if (signal.aborted) return
      const [, , , mailbox, uid] = unkey(at) as [string, string, number, string, number]
      const { base, tag } = readEmailId(decode<ExpungedRecord>(value).email)
      await changeAccount(account, async (change) => {
        change.del(at)
        change.del(heldKey(base, tag, account, mailbox, uid))
        change.letGo(base, tag)
        return null
      })
    }
  }

  async function retain(account: string, { mailbox: name, after }: Retention): Promise<void> {
    const mailbox = await mailboxes.find(account, name)
    if (!mailbox) return
    const old: UidRange[] = []
    for await (const { uid, saved } of messages.entries(mailbox, [ALL_UIDS])) {
      // In the order in which they came.
      if (saved > clock.now() - after || signal.aborted) break
      old.push([uid, uid])
    }
    const gone = old.length > 0 ? await messages.expunge(mailbox, old) : []
    if (!isRefused(gone) && old.length > 0) log.info('retention', { account, mailbox: name, messages: old.length })
  }

  async function sweep(): Promise<void> {
    await sweepLetGo()
    await sweepRemoved()
    await sweepContents()
    await sweepVanished()
    for await (const [at] of store.scan(allAccounts)) {
      if (signal.aborted) return
      const account = (unkey(at) as [string, string])[1]
      await sweepExpunged(account)
      for (const rule of parts.retention) await retain(account, rule)
    }
  }

  return {
    purge,
    sweep,
  }
}
