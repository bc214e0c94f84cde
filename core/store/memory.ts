/**
 * The store in memory: for tests, and for trying things out. It keeps the same contract as the others and forgets
 * everything at the end.
 */
import { createHash } from 'node:crypto'
import { IemsError } from '../api/errors.ts'
import { createHints } from './hints.ts'
import type { Blobs, ByteRange, Check, Key, Op, Range, Staged, Store, Value } from './store.ts'

export interface MemoryStoreOptions {
  readonly now?: () => number
}

interface Placed {
  /** When it falls due, or its lease ends. */
  readonly at: number
  /** The generation of its latest lease. */
  readonly lease?: number
}

interface Blob {
  readonly bytes: Uint8Array
  readonly since: number
}

/** As the other stores: above this, a blob's bytes are not given back by `stage`. */
const SMALL_SIZE = 65_536
const CHUNK = 65_536

/** Latin-1: strings then sort as the bytes do. */
const nameOf = (key: Key): string => Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
const keyOf = (name: string): Key => Buffer.from(name, 'latin1')

/** Strings in order, to be found by halving. */
function createOrder() {
  const names: string[] = []
  /** The index of the first name that is not below this one. */
  function find(name: string): number {
    let [low, high] = [0, names.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((names[middle] as string) < name) low = middle + 1
      else high = middle
    }
    return low
  }
  return {
    add(name: string) {
      const at = find(name)
      if (names[at] !== name) names.splice(at, 0, name)
    },
    remove(name: string) {
      const at = find(name)
      if (names[at] === name) names.splice(at, 1)
    },
    between: (from: string, to: string) => names.slice(find(from), find(to)),
  }
}

function* chunksOf(bytes: Uint8Array, { start, end }: ByteRange) {
  for (let at = start; at < Math.min(end, bytes.length); at += CHUNK)
    yield bytes.subarray(at, Math.min(at + CHUNK, end))
}

function createBlobs(blobs: Map<string, Blob>, now: () => number, check: () => void): Blobs {
  let count = 0
  const read = async function* (bytes: Uint8Array, range: ByteRange = { start: 0, end: bytes.length }) {
    yield* chunksOf(bytes, range)
  }
  return {
    async stage(source) {
      check()
      const bytes = Buffer.concat(await Array.fromAsync(source))
      const isSmall = bytes.length <= SMALL_SIZE
      const staged: Staged = {
        size: bytes.length,
        hash: createHash('sha256').update(bytes).digest('base64url'),
        ...(isSmall ? { bytes } : {}),
        open: (range) => read(bytes, range),
        async keep() {
          check()
          const id = `${now().toString(36).padStart(9, '0')}${(count++).toString(36).padStart(6, '0')}`
          if (isSmall) return { id, ops: [{ body: id, value: bytes }] }
          blobs.set(id, { bytes, since: now() })
          return { id, ops: [] }
        },
        async discard() {},
      }
      return staged
    },
    async *open(id, range) {
      check()
      const blob = blobs.get(id)
      if (!blob) throw new IemsError('IEMS_BLOB_MISSING', { id })
      yield* read(blob.bytes, range)
    },
    async remove(id) {
      check()
      blobs.delete(id)
    },
    async *list(after = '') {
      check()
      for (const id of [...blobs.keys()].sort()) {
        const blob = blobs.get(id)
        if (blob && id > after) yield { id, since: blob.since }
      }
    },
  }
}

export function memoryStore({ now = Date.now }: MemoryStoreOptions = {}): Store {
  const records = new Map<string, Value>()
  const order = createOrder()
  const lanes = new Map<string, Map<string, Placed>>()
  let leases = 0
  const blobs = new Map<string, Blob>()
  const watchers = new Set<{ readonly prefix: string; readonly wake: (lane: string, at: number) => void }>()
  const hints = createHints()
  let closed = false

  function check() {
    if (closed) throw new IemsError('IEMS_STORE_CLOSED')
  }

  const placed = (lane: string, key: Key) => lanes.get(lane)?.get(nameOf(key))
  const isLeased = (one: Placed | undefined) => one?.lease !== undefined && one.at > now()

  function holds(one: Check): boolean {
    if ('due' in one) return placed(one.lane, one.due)?.lease === one.lease
    if ('free' in one) return !isLeased(placed(one.lane, one.free))
    const value = records.get(nameOf(one.key))
    if (one.is === 'absent') return value === undefined
    return value !== undefined && (one.is === 'present' || Buffer.compare(value, one.is) === 0)
  }

  function apply(op: Op) {
    if ('put' in op) {
      records.set(nameOf(op.put), op.value)
      order.add(nameOf(op.put))
    } else if ('del' in op) {
      records.delete(nameOf(op.del))
      order.remove(nameOf(op.del))
    } else if ('body' in op) blobs.set(op.body, { bytes: op.value, since: now() })
    else if ('due' in op) {
      const before = placed(op.lane, op.due)
      if (!op.ifFree || (before && !isLeased(before))) schedule(op.lane, nameOf(op.due), Math.round(now() + op.in))
    } else {
      const lane = lanes.get(op.lane)
      lane?.delete(nameOf(op.undue))
      if (lane?.size === 0) lanes.delete(op.lane)
    }
  }

  function schedule(laneName: string, name: string, at: number) {
    const lane = lanes.get(laneName) ?? new Map<string, Placed>()
    lanes.set(laneName, lane)
    lane.set(name, { at })
    queueMicrotask(() => {
      for (const { prefix, wake } of watchers) if (laneName.startsWith(prefix)) wake(laneName, at)
    })
  }

  /** The keys of a lane up to a time, earliest first. */
  function timesIn(lane: string, until: number): [name: string, placed: Placed][] {
    const due = [...(lanes.get(lane) ?? [])].filter(([, { at }]) => at <= until)
    return due.sort(([a, x], [b, y]) => x.at - y.at || (a < b ? -1 : 1))
  }

  async function* scan({ from, to, limit = Number.POSITIVE_INFINITY, reverse }: Range) {
    check()
    const names = order.between(nameOf(from), nameOf(to))
    const found = (reverse ? names.reverse() : names).slice(0, limit)
    for (const [name, value] of found.map((one) => [one, records.get(one)] as const))
      if (value) yield [keyOf(name), value] as const
  }

  return {
    now,
    async get(key) {
      check()
      return records.get(nameOf(key))
    },
    scan,
    async commit(ops, checks = []) {
      check()
      const invalid = ops.find(
        (op) => ('lane' in op && op.lane.includes('\0')) || ('in' in op && !Number.isFinite(op.in)),
      )
      if (invalid) throw new RangeError('a lane without NUL and a time that is a number')
      // Elsewhere nothing happens before the next turn either.
      await undefined
      if (!checks.every(holds)) return false
      ops.forEach(apply)
      return true
    },
    async take(lane, limit, leaseMs) {
      check()
      const until = now() + leaseMs
      const names = timesIn(lane, now()).slice(0, limit)
      return names.map(([name]) => {
        const generation = ++leases
        lanes.get(lane)?.set(name, { at: until, lease: generation })
        return { key: keyOf(name), until, generation }
      })
    },
    async renew(lane, { key, generation }, leaseMs) {
      check()
      if (placed(lane, key)?.lease !== generation) return undefined
      const until = now() + leaseMs
      lanes.get(lane)?.set(nameOf(key), { at: until, lease: generation })
      return { key, until, generation }
    },
    async *lanes(prefix) {
      check()
      for (const name of [...lanes.keys()].filter((one) => one.startsWith(prefix)).sort()) {
        let next = Number.POSITIVE_INFINITY
        for (const { at } of lanes.get(name)?.values() ?? []) next = Math.min(next, at)
        if (next < Number.POSITIVE_INFINITY) yield { lane: name, at: next }
      }
    },
    async dueAt(lane, key) {
      check()
      return placed(lane, key)?.at
    },
    async isLeased(lane, key) {
      check()
      return isLeased(placed(lane, key))
    },
    async *due(lane, limit) {
      check()
      for (const [name, one] of timesIn(lane, Number.POSITIVE_INFINITY).slice(0, limit))
        yield { key: keyOf(name), at: one.at, leased: isLeased(one) }
    },
    watch(prefix, wake) {
      const watcher = { prefix, wake }
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    publish: hints.publish,
    subscribe: hints.subscribe,
    blobs: createBlobs(blobs, now, check),
    async close() {
      closed = true
      hints.close()
    },
  }
}
