/**
 * Recounts an account's messages and corrects its counts.
 *
 * Invariants: counts and messages are compared within one change of the account, so concurrent mail makes the commit
 * fail and the count start over; it is never taken for drift.
 */
import { CONFLICT, type Store, transact, unkey } from 'iems'
import { type Change, type ChangeAccount, isRefused } from './account-transactions.ts'
import type { AccountLimits, Drift, Usage } from './api.ts'
import { joinPools } from './limits.ts'
import { usageIn } from './pools.ts'
import {
  type AccountRecord,
  accountKey,
  decode,
  type EntryRecord,
  entriesOf,
  type MailboxRecord,
  mailboxesOf,
  mailboxKey,
} from './records.ts'

const LAST_UID = 4_294_967_295

export interface RecountDeps {
  readonly store: Store
  readonly changeAccount: ChangeAccount
  limitsOf(account: string): Promise<AccountLimits>
}

async function usageOfMailbox(store: Store, id: string): Promise<Usage> {
  const sum = { octets: 0, messages: 0 }
  for await (const [, value] of store.scan(entriesOf(id, [0, LAST_UID]))) {
    sum.octets += decode<EntryRecord>(value).size
    sum.messages++
  }
  return sum
}

const differ = (a: Usage, b: Usage) => a.octets !== b.octets || a.messages !== b.messages

export function createRecount({ store, changeAccount, limitsOf }: RecountDeps) {
  /** Undefined: earlier changes have not been written yet. */
  async function count(change: Change, account: string, repair: boolean): Promise<readonly Drift[] | undefined> {
    const kept = await store.get(accountKey(account))
    const record = await change.account()
    if (kept && decode<AccountRecord>(kept).modseq !== record.modseq) return undefined
    const found: Drift[] = []
    const all = { octets: 0, messages: 0 }
    for await (const [at, value] of store.scan(mailboxesOf(account))) {
      const mailbox = decode<MailboxRecord>(value)
      const id = unkey(at)[2] as string
      const actual = await usageOfMailbox(store, id)
      all.octets += actual.octets
      all.messages += actual.messages
      const counted = { octets: mailbox.size, messages: mailbox.messages }
      if (!differ(counted, actual)) continue
      found.push({ mailbox: mailbox.name, counted, actual })
      if (repair) change.put(mailboxKey(account, id), { ...mailbox, size: actual.octets, messages: actual.messages })
    }
    const counted = usageIn(record)
    if (differ(counted, all)) found.push({ counted, actual: all })
    // Written in any case: the commit proves that the account has not changed since.
    change.setAccount({ ...record, ...(repair ? all : {}) })
    return found
  }

  return async function recount(account: string, { repair }: { readonly repair: boolean }): Promise<readonly Drift[]> {
    const limits = await limitsOf(account)
    if (!(await store.get(accountKey(account)))) return []
    return transact({ what: 'the account', tries: 50 }, async () => {
      const found = await changeAccount(account, async (change) => {
        const drift = await count(change, account, repair)
        if (drift) await joinPools(change, limits)
        return drift ?? null
      })
      if (isRefused(found)) throw new Error(found.why)
      return found ?? CONFLICT
    })
  }
}
