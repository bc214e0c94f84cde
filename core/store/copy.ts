/**
 * Copies everything from one store to another: blobs, then records, then what is scheduled.
 *
 * Invariants: the source is only read; a copy is a comparison that writes what differs, so it can be stopped at any
 * moment and run again; a store whose copy has not been checked to its end says so, and no server starts on it; memory
 * does not grow with the store.
 */
import { createHash } from 'node:crypto'
import { IemsError } from '../api/errors.ts'
import { BLOBS_KEY, HELD_KEY } from './blobs/record.ts'
import { key } from './keys.ts'
import { merged } from './merged.ts'
import type { Op, Store } from './store.ts'

export interface Copied {
  readonly blobs: number
  readonly records: number
  readonly scheduled: number
  /** Octets of the blobs. */
  readonly octets: number
}

export interface CopyOptions {
  /** The current step, and the number of items so far. */
  readonly progress: (what: string, count: number) => void
  readonly signal: AbortSignal
  /** Number of items between two reports. Default 1000. */
  readonly every?: number
}

/** A store with this record is an unfinished copy. */
export const COPY_KEY = key('unfinished copy')
const VERSIONS_KEY = key('v', '')
/** Records that describe one store, or that a new store has. */
const OWN = [COPY_KEY, BLOBS_KEY, HELD_KEY, VERSIONS_KEY]
const ALL = { from: Buffer.alloc(0), to: Buffer.from([0xff]) }
const BATCH = { ops: 500, octets: 1024 * 1024 }
const EVERYTHING = Number.MAX_SAFE_INTEGER
const EVERY = 1000

/** Throws IEMS_STORE_NOT_EMPTY, IEMS_STORE_COPY_DIFFERS, and what the stores throw. */
export async function copyStore(from: Store, to: Store, options: CopyOptions): Promise<Copied> {
  await begin(to)
  const copy = new Copy(from, to, options)
  await copy.blobs()
  await copy.records()
  await copy.scheduled()
  const copied = await copy.check()
  await to.commit([{ del: COPY_KEY }])
  return copied
}

async function begin(to: Store): Promise<void> {
  if (await to.get(COPY_KEY)) return
  for await (const [at] of to.scan({ ...ALL, limit: OWN.length + 1 }))
    if (!isOwn(at)) throw new IemsError('IEMS_STORE_NOT_EMPTY')
  for await (const _ of to.blobs.list()) throw new IemsError('IEMS_STORE_NOT_EMPTY')
  await to.commit([{ put: COPY_KEY, value: Buffer.from('1') }], [{ key: COPY_KEY, is: 'absent' }])
}

const isOwn = (at: Uint8Array) => OWN.some((own) => Buffer.compare(at, own) === 0)
const isNeverCopied = (at: Uint8Array) => isOwn(at) && Buffer.compare(at, VERSIONS_KEY) !== 0

class Copy {
  readonly #from: Store
  readonly #to: Store
  readonly #options: CopyOptions
  #ops: Op[] = []
  #octets = 0

  constructor(from: Store, to: Store, options: CopyOptions) {
    this.#from = from
    this.#to = to
    this.#options = options
  }

  async blobs(): Promise<void> {
    if (!this.#to.blobs.adopt) throw new RangeError('this store cannot take over blobs')
    let count = 0
    for await (const [id, mine, theirs] of merged(this.#from.blobs.list(), this.#to.blobs.list(), compareIds)) {
      this.#tell('blobs', ++count)
      if (mine && !theirs) await this.#to.blobs.adopt(id.id, this.#from.blobs.open(id.id))
      else if (theirs && !mine) await this.#to.blobs.remove(id.id)
    }
  }

  async records(): Promise<void> {
    let count = 0
    for await (const [one, mine, theirs] of merged(this.#from.scan(ALL), this.#to.scan(ALL), compareRecords)) {
      this.#tell('records', ++count)
      if (isNeverCopied(one[0])) continue
      if (!mine) await this.#write({ del: one[0] })
      else if (!theirs || Buffer.compare(mine[1], theirs[1]) !== 0) await this.#write({ put: mine[0], value: mine[1] })
    }
    await this.#flush()
  }

  async scheduled(): Promise<void> {
    const now = this.#from.now()
    for await (const { lane } of this.#to.lanes('')) {
      for await (const { key: at } of this.#to.due(lane, EVERYTHING))
        if ((await this.#from.dueAt(lane, at)) === undefined) await this.#write({ undue: at, lane })
    }
    let count = 0
    for await (const { lane } of this.#from.lanes('')) {
      for await (const { key: due, at } of this.#from.due(lane, EVERYTHING)) {
        this.#tell('scheduled', ++count)
        await this.#write({ due, lane, in: at - now })
      }
    }
    await this.#flush()
  }

  /** Reads both again. */
  async check(): Promise<Copied> {
    const { blobs, octets } = await this.#checkBlobs()
    let records = 0
    for await (const [one, mine, theirs] of merged(this.#from.scan(ALL), this.#to.scan(ALL), compareRecords)) {
      if (isNeverCopied(one[0])) continue
      this.#tell('records checked', ++records)
      if (!mine || !theirs || Buffer.compare(mine[1], theirs[1]) !== 0) throw differs('a record')
    }
    return { blobs, records, octets, scheduled: await this.#checkScheduled() }
  }

  async #checkBlobs(): Promise<Pick<Copied, 'blobs' | 'octets'>> {
    let [blobs, octets] = [0, 0]
    for await (const [{ id }, mine, theirs] of merged(this.#from.blobs.list(), this.#to.blobs.list(), compareIds)) {
      this.#tell('blobs checked', ++blobs)
      if (!mine || !theirs) throw differs(`the blob ${id}`)
      const [source, copy] = [await digest(this.#from, id), await digest(this.#to, id)]
      if (source.hash !== copy.hash) throw differs(`the blob ${id}`)
      octets += source.octets
    }
    return { blobs, octets }
  }

  async #checkScheduled(): Promise<number> {
    const [mine, theirs] = [await countScheduled(this.#from), await countScheduled(this.#to)]
    if (mine !== theirs) throw differs('the schedule')
    return mine
  }

  async #write(op: Op): Promise<void> {
    this.#ops.push(op)
    this.#octets += 'value' in op ? op.value.byteLength : 0
    if (this.#ops.length >= BATCH.ops || this.#octets >= BATCH.octets) await this.#flush()
  }

  async #flush(): Promise<void> {
    const ops = this.#ops
    this.#ops = []
    this.#octets = 0
    if (ops.length > 0) await this.#to.commit(ops)
  }

  #tell(what: string, count: number): void {
    this.#options.signal.throwIfAborted()
    if (count % (this.#options.every ?? EVERY) === 0) this.#options.progress(what, count)
  }
}

const differs = (what: string) => new IemsError('IEMS_STORE_COPY_DIFFERS', { what })

const compareIds = (a: { readonly id: string }, b: { readonly id: string }) =>
  Buffer.compare(Buffer.from(a.id), Buffer.from(b.id))
const compareRecords = (a: readonly [Uint8Array, Uint8Array], b: readonly [Uint8Array, Uint8Array]) =>
  Buffer.compare(a[0], b[0])

async function digest(store: Store, id: string) {
  const hash = createHash('sha256')
  let octets = 0
  for await (const chunk of store.blobs.open(id)) {
    hash.update(chunk)
    octets += chunk.byteLength
  }
  return { hash: hash.digest('base64'), octets }
}

async function countScheduled(store: Store): Promise<number> {
  let count = 0
  for await (const { lane } of store.lanes('')) for await (const _ of store.due(lane, EVERYTHING)) count++
  return count
}
