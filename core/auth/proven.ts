/**
 * Names, networks and pairs of them from which logins have succeeded; they go first while passwords are being guessed.
 *
 * Invariants: a record is a keyed hash, so neither a name nor an address can be read from the store; it expires unless
 * renewed; a failure from a network removes its records; memory and store are bounded. All kernels on a store share the
 * records and read them again after LOOK_MS. A store failure means "not proven", never an error for the client.
 */

import { createHmac, type KeyObject } from 'node:crypto'
import type { Cache } from '../api/cache.ts'
import type { Clock } from '../api/clock.ts'
import { below, key } from '../store/keys.ts'
import { decodeRecord, encodeRecord } from '../store/record.ts'
import type { Key, Op, Store } from '../store/store.ts'

/** Lifetime of a record that is not renewed. */
const KEEP_MS = 30 * 86_400_000
/** Minimum time between two writes of the same success. */
const RENEW_MS = 86_400_000
/** Lifetime of a cached record, which another kernel may change. */
const LOOK_MS = 600_000
/** Maximum records that a sweep leaves; it removes the oldest. */
const MAX_RECORDS = 100_000
const BATCH = 500

const ALL = ['auth', 'proven'] as const

interface Known {
  /** Time of the login, ms since 1970. */
  readonly at: number
  /** Time of the read from the store. */
  readonly read: number
}
export type ProvenState = Cache<Known>

export interface ProvenDeps {
  readonly clock: Clock
  readonly known: ProvenState
  /** Not its octets: with them Node takes five times as long for each HMAC. */
  readonly secret: () => Promise<KeyObject>
  /** Without a store, records end with the process. */
  readonly store?: Store
}

/** A client that tries to log in: its network, and its name if it gave one. */
export interface ProvenClient {
  readonly network: string
  readonly name: string | undefined
}

interface Marks {
  readonly network: string
  readonly name?: string
  readonly pair?: string
}

export class Proven {
  readonly #deps: ProvenDeps

  constructor(deps: ProvenDeps) {
    this.#deps = deps
  }

  /** 0: this name has logged in from this network before; 1: either the name or the network has; 2: neither. */
  async rank(client: ProvenClient): Promise<0 | 1 | 2> {
    const marks = await this.#marks(client)
    if (!marks) return 2
    const { pair, network, name } = marks
    if (pair !== undefined && (await this.#has(pair))) return 0
    return (await this.#has(network)) || (name !== undefined && (await this.#has(name))) ? 1 : 2
  }

  async succeeded(client: ProvenClient): Promise<void> {
    const { clock, known } = this.#deps
    const now = clock.now()
    const ops: Op[] = []
    for (const mark of Object.values((await this.#marks(client)) ?? {}) as string[]) {
      const before = known.get(mark)
      const isFresh = before !== undefined && now - before.at < RENEW_MS
      known.set(mark, { at: isFresh ? before.at : now, read: now })
      if (!isFresh) ops.push({ put: keyOf(mark), value: recordOf(now) })
    }
    await this.#commit(ops)
  }

  /** Removes the records of a network from which a login failed; those of the name from other networks stay. */
  async failed(client: ProvenClient): Promise<void> {
    const { network, pair } = (await this.#marks(client)) ?? {}
    if (network === undefined) return
    const ops: Op[] = []
    for (const mark of pair === undefined ? [network] : [network, pair]) {
      if (await this.#has(mark)) ops.push({ del: keyOf(mark) })
      this.#deps.known.delete(mark)
    }
    await this.#commit(ops)
  }

  /** Removes expired records, and the oldest beyond the limit. */
  async sweep(signal: AbortSignal): Promise<void> {
    const { store } = this.#deps
    if (!store) return
    const kept: { readonly at: number; readonly key: Key }[] = []
    const gone: Key[] = []
    for await (const [at, value] of store.scan(below(...ALL))) {
      if (signal.aborted) return
      const since = timeOf(value)
      if (store.now() - since > KEEP_MS) gone.push(at)
      else kept.push({ at: since, key: at })
    }
    kept.sort((a, b) => b.at - a.at)
    gone.push(...kept.slice(MAX_RECORDS).map((one) => one.key))
    for (let from = 0; from < gone.length && !signal.aborted; from += BATCH)
      await store.commit(gone.slice(from, from + BATCH).map((one): Op => ({ del: one })))
  }

  async #has(mark: string): Promise<boolean> {
    const { clock, known, store } = this.#deps
    const now = clock.now()
    const before = known.get(mark)
    if (before && (!store || now - before.read < LOOK_MS)) return now - before.at <= KEEP_MS
    // A store failure means "not proven".
    const value = await store?.get(keyOf(mark)).catch(() => undefined)
    if (value === undefined) known.delete(mark)
    else known.set(mark, { at: timeOf(value), read: now })
    return value !== undefined && now - timeOf(value) <= KEEP_MS
  }

  /** Undefined when the secret cannot be read. */
  async #marks({ network, name }: ProvenClient): Promise<Marks | undefined> {
    const secret = await this.#deps.secret().catch(() => undefined)
    if (!secret) return undefined
    const markOf = (kind: string, text: string) =>
      createHmac('sha256', secret).update(`${kind} ${text}`).digest('base64url')
    if (name === undefined) return { network: markOf('network', network) }
    return {
      pair: markOf('pair', `${network} ${name}`),
      network: markOf('network', network),
      name: markOf('name', name),
    }
  }

  async #commit(ops: readonly Op[]): Promise<void> {
    // After a failed write the record lasts until the process ends.
    if (ops.length > 0) await this.#deps.store?.commit(ops).catch(() => false)
  }
}

const keyOf = (mark: string): Key => key(...ALL, mark)
const recordOf = (at: number) => encodeRecord({ v: 1, at })
function timeOf(value: Uint8Array): number {
  const { at } = decodeRecord<{ at?: unknown }>(value)
  return typeof at === 'number' ? at : 0
}
