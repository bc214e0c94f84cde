/**
 * Pools: the common usage of several accounts, updated in each account's commit.
 *
 * Invariants: a commit writes a pool only if it is unchanged since the change read it, so a pool's limit is as exact as
 * an account's. Changes within one process queue for a pool instead of failing.
 */
import { CONFLICT, type Key, type Store, transact } from 'iems'
import type { Drift, Usage } from './api.ts'
import { type AccountRecord, allAccounts, decode, encode, poolKey } from './records.ts'

export const NOTHING: Usage = { octets: 0, messages: 0 }
export const usageIn = ({ octets, messages }: Usage): Usage => ({ octets, messages })
const add = (a: Usage, b: Usage, sign: 1 | -1 = 1): Usage => ({
  octets: a.octets + sign * b.octets,
  messages: a.messages + sign * b.messages,
})
const isSame = (a: Usage, b: Usage) => a.octets === b.octets && a.messages === b.messages

/** An account's share in a pool. */
const shareOf = (account: AccountRecord, pool: string): Usage => (account.pools?.includes(pool) ? account : NOTHING)

/** The pools as one attempt at a commit has read them. */
export class PoolView {
  readonly #read = new Map<string, Promise<Uint8Array | undefined>>()
  readonly #store: Store
  constructor(store: Store) {
    this.#store = store
  }

  value(pool: string): Promise<Uint8Array | undefined> {
    const known = this.#read.get(pool) ?? this.#store.get(poolKey(pool))
    this.#read.set(pool, known)
    return known
  }

  /** The pool's usage after an account's record changes from `first` to `now`. */
  async usage(pool: string, first: AccountRecord, now: AccountRecord): Promise<Usage> {
    const value = await this.value(pool)
    const stored = value ? decode<Usage>(value) : NOTHING
    return add(add(stored, shareOf(first, pool), -1), shareOf(now, pool))
  }

  /** The pools that change with the account. */
  async changes(first: AccountRecord, now: AccountRecord) {
    const changed: { readonly at: Key; readonly is: Uint8Array | 'absent'; readonly value: Usage }[] = []
    for (const pool of new Set([...(first.pools ?? []), ...(now.pools ?? [])])) {
      if (isSame(shareOf(first, pool), shareOf(now, pool))) continue
      const value = usageIn(await this.usage(pool, first, now))
      changed.push({ at: poolKey(pool), is: (await this.value(pool)) ?? 'absent', value })
    }
    return changed
  }
}

/** Lets the changes of one process into a pool one after the other. */
export function createPoolGate() {
  const last = new Map<string, Promise<void>>()

  return async function within<T>(pools: readonly string[], work: () => Promise<T>): Promise<T> {
    if (pools.length === 0) return work()
    // All are asked for at once, so no two changes wait for each other.
    const before = pools.map((pool) => last.get(pool))
    let open = () => {}
    const ended = new Promise<void>((resolve) => {
      open = resolve
    })
    for (const pool of pools) last.set(pool, ended)
    try {
      await Promise.all(before)
      return await work()
    } finally {
      for (const pool of pools) if (last.get(pool) === ended) last.delete(pool)
      open()
    }
  }
}

export function createPools(store: Store) {
  async function poolUsage(pool: string): Promise<Usage> {
    const value = await store.get(poolKey(pool))
    return value ? usageIn(decode<Usage>(value)) : NOTHING
  }

  async function recountPool(pool: string, { repair }: { readonly repair: boolean }): Promise<readonly Drift[]> {
    return transact({ what: 'the pool' }, async () => {
      const before = await store.get(poolKey(pool))
      let actual = NOTHING
      for await (const [, value] of store.scan(allAccounts))
        actual = add(actual, shareOf(decode<AccountRecord>(value), pool))
      const counted = before ? usageIn(decode<Usage>(before)) : NOTHING
      if (isSame(counted, actual)) return []
      // If the pool is unchanged since the scan, so are its accounts.
      const value = encode(repair ? actual : counted)
      const check = { key: poolKey(pool), is: before ?? ('absent' as const) }
      return (await store.commit([{ put: poolKey(pool), value }], [check])) ? [{ counted, actual }] : CONFLICT
    })
  }

  return { poolUsage, recountPool }
}
