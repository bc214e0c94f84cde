/**
 * Counts, for each day and policy domain, what was evaluated: in memory first, in the store a little later.
 *
 * Mail does not wait for it; a crash loses the counts of the last minute, which reports can bear. What must stay true:
 * strangers can make neither the memory nor the store grow beyond the limits.
 */
import type { Check, Log, Op, Store } from 'iems'
import {
  type CountedRow,
  type DayRecord,
  dayKey,
  dayOf,
  decode,
  encode,
  hashOf,
  type PublishedPolicy,
  type Row,
  rowKey,
} from './records.ts'

export interface TallyDeps {
  readonly store: Store
  readonly log: Log
  readonly now: () => number
  /** Most rows of one report. */
  readonly rows: number
  /** Most domains of one day. */
  readonly domains: number
}

interface Pending {
  readonly day: string
  policy: PublishedPolicy
  readonly rows: Map<string, { readonly row: Row; count: number }>
}

export interface Tally {
  add(policy: PublishedPolicy, row: Row): void
  /** Writes what was counted; never throws. */
  flush(): Promise<void>
}

/** Rows in memory after which they are written at once. */
const MANY_ROWS = 2000
/** Rows of one commit. */
const TOGETHER = 500
const TRIES = 5

export function createTally({ store, log, now, rows: maxRows, domains: maxDomains }: TallyDeps): Tally {
  let pending = new Map<string, Pending>()
  let count = 0
  let writing: Promise<void> = Promise.resolve()
  let today = ''
  const domainsToday = new Set<string>()

  function isWelcome(day: string, domain: string): boolean {
    if (day !== today) domainsToday.clear()
    today = day
    if (!domainsToday.has(domain) && domainsToday.size >= maxDomains) return false
    domainsToday.add(domain)
    return true
  }

  async function write({ day, policy }: Pending, rows: readonly (readonly [string, CountedRow])[]): Promise<void> {
    const at = dayKey(day, policy.domain)
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const was = await store.get(at)
      const before = was && decode<DayRecord>(was)
      const ops: Op[] = []
      let { messages, rows: known, missed } = before ?? { messages: 0, rows: 0, missed: 0 }
      for (const [hash, { row, count }] of rows) {
        messages += count
        const key = rowKey(day, policy.domain, hash)
        const value = await store.get(key)
        if (!value && known >= maxRows) {
          missed += count
          continue
        }
        if (!value) known++
        const total = count + (value ? decode<CountedRow>(value).count : 0)
        ops.push({ put: key, value: encode({ row, count: total } satisfies CountedRow) })
      }
      const record: DayRecord = { ...policy, messages, rows: known, missed }
      const checks: Check[] = [{ key: at, is: was ?? 'absent' }]
      if (await store.commit([...ops, { put: at, value: encode(record) }], checks)) return
    }
    log.warn('DMARC counts not kept: others keep writing them', { domain: policy.domain, day })
  }

  async function writeAll(all: readonly Pending[]): Promise<void> {
    for (const one of all) {
      const rows = [...one.rows]
      try {
        for (let from = 0; from < rows.length; from += TOGETHER) await write(one, rows.slice(from, from + TOGETHER))
      } catch (cause) {
        // The store says itself that it fails; mail goes on without these counts.
        log.warn('DMARC counts not kept', { domain: one.policy.domain, day: one.day, cause })
      }
    }
  }

  function flush(): Promise<void> {
    const all = [...pending.values()]
    pending = new Map()
    count = 0
    writing = writing.then(() => writeAll(all))
    return writing
  }

  return {
    add(policy, row) {
      const day = dayOf(now())
      if (!isWelcome(day, policy.domain)) return
      const of = `${day} ${policy.domain}`
      const entry: Pending = pending.get(of) ?? { day, policy, rows: new Map() }
      pending.set(of, entry)
      entry.policy = policy
      const hash = hashOf(JSON.stringify(row))
      const known = entry.rows.get(hash)
      if (known) known.count++
      else {
        entry.rows.set(hash, { row, count: 1 })
        count++
      }
      if (count >= MANY_ROWS) void flush()
    },
    flush,
  }
}
