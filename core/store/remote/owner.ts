/**
 * The owner's end of a handle: answers another thread's calls on a store that this thread has open.
 *
 * Invariants: commits of all handles go to one store, where those that wait together share a batch; when a handle is
 * lost, its leases end, its stages are dropped and its scans are closed; a malformed message is answered with an error
 * and affects no other handle.
 */
import type { MessagePort } from 'node:worker_threads'
import { IemsError } from '../../api/errors.ts'
import { emitWarning } from '../hints.ts'
import type { ByteRange, Key, Lease, Range, Staged, Store, StoreDump, Value } from '../store.ts'
import { ChunkQueue } from './chunk-queue.ts'
import { HeldLeases } from './held-leases.ts'
import { type Asked, type CallName, carried, Outbox, type Page, type Said } from './protocol.ts'

/** Maximum size of a page. */
const PAGE = { items: 128, octets: 262_144 }

export interface Served {
  /**
   * Resolves when the handle has closed the records (true) or was notified that they are open again; at once when it is
   * lost.
   */
  release(isReleased: boolean): Promise<void>
  /** Ends the handle as its loss does. Resolves when its leases have ended. */
  close(): Promise<void>
}

/** Serves a store to the handle at the other end of the port, until the port closes. */
export function serveStore(store: Store, port: MessagePort): Served {
  const handle = new Handle(store, port)
  return { release: (isReleased) => handle.release(isReleased), close: () => handle.close() }
}

interface Stage {
  readonly source: ChunkQueue
  readonly staged: Promise<Staged>
}

class Handle {
  readonly #store: Store
  readonly #port: MessagePort
  readonly #outbox: Outbox<Said>
  readonly #readings = new Map<number, AsyncIterator<unknown>>()
  readonly #stages = new Map<number, Stage>()
  readonly #dumps = new Map<number, StoreDump>()
  readonly #leases: HeldLeases
  readonly #ends = new Map<number | string, () => void>()
  readonly #releases: (() => void)[] = []
  readonly #underWay = new Set<Promise<void>>()
  readonly #closed: Promise<void>
  #count = 0
  #isClosed = false

  constructor(store: Store, port: MessagePort) {
    this.#store = store
    this.#port = port
    this.#outbox = new Outbox(port)
    this.#leases = new HeldLeases(store)
    this.#closed = new Promise((resolve) => {
      port.on('close', () => void this.#lost().finally(resolve))
    })
    port.on('message', (asked: readonly Asked[]) => {
      for (const one of asked) this.#hear(one)
    })
  }

  release(isReleased: boolean): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    return new Promise((resolve) => {
      this.#releases.push(resolve)
      this.#say({ release: isReleased })
    })
  }

  close(): Promise<void> {
    this.#port.close()
    return this.#closed
  }

  #say(said: Said): void {
    if (!this.#isClosed) this.#outbox.post(said)
  }

  #hear(asked: Asked): void {
    if ('id' in asked) this.#begin(asked)
    else if ('abandon' in asked) this.#abandon(asked.abandon)
    else if ('watch' in asked) this.#watch(asked.watch, asked.prefix)
    else if ('unwatch' in asked) this.#end(asked.unwatch)
    else if ('subscribe' in asked) this.#subscribe(asked.subscribe)
    else if ('unsubscribe' in asked) this.#end(asked.unsubscribe)
    else if ('publish' in asked) this.#store.publish(asked.publish, asked.hint)
    else this.#releases.shift()?.()
  }

  #begin(asked: Extract<Asked, { id: number }>): void {
    const answer = this.#answer(asked).finally(() => this.#underWay.delete(answer))
    this.#underWay.add(answer)
  }

  async #answer({ id, call, args }: Extract<Asked, { id: number }>): Promise<void> {
    try {
      const value = await this.#call(call, args)
      this.#say({ id, value })
    } catch (cause) {
      this.#say({ id, error: carried(cause) })
    }
  }

  #watch(id: number, prefix: string): void {
    this.#ends.set(
      id,
      this.#store.watch(prefix, (lane, at) => this.#say({ wake: id, lane, at })),
    )
  }

  #subscribe(topic: string): void {
    this.#end(topic)
    this.#ends.set(
      topic,
      this.#store.subscribe(topic, (hint) => this.#say({ topic, hint })),
    )
  }

  #end(what: number | string): void {
    this.#ends.get(what)?.()
    this.#ends.delete(what)
  }

  /** `Calls` and `Readings` define the types of the arguments: both ends are this program. */
  #call(call: CallName, args: readonly unknown[]): Promise<unknown> {
    const store = this.#store
    const [first, second, third] = args
    switch (call) {
      case 'get':
        return store.get(first as Key)
      case 'commit':
        return this.#commit(args as Parameters<Store['commit']>)
      case 'take':
        return this.#take(first as string, second as number, third as number)
      case 'renew':
        return this.#renew(first as string, second as Lease, third as number)
      case 'dueAt':
        return store.dueAt(first as string, second as Key)
      case 'isLeased':
        return store.isLeased(first as string, second as Key)
      case 'remove':
        return store.blobs.remove(first as string)
      case 'blobSize':
        return store.blobs.size(first as string)
      case 'page':
        return this.#page(first as number)
      case 'scan':
        return this.#read(store.scan(first as Range))
      case 'lanes':
        return this.#read(store.lanes(first as string))
      case 'due':
        return this.#read(store.due(first as string, second as number))
      case 'blob':
        return this.#read(store.blobs.open(first as string, second as ByteRange | undefined))
      case 'blobs':
        return this.#read(store.blobs.list(first as string))
      case 'dump':
        return this.#dump()
      case 'dumpEnd':
      case 'dumpRecords':
      case 'dumpFile':
        return this.#dumping(call, first as number, second as string)
      default:
        return this.#staging(call, first as number, second)
    }
  }

  // --- commits and leases ---

  async #commit([ops, checks]: Parameters<Store['commit']>): Promise<boolean> {
    const isDone = await this.#store.commit(ops, checks)
    if (isDone) this.#leases.settle(ops)
    return isDone
  }

  async #take(lane: string, limit: number, leaseMs: number): Promise<readonly Lease[]> {
    const leases = await this.#store.take(lane, limit, leaseMs)
    for (const lease of leases) this.#leases.hold(lane, lease)
    return leases
  }

  async #renew(lane: string, lease: Lease, leaseMs: number): Promise<Lease | undefined> {
    const renewed = await this.#store.renew(lane, lease, leaseMs)
    if (renewed) this.#leases.hold(lane, renewed)
    return renewed
  }

  // --- readings ---

  #read(items: AsyncIterable<unknown>): Promise<Page> {
    const reading = ++this.#count
    this.#readings.set(reading, items[Symbol.asyncIterator]())
    return this.#page(reading)
  }

  async #page(reading: number): Promise<Page> {
    const iterator = this.#readings.get(reading)
    if (!iterator) throw new IemsError('IEMS_STORE_CLOSED')
    const items: unknown[] = []
    let octets = 0
    try {
      while (items.length < PAGE.items && octets < PAGE.octets) {
        const { value, done } = await iterator.next()
        if (done) {
          this.#readings.delete(reading)
          return { reading, items, isLast: true }
        }
        items.push(value)
        octets += sizeOf(value)
      }
    } catch (cause) {
      this.#readings.delete(reading)
      throw cause
    }
    if (this.#isClosed) this.#abandon(reading)
    return { reading, items, isLast: false }
  }

  #abandon(reading: number): void {
    const iterator = this.#readings.get(reading)
    this.#readings.delete(reading)
    iterator?.return?.()?.catch(emitWarning)
  }

  // --- dumps ---

  async #dump(): Promise<{ readonly dump: number; readonly files: readonly string[] }> {
    const taken = await this.#store.dump?.()
    if (!taken)
      throw new IemsError('IEMS_CONTROL_REFUSED', { why: 'This store cannot be backed up while it is in use' })
    const dump = ++this.#count
    this.#dumps.set(dump, taken)
    return { dump, files: taken.files }
  }

  async #dumping(call: 'dumpEnd' | 'dumpRecords' | 'dumpFile', id: number, file: string): Promise<unknown> {
    const dump = this.#dumps.get(id)
    if (!dump) throw new IemsError('IEMS_STORE_CLOSED')
    if (call === 'dumpRecords') return this.#read(dump.records())
    if (call === 'dumpFile') return this.#read(dump.open(file))
    this.#dumps.delete(id)
    await dump.close()
    return undefined
  }

  // --- staging ---

  async #staging(call: CallName, id: number, given: unknown): Promise<unknown> {
    if (call === 'stage') return this.#stage()
    const stage = this.#stages.get(id)
    if (!stage) throw new IemsError('IEMS_STORE_CLOSED')
    if (call === 'stageWrite') return stage.source.write(given as Value)
    if (call === 'staged') return this.#read((await stage.staged).open(given as ByteRange | undefined))
    if (call === 'stageEnd') {
      stage.source.end()
      const { size, hash, bytes } = await stage.staged
      return { size, ...(hash === undefined ? {} : { hash }), ...(bytes ? { bytes } : {}) }
    }
    if (call === 'keep') {
      const kept = await (await stage.staged).keep()
      this.#stages.delete(id)
      return kept
    }
    return this.#forget(id)
  }

  #stage(): number {
    const id = ++this.#count
    const source = new ChunkQueue()
    const staged = this.#store.blobs.stage(source)
    // A full disk ends the stage; `stageEnd` or the next write answers with the reason.
    staged.catch((cause: unknown) => source.fail(cause))
    this.#stages.set(id, { source, staged })
    return id
  }

  async #forget(id: number): Promise<void> {
    const stage = this.#stages.get(id)
    this.#stages.delete(id)
    stage?.source.fail(new IemsError('IEMS_STORE_CLOSED'))
    const staged = await stage?.staged.catch(() => undefined)
    await staged?.discard()
  }

  // --- the end ---

  async #lost(): Promise<void> {
    this.#isClosed = true
    for (const end of this.#ends.values()) end()
    this.#ends.clear()
    for (const done of this.#releases.splice(0)) done()
    for (const reading of [...this.#readings.keys()]) this.#abandon(reading)
    await Promise.allSettled([...this.#stages.keys()].map((id) => this.#forget(id)))
    // Calls in progress may take or settle leases.
    await Promise.allSettled(this.#underWay)
    for (const dump of this.#dumps.values()) await dump.close()
    await this.#leases.end()
  }
}

function sizeOf(item: unknown): number {
  if (item instanceof Uint8Array) return item.byteLength
  return Array.isArray(item) ? item.reduce<number>((sum, one) => sum + sizeOf(one), 0) : 64
}
