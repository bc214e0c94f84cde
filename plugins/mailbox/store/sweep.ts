/**
 * Sweeps the message store: emails without holders, messages of removed mailboxes, old expunges, messages past the
 * configured retention.
 *
 * Invariants: it can stop at any moment and continue from the records; it removes an email only after checking that it
 * has no holder.
 */
import { type Clock, type Log, type Store, unkey } from 'iems'
import { type ChangeAccount, isRefused } from './account-transactions.ts'
import type { UidRange } from './api.ts'
import type { Emails } from './emails.ts'
import type { Mailboxes } from './mailboxes.ts'
import type { Messages } from './messages.ts'
import {
  allAccounts,
  allContents,
  allLetGo,
  decode,
  type ExpungedRecord,
  expungedKey,
  expungedOf,
  heldKey,
  readEmailId,
} from './records.ts'
import { createSweepHistory } from './sweep-history.ts'
import { createSweepRemoved } from './sweep-removed.ts'

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
  sweepUploads(signal: AbortSignal): Promise<void>
  /** Ms for which expunged messages can be brought back. */
  readonly undeleteMs: number
  /** Ms for which a QRESYNC client can learn of expunges. */
  readonly rememberMs: number
  readonly retention: readonly Retention[]
}

export function createSweep(parts: SweepDeps) {
  const { store, clock, log, signal, changeAccount, emails, mailboxes, messages } = parts
  const removed = createSweepRemoved(parts)
  const history = createSweepHistory(parts)

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

  /** Expunged messages whose time for restoring is over. */
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
    await removed.sweepRemoved()
    await sweepContents()
    await history.sweepVanished()
    await history.sweepGone()
    await parts.sweepUploads(signal)
    for await (const [at] of store.scan(allAccounts)) {
      if (signal.aborted) return
      const account = (unkey(at) as [string, string])[1]
      await sweepExpunged(account)
      for (const rule of parts.retention) await retain(account, rule)
    }
  }

  return { purge: removed.purge, sweep }
}
