/**
 * The store in memory, for tests and trials. It keeps the full contract and loses everything at the end.
 */
import { createHash } from 'node:crypto'
import { IemsError } from '../api/errors.ts'
import { createHints } from './hints.ts'
import { MemoryLane, Order, type Placed } from './memory-lane.ts'
import type { Blobs, ByteRange, Check, Key, Lease, Op, Range, Staged, Store, Value } from './store.ts'

export interface MemoryStoreOptions {
  readonly now?: () => number
}

interface Blob {
  readonly bytes: Uint8Array
  readonly since: number
}

/** Maximum size of bytes that `stage` returns, as in the other stores. */
const SMALL_SIZE = 65_536
const CHUNK = 65_536

/** Latin-1, so that strings sort as the bytes do. */
const nameOf = (key: Key): string => Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
const keyOf = (name: string): Key => Buffer.from(name, 'latin1')

async function* chunksOf(
  bytes: Uint8Array,
  { start, end }: ByteRange = { start: 0, end: bytes.length },
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < Math.min(end, bytes.length); at += CHUNK)
    yield bytes.subarray(at, Math.min(at + CHUNK, end))
}

class MemoryBlobs implements Blobs {
  readonly #now: () => number
  readonly #check: () => void
  readonly #blobs = new Map<string, Blob>()
  #count = 0

  constructor(now: () => number, check: () => void) {
    this.#now = now
    this.#check = check
  }

  put(id: string, bytes: Uint8Array): void {
    this.#blobs.set(id, { bytes, since: this.#now() })
  }

  async stage(source: AsyncIterable<Uint8Array>): Promise<Staged> {
    this.#check()
    const bytes = Buffer.concat(await Array.fromAsync(source))
    const isSmall = bytes.length <= SMALL_SIZE
    return {
      size: bytes.length,
      hash: createHash('sha256').update(bytes).digest('base64url'),
      ...(isSmall ? { bytes } : {}),
      open: (range) => chunksOf(bytes, range),
      keep: async () => {
        this.#check()
        const id = `${this.#now().toString(36).padStart(9, '0')}${(this.#count++).toString(36).padStart(6, '0')}`
        if (isSmall) return { id, ops: [{ body: id, value: bytes }] }
        this.put(id, bytes)
        return { id, ops: [] }
      },
      discard: async () => {},
    }
  }

  async *open(id: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
    this.#check()
    const blob = this.#blobs.get(id)
    if (!blob) throw new IemsError('IEMS_BLOB_MISSING', { id })
    yield* chunksOf(blob.bytes, range)
  }

  async size(id: string): Promise<number> {
    this.#check()
    const blob = this.#blobs.get(id)
    if (!blob) throw new IemsError('IEMS_BLOB_MISSING', { id })
    return blob.bytes.byteLength
  }

  async remove(id: string): Promise<void> {
    this.#check()
    this.#blobs.delete(id)
  }

  async *list(after = ''): ReturnType<Blobs['list']> {
    this.#check()
    for (const id of [...this.#blobs.keys()].sort()) {
      const blob = this.#blobs.get(id)
      if (blob && id > after) yield { id, since: blob.since }
    }
  }
}

/** Records by key, in order. */
class MemoryRecords {
  readonly #values = new Map<string, Value>()
  readonly #order = new Order()

  get(key: Key): Value | undefined {
    return this.#values.get(nameOf(key))
  }

  put(key: Key, value: Value): void {
    this.#values.set(nameOf(key), value)
    this.#order.add(nameOf(key))
  }

  delete(key: Key): void {
    this.#values.delete(nameOf(key))
    this.#order.remove(nameOf(key))
  }

  *scan({ from, to, limit = Number.POSITIVE_INFINITY, reverse }: Range): Generator<readonly [Key, Value]> {
    const [low, high] = [nameOf(from), nameOf(to)]
    const names = reverse ? this.#order.downward(low, high) : this.#order.between(low, high)
    // A copy, so that changes during iteration have no effect.
    for (const [name, value] of Array.from(names.take(limit), (one) => [one, this.#values.get(one)] as const))
      if (value) yield [keyOf(name), value] as const
  }
}

/** Lanes of scheduled keys, with their leases. */
class MemoryLanes {
  readonly #now: () => number
  readonly #lanes = new Map<string, MemoryLane>()
  readonly #watchers = new Set<{ readonly prefix: string; readonly wake: (lane: string, at: number) => void }>()
  #leases = 0

  constructor(now: () => number) {
    this.#now = now
  }

  at(lane: string, key: Key): Placed | undefined {
    return this.#lanes.get(lane)?.get(nameOf(key))
  }

  isLeased(lane: string, key: Key): boolean {
    return this.#holds(this.at(lane, key))
  }

  #holds(one: Placed | undefined): boolean {
    return one?.lease !== undefined && one.at > this.#now()
  }

  due({ lane: laneName, due, in: ms, ifFree }: Extract<Op, { due: Key }>): void {
    const before = this.at(laneName, due)
    if (ifFree && (!before || this.#holds(before))) return
    const at = Math.round(this.#now() + ms)
    const lane = this.#lanes.get(laneName) ?? new MemoryLane()
    this.#lanes.set(laneName, lane)
    lane.set(nameOf(due), { at })
    queueMicrotask(() => {
      for (const { prefix, wake } of this.#watchers) if (laneName.startsWith(prefix)) wake(laneName, at)
    })
  }

  undue(laneName: string, key: Key): void {
    const lane = this.#lanes.get(laneName)
    lane?.delete(nameOf(key))
    if (lane?.size === 0) this.#lanes.delete(laneName)
  }

  take(lane: string, limit: number, leaseMs: number): Lease[] {
    const until = this.#now() + leaseMs
    const names = this.#lanes.get(lane)?.first(limit, this.#now()) ?? []
    return names.map(([name]) => {
      const generation = ++this.#leases
      this.#lanes.get(lane)?.set(name, { at: until, lease: generation })
      return { key: keyOf(name), until, generation }
    })
  }

  renew(lane: string, { key, generation }: Lease, leaseMs: number): Lease | undefined {
    if (this.at(lane, key)?.lease !== generation) return undefined
    const until = this.#now() + leaseMs
    this.#lanes.get(lane)?.set(nameOf(key), { at: until, lease: generation })
    return { key, until, generation }
  }

  *names(prefix: string): Generator<{ readonly lane: string; readonly at: number }> {
    for (const name of [...this.#lanes.keys()].filter((one) => one.startsWith(prefix)).sort()) {
      const [next] = this.#lanes.get(name)?.first(1) ?? []
      if (next) yield { lane: name, at: next[1].at }
    }
  }

  *list(lane: string, limit: number): Generator<{ readonly key: Key; readonly at: number; readonly leased: boolean }> {
    for (const [name, one] of this.#lanes.get(lane)?.first(limit) ?? [])
      yield { key: keyOf(name), at: one.at, leased: this.#holds(one) }
  }

  watch(prefix: string, wake: (lane: string, at: number) => void): () => void {
    const watcher = { prefix, wake }
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }
}

class MemoryStore {
  readonly records = new MemoryRecords()
  readonly lanes: MemoryLanes
  readonly blobs: MemoryBlobs
  readonly hints = createHints()
  #isClosed = false

  constructor(now: () => number) {
    this.lanes = new MemoryLanes(now)
    this.blobs = new MemoryBlobs(now, () => this.check())
  }

  check(): void {
    if (this.#isClosed) throw new IemsError('IEMS_STORE_CLOSED')
  }

  #holds(one: Check): boolean {
    if ('due' in one) return this.lanes.at(one.lane, one.due)?.lease === one.lease
    if ('free' in one) return !this.lanes.isLeased(one.lane, one.free)
    const value = this.records.get(one.key)
    if (one.is === 'absent') return value === undefined
    return value !== undefined && (one.is === 'present' || Buffer.compare(value, one.is) === 0)
  }

  #apply(op: Op): void {
    if ('put' in op) this.records.put(op.put, op.value)
    else if ('del' in op) this.records.delete(op.del)
    else if ('body' in op) this.blobs.put(op.body, op.value)
    else if ('due' in op) this.lanes.due(op)
    else this.lanes.undue(op.lane, op.undue)
  }

  async commit(ops: readonly Op[], checks: readonly Check[]): Promise<boolean> {
    this.check()
    const invalid = ops.find(
      (op) => ('lane' in op && op.lane.includes('\0')) || ('in' in op && !Number.isFinite(op.in)),
    )
    if (invalid) throw new RangeError('a lane without NUL and a time that is a number')
    // Like the other stores, resolves no earlier than the next turn.
    await undefined
    if (!checks.every((one) => this.#holds(one))) return false
    for (const op of ops) this.#apply(op)
    return true
  }

  /** Runs when awaited, while the store is open. */
  async ask<T>(work: () => T): Promise<T> {
    this.check()
    return work()
  }

  async *each<T>(list: () => Iterable<T>): AsyncGenerator<T> {
    this.check()
    yield* list()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.hints.close()
  }
}

export function memoryStore({ now = Date.now }: MemoryStoreOptions = {}): Store {
  const store = new MemoryStore(now)
  const { records, lanes, blobs, hints } = store
  return {
    now,
    get: (key) => store.ask(() => records.get(key)),
    scan: (range) => store.each(() => records.scan(range)),
    commit: (ops, checks = []) => store.commit(ops, checks),
    take: (lane, limit, leaseMs) => store.ask(() => lanes.take(lane, limit, leaseMs)),
    renew: (lane, lease, leaseMs) => store.ask(() => lanes.renew(lane, lease, leaseMs)),
    lanes: (prefix) => store.each(() => lanes.names(prefix)),
    dueAt: (lane, key) => store.ask(() => lanes.at(lane, key)?.at),
    isLeased: (lane, key) => store.ask(() => lanes.isLeased(lane, key)),
    due: (lane, limit) => store.each(() => lanes.list(lane, limit)),
    watch: (prefix, wake) => lanes.watch(prefix, wake),
    publish: hints.publish,
    subscribe: hints.subscribe,
    blobs: {
      stage: (source) => blobs.stage(source),
      open: (id, range) => blobs.open(id, range),
      size: (id) => blobs.size(id),
      remove: (id) => blobs.remove(id),
      list: (after) => blobs.list(after),
    },
    close: () => store.close(),
  }
}
