/**
 * Removes history that is too old for clients: expunges, and removals in accounts' histories.
 */
import { type Clock, type Key, type Store, unkey } from 'iems'
import type { ChangeAccount } from './account-transactions.ts'
import {
  changeKey,
  goneBefore,
  type LogKind,
  logKey,
  type MailboxRecord,
  mailboxKey,
  vanishedBefore,
} from './records.ts'

const BATCH = 500

export interface HistoryDeps {
  readonly store: Store
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly changeAccount: ChangeAccount
  /** Ms for which clients can learn of removals. */
  readonly rememberMs: number
}

interface Gone {
  readonly at: Key
  readonly account: string
  readonly modseq: number
  readonly log: Key
}

export function createSweepHistory({ store, clock, signal, changeAccount, rememberMs }: HistoryDeps) {
  /** Expunges too old for QRESYNC, oldest first. */
  async function sweepVanished(): Promise<void> {
    let batch: { account: string; id: string; modseq: number; uid: number; at: Uint8Array }[] = []
    for await (const [at] of store.scan(vanishedBefore(clock.now() - rememberMs))) {
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

  /** Removals in accounts, oldest first. */
  async function sweepGone(): Promise<void> {
    let batch: Gone[] = []
    for await (const [at] of store.scan(goneBefore(clock.now() - rememberMs))) {
      if (signal.aborted) return
      const [, , account, modseq, kind, id] = unkey(at) as [string, number, string, number, LogKind, string]
      const [before] = batch
      if (before && (before.account !== account || batch.length >= BATCH)) {
        await forgetGone(before.account, batch)
        batch = []
      }
      batch.push({ at, account, modseq, log: logKey(account, modseq, kind, id) })
    }
    if (batch[0]) await forgetGone(batch[0].account, batch)
  }

  async function forgetGone(account: string, batch: readonly Gone[]): Promise<void> {
    await changeAccount(account, async (change) => {
      for (const { at, log } of batch) {
        change.del(at)
        change.del(log)
      }
      const record = await change.account()
      const forgotten = Math.max(record.forgotten ?? 0, ...batch.map(({ modseq }) => modseq))
      change.setAccount({ ...record, forgotten })
      return null
    })
  }

  return { sweepVanished, sweepGone }
}
