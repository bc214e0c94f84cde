/**
 * Changes of an account's mailboxes: serialized, with many in one commit.
 *
 * Invariants: every change sees all earlier ones and is on stable storage when it resolves; waiting changes share a
 * commit, so fifty deliveries into one Inbox cost about as much as one; a concurrent change by another process makes
 * the commit fail, and the change is repeated; a change that is refused or throws leaves nothing behind.
 */

import { randomBytes } from 'node:crypto'
import {
  type BlobReference,
  type Check,
  CONFLICT,
  type ContentChange,
  type ContentStore,
  type Holding,
  type Key,
  type Op,
  type Store,
  transact,
} from 'iems'
import type { Refused, Usage } from './api.ts'
import { createPoolGate, PoolView } from './pools.ts'
import { type AccountRecord, accountKey, decode, encode, letGoKey } from './records.ts'
import { type IndexPart, indexPart } from './search/registry.ts'

/** Changes in one commit. */
const BATCH = 100
const NO_INDEXING: IndexPart = { ops: [], checks: [] }
/** Maximum retries when other processes change the same account. */
const TRIES = 50

export interface Change {
  /** A record as this change and earlier ones left it. Never mutate the result. */
  get<T>(at: Key): Promise<T | undefined>
  put(at: Key, value: unknown): void
  del(at: Key): void
  /** Something beyond the account that must hold. */
  check(check: Check): void
  hold(holding: Holding): void
  /** The full-text indexes are to look at the email. */
  index(email: string): void
  /** An email may have lost its last holder. */
  letGo(base: string, tag: string): void
  /** The modseq of this change, shared by everything it does. */
  modseq(): Promise<number>
  account(): Promise<AccountRecord>
  setAccount(record: AccountRecord): void
  /** Total usage of a pool's accounts, including this change. */
  poolUsage(pool: string): Promise<Usage>
  /** Notifies sessions that have the mailbox open. */
  tell(mailbox: string): void
}

export type Work<T> = (change: Change) => Promise<T | Refused>

interface Written {
  readonly at: Key
  readonly value: unknown
}

/** The writes so far of one or several changes. */
class WriteSet {
  readonly written = new Map<string, Written>()
  readonly checks: Check[] = []
  readonly holds: Holding[] = []
  readonly frees: BlobReference[] = []
  readonly indexed = new Set<string>()
  readonly told = new Set<string>()
  readonly letGo = new Map<string, { readonly base: string; readonly tag: string }>()

  add(other: WriteSet): void {
    for (const [name, written] of other.written) this.written.set(name, written)
    this.checks.push(...other.checks)
    this.holds.push(...other.holds)
    for (const email of other.indexed) this.indexed.add(email)
    for (const mailbox of other.told) this.told.add(mailbox)
    for (const [name, email] of other.letGo) this.letGo.set(name, email)
  }

  addPools(changed: Awaited<ReturnType<PoolView['changes']>>): void {
    for (const { at, is, value } of changed) {
      this.written.set(nameOf(at), { at, value })
      this.checks.push({ key: at, is })
    }
  }
}

export interface Committed {
  /** Mailboxes that changed. */
  readonly mailboxes: ReadonlySet<string>
  /** Emails that may have lost their last holder. */
  readonly letGo: readonly { readonly base: string; readonly tag: string }[]
  readonly before: Usage
  readonly after: Usage
}

export interface ChangesDeps {
  readonly store: Store
  readonly contents: ContentStore
  /** After a commit. */
  committed(account: string, done: Committed): void
}

export function isRefused(value: unknown): value is Refused {
  return typeof value === 'object' && value !== null && 'refused' in value
}

interface Waiting {
  readonly work: Work<unknown>
  resolve(value: unknown): void
  reject(error: unknown): void
}

const nameOf = (at: Key) => Buffer.from(at.buffer, at.byteOffset, at.byteLength).toString('latin1')

/** An account as an attempt finds it. */
interface Start {
  readonly account: string
  readonly before: Uint8Array | undefined
  readonly first: AccountRecord
}

export type ChangeAccount = <T>(account: string, work: Work<T>) => Promise<T | Refused>

export function createChanges({ store, contents, committed }: ChangesDeps): ChangeAccount {
  const queues = new Map<string, Waiting[]>()
  const within = createPoolGate()

  /** Tries several changes in one commit. False: another process was faster. */
  async function attempt(account: string, batch: readonly Waiting[]): Promise<boolean> {
    const before = await store.get(accountKey(account))
    const first: AccountRecord = before ? decode(before) : { v: 1, modseq: 0, validity: 0, octets: 0, messages: 0 }
    return within(first.pools ?? [], () => attemptFrom({ account, before, first }, batch))
  }

  async function attemptFrom({ account, before, first }: Start, batch: readonly Waiting[]): Promise<boolean> {
    const at = accountKey(account)
    const all = new WriteSet()
    const pools = new PoolView(store)
    const done: (() => void)[] = []
    for (const { work, resolve, reject } of batch) {
      const layer = new WriteSet()
      try {
        const value = await work(createChange({ account: at, first, below: all, layer, store, pools }))
        if (!isRefused(value)) all.add(layer)
        done.push(() => resolve(value))
      } catch (error) {
        done.push(() => reject(error))
      }
    }
    if (all.written.size > 0 || all.indexed.size > 0) {
      const check: Check = { key: at, is: before ?? 'absent' }
      // An absent check must name a key that is put.
      if (!before && !all.written.has(nameOf(at))) all.written.set(nameOf(at), { at, value: first })
      const after = (all.written.get(nameOf(at))?.value as AccountRecord | undefined) ?? first
      all.addPools(await pools.changes(first, after))
      if (!(await contents.commit(await toCommit(store, all, check)))) return false
      committed(account, { mailboxes: all.told, letGo: [...all.letGo.values()], before: first, after })
    }
    for (const settle of done) settle()
    return true
  }

  async function alone(account: string, one: Waiting): Promise<void> {
    await transact({ what: 'the account', tries: TRIES }, async () =>
      (await attempt(account, [one])) ? undefined : CONFLICT,
    )
  }

  async function run(account: string, queue: Waiting[]): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.splice(0, BATCH)
      try {
        if (await attempt(account, batch)) continue
        for (const one of batch) await alone(account, one).catch(one.reject)
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    queues.delete(account)
  }

  return <T>(account: string, work: Work<T>) =>
    new Promise<T | Refused>((resolve, reject) => {
      const waiting = { work, resolve: resolve as (value: unknown) => void, reject }
      const queue = queues.get(account)
      if (queue) queue.push(waiting)
      else {
        const fresh = [waiting]
        queues.set(account, fresh)
        void run(account, fresh)
      }
    })
}

async function toCommit(store: Store, layer: WriteSet, check: Check): Promise<ContentChange> {
  const indexing = layer.indexed.size > 0 ? await indexPart(store, layer.indexed) : NO_INDEXING
  const ops: Op[] = [...indexing.ops]
  for (const { at, value } of layer.written.values())
    ops.push(value === undefined ? { del: at } : { put: at, value: encode(value) })
  for (const { base, tag } of layer.letGo.values()) ops.push({ put: letGoKey(base, tag), value: randomBytes(8) })
  return { ops, checks: [check, ...layer.checks, ...indexing.checks], hold: layer.holds }
}

interface ChangeDeps {
  readonly account: Key
  readonly first: AccountRecord
  /** Writes of earlier changes in the same commit. */
  readonly below: WriteSet
  readonly layer: WriteSet
  readonly store: Store
  readonly pools: PoolView
}

function createChange({ account: at, first, below, layer, store, pools }: ChangeDeps): Change {
  let modseq: number | undefined
  const writtenAt = (at: Key): Written | undefined => {
    const name = nameOf(at)
    return layer.written.get(name) ?? below.written.get(name)
  }
  const change: Change = {
    async get<T>(at: Key) {
      const written = writtenAt(at)
      if (written) return written.value as T | undefined
      const value = await store.get(at)
      return value && decode<T>(value)
    },
    put: (at, value) => void layer.written.set(nameOf(at), { at, value }),
    del: (at) => void layer.written.set(nameOf(at), { at, value: undefined }),
    check: (check) => void layer.checks.push(check),
    hold: (holding) => void layer.holds.push(holding),
    index: (email) => void layer.indexed.add(email),
    letGo: (base, tag) => void layer.letGo.set(`${base}-${tag}`, { base, tag }),
    async modseq() {
      if (modseq === undefined) {
        const record = await change.account()
        modseq = record.modseq + 1
        change.setAccount({ ...record, modseq })
      }
      return modseq
    },
    account: async () => (writtenAt(at)?.value as AccountRecord | undefined) ?? first,
    setAccount: (record) => change.put(at, record),
    poolUsage: async (pool) => pools.usage(pool, first, await change.account()),
    tell: (mailbox) => void layer.told.add(mailbox),
  }
  return change
}
