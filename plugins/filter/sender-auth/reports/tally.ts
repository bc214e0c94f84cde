/**
 * Counts evaluations by day and policy domain, in memory first and in the store soon after.
 *
 * Mail does not wait for it; a crash loses the last minute's counts, which is acceptable for reports. Invariants:
 * remote senders can grow neither memory nor store beyond the limits.
 */
import { type Check, CONFLICT, type Log, type Op, type Store, transact } from 'iems'
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
  /** Maximum rows of a report. */
  readonly rows: number
  /** Maximum domains per day. */
  readonly domains: number
}

interface Pending {
  readonly day: string
  policy: PublishedPolicy
  readonly rows: Map<string, { readonly row: Row; count: number }>
}

export interface Tally {
  add(policy: PublishedPolicy, row: Row): void
  /** Writes the counts; never throws. */
  flush(): Promise<void>
}

/** Rows in memory that trigger a write. */
const MANY_ROWS = 2000
/** Rows per commit. */
const TOGETHER = 500
const TRIES = 5

export class StoredTally implements Tally {
  readonly #deps: TallyDeps
  #pending = new Map<string, Pending>()
  #count = 0
  #writing: Promise<void> = Promise.resolve()
  #today = ''
  readonly #domainsToday = new Set<string>()

  constructor(deps: TallyDeps) {
    this.#deps = deps
  }

  add(policy: PublishedPolicy, row: Row) {
    const day = dayOf(this.#deps.now())
    if (!this.#isWelcome(day, policy.domain)) return
    const of = `${day} ${policy.domain}`
    const entry: Pending = this.#pending.get(of) ?? { day, policy, rows: new Map() }
    this.#pending.set(of, entry)
    entry.policy = policy
    const hash = hashOf(JSON.stringify(row))
    const known = entry.rows.get(hash)
    if (known) known.count++
    else {
      entry.rows.set(hash, { row, count: 1 })
      this.#count++
    }
    if (this.#count >= MANY_ROWS) void this.flush()
  }

  #isWelcome(day: string, domain: string): boolean {
    if (day !== this.#today) this.#domainsToday.clear()
    this.#today = day
    if (!this.#domainsToday.has(domain) && this.#domainsToday.size >= this.#deps.domains) return false
    this.#domainsToday.add(domain)
    return true
  }

  async #write({ day, policy }: Pending, rows: readonly (readonly [string, CountedRow])[]): Promise<void> {
    const at = dayKey(day, policy.domain)
    await transact({ what: `the counts of ${policy.domain}`, tries: TRIES }, async () => {
      const was = await this.#deps.store.get(at)
      const before = was && decode<DayRecord>(was)
      const ops: Op[] = []
      let { messages, rows: known, missed } = before ?? { messages: 0, rows: 0, missed: 0 }
      for (const [hash, { row, count }] of rows) {
        messages += count
        const key = rowKey(day, policy.domain, hash)
        const value = await this.#deps.store.get(key)
        if (!value && known >= this.#deps.rows) {
          missed += count
          continue
        }
        if (!value) known++
        const total = count + (value ? decode<CountedRow>(value).count : 0)
        ops.push({ put: key, value: encode({ row, count: total } satisfies CountedRow) })
      }
      const record: DayRecord = { ...policy, messages, rows: known, missed }
      const checks: Check[] = [{ key: at, is: was ?? 'absent' }]
      const isDone = await this.#deps.store.commit([...ops, { put: at, value: encode(record) }], checks)
      return isDone ? undefined : CONFLICT
    })
  }

  async #writeAll(all: readonly Pending[]): Promise<void> {
    for (const one of all) {
      const rows = [...one.rows]
      try {
        for (let from = 0; from < rows.length; from += TOGETHER)
          await this.#write(one, rows.slice(from, from + TOGETHER))
      } catch (cause) {
        // The store logs its own failure; mail continues without these counts.
        this.#deps.log.warn('DMARC counts not kept', { domain: one.policy.domain, day: one.day, cause })
      }
    }
  }

  flush(): Promise<void> {
    const all = [...this.#pending.values()]
    this.#pending = new Map()
    this.#count = 0
    this.#writing = this.#writing.then(() => this.#writeAll(all))
    return this.#writing
  }
}
