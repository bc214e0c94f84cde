/**
 * Counts of TLS results by day, domain and policy: in memory for a minute, then in the store.
 *
 * Invariants: no count is lost between servers that write at the same time; domains, and failures of one policy, are
 * bounded.
 */
import { createHash } from 'node:crypto'
import { type Clock, CONFLICT, decodeRecord, encodeRecord, type Key, key, type Store, transact } from 'iems'
import type { TlsResult } from '../../smtp/out/api.ts'

export interface CountedFailure {
  readonly type: string
  readonly host: string
  readonly address: string
  readonly local: string
  readonly why: string
  readonly count: number
}

export interface CountedPolicy {
  readonly domain: string
  readonly policyType: TlsResult['policyType']
  readonly policy: readonly string[]
  readonly mx: readonly string[]
  readonly succeeded: number
  readonly failed: number
  readonly failures: readonly CountedFailure[]
}

const DAY_MS = 86_400_000
const MAX_FAILURES = 200

/** `2026-01-31`, UTC. */
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
export const startOf = (day: string): number => Date.parse(`${day}T00:00:00Z`)
export const endOf = (day: string): number => startOf(day) + DAY_MS - 1000

export const countKey = (day: string, domain: string, hash: string): Key => key('count', day, domain, hash)

export class Tally {
  readonly #store: Pick<Store, 'get' | 'commit'>
  readonly #clock: Clock
  readonly #maxDomains: number
  #pending = new Map<string, { readonly at: Key; readonly counted: CountedPolicy }>()
  #domains: { readonly day: string; readonly names: Set<string> } = { day: '', names: new Set() }

  constructor(store: Pick<Store, 'get' | 'commit'>, clock: Clock, maxDomains: number) {
    this.#store = store
    this.#clock = clock
    this.#maxDomains = maxDomains
  }

  add(result: TlsResult): void {
    const day = dayOf(this.#clock.now())
    if (this.#domains.day !== day) this.#domains = { day, names: new Set() }
    const { names } = this.#domains
    if (!names.has(result.domain) && names.size >= this.#maxDomains) return
    names.add(result.domain)
    const { domain, policyType, policy, mx, failure, host = '', address = '', local = '', why = '' } = result
    const hash = createHash('sha256')
      .update(JSON.stringify([policyType, policy]))
      .digest('hex')
      .slice(0, 16)
    const place = `${day} ${domain} ${hash}`
    const one: CountedPolicy = {
      domain,
      policyType,
      policy,
      mx,
      succeeded: failure ? 0 : 1,
      failed: failure ? 1 : 0,
      failures: failure ? [{ type: failure, host, address, local, why, count: 1 }] : [],
    }
    const before = this.#pending.get(place)?.counted
    this.#pending.set(place, { at: countKey(day, domain, hash), counted: before ? sum(before, one) : one })
  }

  async flush(): Promise<void> {
    const pending = this.#pending
    this.#pending = new Map()
    for (const { at, counted } of pending.values())
      await transact({ what: 'a count of TLS results' }, async () => {
        const before = await this.#store.get(at)
        const after = before ? sum(decodeRecord<CountedPolicy>(before), counted) : counted
        const check = { key: at, is: before ?? ('absent' as const) }
        return (await this.#store.commit([{ put: at, value: encodeRecord(after) }], [check])) ? undefined : CONFLICT
      })
  }
}

function sum(a: CountedPolicy, b: CountedPolicy): CountedPolicy {
  const failures = [...a.failures]
  for (const one of b.failures) {
    const index = failures.findIndex(
      ({ type, host, address, why }) =>
        type === one.type && host === one.host && address === one.address && why === one.why,
    )
    const same = failures[index]
    if (same) failures[index] = { ...same, count: same.count + one.count }
    else if (failures.length < MAX_FAILURES) failures.push(one)
  }
  return { ...a, succeeded: a.succeeded + b.succeeded, failed: a.failed + b.failed, failures }
}
