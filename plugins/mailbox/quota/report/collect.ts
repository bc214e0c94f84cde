/**
 * The figures of a report, collected in one pass over the accounts.
 *
 * Invariants: memory holds the rows that are shown and the days of the chart, however many accounts there are.
 */
import { type Store, unkey } from 'iems'
import type { AccountsApi } from '../../../directory/static/api.ts'
import type { MailboxRef, MailStoreApi, Usage } from '../../store/api.ts'
import { DAY_MS, dateOf } from '../daily.ts'
import { domainOf } from '../limits.ts'
import {
  type DayRecord,
  days,
  decode,
  type FlowRecord,
  flows,
  type MarkRecord,
  markKey,
  read,
  seenKey,
} from '../records.ts'
import { shareOf } from '../review.ts'
import { type AttachmentRow, largestAttachments } from './attachments.ts'
import { Top } from './top.ts'

export interface AccountRow extends Usage {
  readonly name: string
  /** Octets; null: no limit. */
  readonly limit: number | null
  /** Percent of the nearer limit. */
  readonly share: number
  /** Octets since the mark; undefined without one. */
  readonly growth?: number
  /** The last login that is known, ms since 1970. */
  readonly seen?: number
}
export interface MailboxRow extends Usage {
  readonly account: string
  readonly name: string
  readonly ref: MailboxRef
}
export interface FlowRow extends FlowRecord {
  readonly date: string
}
export interface Report {
  readonly at: number
  /** Absent: all domains. */
  readonly domain?: string
  readonly accounts: number
  readonly total: Usage
  /** Size of the content in the store, each counted once; only for all domains. */
  readonly stored?: Usage
  readonly largest: readonly AccountRow[]
  readonly mailboxes: readonly MailboxRow[]
  readonly growing: readonly AccountRow[]
  readonly full: readonly AccountRow[]
  readonly idle: readonly AccountRow[]
  readonly attachments: readonly AttachmentRow[]
  /** Deliveries of the last days of all domains, the newest first; only for all domains. */
  readonly flow: readonly FlowRow[]
  readonly days: readonly { readonly date: string; readonly octets: number }[]
}

export interface CollectDeps {
  readonly store: Store
  readonly mail: MailStoreApi
  readonly accounts: AccountsApi
  readonly options: { readonly top: number; readonly idleAfter: number }
  /** Percent at which an account is near its limit. */
  readonly near: number
  now(): number
}

/** Days in the chart. */
const SHOWN_DAYS = 90
/** Days in the table of deliveries. */
const FLOW_DAYS = 14

export type Collect = ReturnType<typeof createCollect>

export function createCollect({ store, mail, accounts, options, near, now }: CollectDeps) {
  async function rowOf(id: string, name: string, usage: Usage): Promise<AccountRow> {
    const [limits, mark, seen] = await Promise.all([
      mail.limitsOf(id),
      read<MarkRecord>(store, markKey(id)),
      read<number>(store, seenKey(id)),
    ])
    const from = mark?.before ?? mark
    return {
      name,
      octets: usage.octets,
      messages: usage.messages,
      limit: limits.octets,
      share: shareOf(usage, limits),
      ...(from ? { growth: usage.octets - from.octets } : {}),
      ...(seen === undefined ? {} : { seen }),
    }
  }

  async function chart(domain: string | undefined): Promise<Report['days']> {
    const sums = new Map<string, number>()
    const range = days(dateOf(now() - SHOWN_DAYS * DAY_MS), dateOf(now() + DAY_MS))
    for await (const [at, value] of store.scan(range)) {
      const [, date, of] = unkey(at) as [string, string, string]
      if (domain === undefined || of === domain) sums.set(date, (sums.get(date) ?? 0) + decode<DayRecord>(value).octets)
    }
    return [...sums].map(([date, octets]) => ({ date, octets }))
  }

  async function flow(): Promise<Report['flow']> {
    const rows: FlowRow[] = []
    for await (const [at, value] of store.scan(flows(dateOf(now() - FLOW_DAYS * DAY_MS), dateOf(now() + DAY_MS))))
      rows.push({ date: unkey(at)[1] as string, ...decode<FlowRecord>(value) })
    return rows.reverse()
  }

  return async function collect(domain?: string): Promise<Report> {
    const at = now()
    const largest = new Top<AccountRow>(options.top, ({ octets }) => octets)
    const growing = new Top<AccountRow>(options.top, ({ growth = 0 }) => growth)
    const full = new Top<AccountRow>(options.top, ({ share }) => share)
    const idle = new Top<AccountRow>(options.top, ({ seen = 0 }) => -seen)
    const mailboxes = new Top<MailboxRow>(options.top, ({ octets }) => octets)
    const total = { octets: 0, messages: 0 }
    let count = 0
    for await (const { account: id, ...usage } of mail.usages()) {
      const account = await accounts.byId(id)
      if (!account || (domain !== undefined && domainOf(account) !== domain)) continue
      count++
      total.octets += usage.octets
      total.messages += usage.messages
      const row = await rowOf(id, account.name, usage)
      largest.add(row)
      if ((row.growth ?? 0) > 0) growing.add(row)
      if (row.share >= near) full.add(row)
      if (at - (row.seen ?? 0) >= options.idleAfter) idle.add(row)
      // A mailbox is at most as large as its account.
      if (mailboxes.takes(usage.octets))
        for (const { name, size, messages, id: mailbox } of await mail.mailboxes(id))
          if (messages > 0)
            mailboxes.add({ account: account.name, name, octets: size, messages, ref: { account: id, id: mailbox } })
    }
    return {
      at,
      ...(domain === undefined ? { stored: await mail.contentUsage() } : { domain }),
      accounts: count,
      total,
      largest: largest.rows(),
      mailboxes: mailboxes.rows(),
      growing: growing.rows(),
      full: full.rows(),
      idle: idle.rows(),
      attachments: await largestAttachments(mail, mailboxes.rows(), options.top),
      flow: domain === undefined ? await flow() : [],
      days: await chart(domain),
    }
  }
}
