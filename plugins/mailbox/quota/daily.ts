/**
 * Daily work: adds accounts to the pools of their domains, reviews every account, and records the day's usage for
 * reports.
 *
 * Invariants: memory grows with the number of domains, not of accounts; a failing account is left for the next day
 * without affecting the others.
 */
import type { Log, Store } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { MailStoreApi, Usage } from '../store/api.ts'
import { domainOf } from './limits.ts'
import { type DayRecord, dayKey, days, encode, flows, type MarkRecord, markKey, read } from './records.ts'

export const DAY_MS = 86_400_000
/** Growth is counted from a mark that is at least so old. */
const MARK_MS = 7 * DAY_MS
const KEPT_MS = 400 * DAY_MS
const DELETED_AT_ONCE = 1000

export interface DailyDeps {
  readonly store: Store
  readonly mail: MailStoreApi
  readonly accounts: AccountsApi
  readonly log: Log
  now(): number
  review(account: string, usage: Usage): Promise<void>
}

export const dateOf = (at: number): string => new Date(at).toISOString().slice(0, 10)

export function createDaily({ store, mail, accounts, log, now, review }: DailyDeps) {
  async function mark(account: string, octets: number): Promise<void> {
    const at = markKey(account)
    const last = await read<MarkRecord>(store, at)
    if (last && now() - last.at < MARK_MS) return
    const record: MarkRecord = { at: now(), octets, ...(last ? { before: { at: last.at, octets: last.octets } } : {}) }
    await store.commit([{ put: at, value: encode(record) }], [])
  }

  async function forget(): Promise<void> {
    const until = dateOf(now() - KEPT_MS)
    for (const range of [days('', until), flows('', until)]) await forgetRange(range)
  }

  async function forgetRange(range: ReturnType<typeof days>): Promise<void> {
    for (;;) {
      const old = await Array.fromAsync(store.scan({ ...range, limit: DELETED_AT_ONCE }))
      if (old.length === 0) return
      await store.commit(
        old.map(([at]) => ({ del: at })),
        [],
      )
    }
  }

  return async function daily(signal: AbortSignal): Promise<void> {
    const sums = new Map<string, DayRecord>()
    for await (const { account: id, ...usage } of mail.usages()) {
      if (signal.aborted) return
      try {
        const account = await accounts.byId(id)
        if (!account) continue
        await mail.joinPools(id)
        await review(id, usage)
        await mark(id, usage.octets)
        const domain = domainOf(account)
        const { octets = 0, messages = 0, accounts: count = 0 } = sums.get(domain) ?? {}
        sums.set(domain, {
          octets: octets + usage.octets,
          messages: messages + usage.messages,
          accounts: count + 1,
        })
      } catch (cause) {
        log.error('an account was not looked at', { account: id, cause })
      }
    }
    for (const [domain, sum] of sums)
      await store.commit([{ put: dayKey(dateOf(now()), domain), value: encode(sum) }], [])
    await forget()
  }
}
