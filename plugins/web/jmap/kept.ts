/**
 * Stores objects of accounts with their change history, for JMAP types without a store of their own.
 *
 * Invariants: every change gets the account's next state, in one commit with the object; a destroyed object leaves a
 * record, so that its destruction is a change like others.
 */
import {
  below,
  type Check,
  CONFLICT,
  decodeRecord,
  encodeRecord,
  key,
  type Op,
  type Store,
  transact,
  unkey,
} from 'iems'
import type { TypeChanges } from './api.ts'
import { MethodError } from './errors.ts'

interface Kept<T> {
  readonly v: 1
  /** The account's state when it was created, and when it last changed. */
  readonly created: number
  readonly modseq: number
  /** Absent when it is destroyed. */
  readonly value?: T
}

const encode = encodeRecord
const decode = decodeRecord

export class KeptObjects<T extends object> {
  readonly #store: Store
  readonly #kind: string
  readonly #changed: (account: string) => void

  /** `kind`: the first part of the objects' keys. `changed` is called after each commit. */
  constructor(store: Store, kind: string, changed: (account: string) => void) {
    this.#store = store
    this.#kind = kind
    this.#changed = changed
  }

  async state(account: string): Promise<string> {
    const value = await this.#store.get(this.#stateAt(account))
    return String(value ? decode<number>(value) : 0)
  }

  async get(account: string, id: string): Promise<T | undefined> {
    const value = await this.#store.get(key(this.#kind, account, id))
    return value && decode<Kept<T>>(value).value
  }

  /** Whether an object with this id is there, or was before it was destroyed. */
  async isKnown(account: string, id: string): Promise<boolean> {
    return (await this.#store.get(key(this.#kind, account, id))) !== undefined
  }

  /** In order of id. */
  async *all(account: string): AsyncGenerator<readonly [id: string, value: T]> {
    for await (const [id, { value }] of this.#kept(account)) if (value) yield [id, value]
  }

  /**
   * Creates, changes or (for undefined) destroys an object. `make` may be called repeatedly; its errors reach the
   * caller.
   */
  async put(account: string, id: string, make: (before: T | undefined) => T | undefined): Promise<void> {
    const at = key(this.#kind, account, id)
    const stateAt = this.#stateAt(account)
    await transact({ what: 'the objects of an account' }, async () => {
      const [before, state] = await Promise.all([this.#store.get(at), this.#store.get(stateAt)])
      const known = before && decode<Kept<T>>(before)
      const value = make(known?.value)
      const modseq = (state ? decode<number>(state) : 0) + 1
      const created = known?.value ? known.created : modseq
      const record: Kept<T> = { v: 1, created, modseq, ...(value ? { value } : {}) }
      const ops: Op[] = [
        { put: at, value: encode(record) },
        { put: stateAt, value: encode(modseq) },
      ]
      const checks: Check[] = [
        { key: at, is: before ?? 'absent' },
        { key: stateAt, is: state ?? 'absent' },
      ]
      return (await this.#store.commit(ops, checks)) ? undefined : CONFLICT
    })
    this.#changed(account)
  }

  /** Throws `cannotCalculateChanges`. */
  async changes(account: string, since: string, limit = Number.POSITIVE_INFINITY): Promise<TypeChanges> {
    const now = Number(await this.state(account))
    const from = /^\d{1,15}$/.test(since) ? Number(since) : Number.NaN
    if (!(from <= now)) throw new MethodError('cannotCalculateChanges')
    const found: (readonly [string, Kept<T>])[] = []
    for await (const one of this.#kept(account)) if (one[1].modseq > from) found.push(one)
    found.sort(([, a], [, b]) => a.modseq - b.modseq)
    const page = found.slice(0, limit)
    const isCreated = ({ created }: Kept<T>) => created > from
    const ids = (fits: (one: Kept<T>) => boolean) => page.filter(([, one]) => fits(one)).map(([id]) => id)
    return {
      created: ids((one) => one.value !== undefined && isCreated(one)),
      updated: ids((one) => one.value !== undefined && !isCreated(one)),
      destroyed: ids((one) => one.value === undefined && !isCreated(one)),
      newState: page.length < found.length ? String(page.at(-1)?.[1].modseq) : String(now),
      hasMoreChanges: page.length < found.length,
    }
  }

  #stateAt(account: string) {
    return key('state', this.#kind, account)
  }

  async *#kept(account: string): AsyncGenerator<readonly [string, Kept<T>]> {
    for await (const [at, value] of this.#store.scan(below(this.#kind, account)))
      yield [String(unkey(at)[2]), decode<Kept<T>>(value)]
  }
}
