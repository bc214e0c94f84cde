/**
 * Remembers earlier messages and replies, for `duplicate`, vacation, and reports of failing scripts.
 *
 * Invariants: a repeated delivery gets its earlier answer.
 */
import { createHash } from 'node:crypto'
import { below, CONFLICT, decodeRecord, encodeRecord, key, type Op, type Store, transact } from 'iems'

interface Noted {
  /** Ms since 1970. */
  readonly until: number
  /** The delivery that noted it. */
  readonly by: string
}

const encode: (value: Noted) => Uint8Array = encodeRecord
const decode = decodeRecord<Noted>

export interface Note {
  readonly account: string
  readonly what: string
  /** The delivery that asks. */
  readonly by: string
  /** Lifetime in ms. */
  readonly keep: number
  /** Begins the time again when it was known already. */
  readonly extend?: boolean
}

/** Records that one commit of the sweep removes. */
const SWEPT = 500

export class Memory {
  readonly #store: Store
  readonly #now: () => number

  constructor(store: Store, now: () => number) {
    this.#store = store
    this.#now = now
  }

  /** Notes it; true if it was noted before, by another delivery, and that time has not passed. */
  async isKnown({ account, what, by, keep, extend = false }: Note): Promise<boolean> {
    const at = key('noted', account, createHash('sha256').update(what).digest('base64url'))
    return transact({ what: 'a note' }, async () => {
      const value = await this.#store.get(at)
      const noted = value && decode(value)
      const isKnown = noted !== undefined && noted.until > this.#now() && noted.by !== by
      if ((isKnown && !extend) || noted?.by === by) return isKnown
      const record = encode({ until: this.#now() + keep, by: isKnown ? noted.by : by })
      const isDone = await this.#store.commit([{ put: at, value: record }], [{ key: at, is: value ?? 'absent' }])
      return isDone ? isKnown : CONFLICT
    })
  }

  async sweep(): Promise<void> {
    let ops: Op[] = []
    for await (const [at, value] of this.#store.scan(below('noted'))) {
      if (decode(value).until <= this.#now()) ops.push({ del: at })
      if (ops.length < SWEPT) continue
      await this.#store.commit(ops)
      ops = []
    }
    if (ops.length > 0) await this.#store.commit(ops)
  }
}
