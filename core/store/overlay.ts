/**
 * A store for rehearsals: it reads what another store has, and keeps its own changes in memory.
 *
 * Invariants: the other store is never changed; nothing is ever due, so no job and no delivery runs; beyond a number of
 * changes all of them are forgotten, so that memory is bounded.
 */
import { IemsError } from '../api/errors.ts'
import { memoryStore } from './memory.ts'
import type { Blobs, Check, Key, Op, Range, Store, Value } from './store.ts'

const nameOf = (key: Key): string => Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')

async function* nothing<T>(): AsyncGenerator<T> {}

/** `maxChanges`: records of its own. */
export function overlayStore(base: Store, { maxChanges }: { readonly maxChanges: number }): Store {
  let own = memoryStore({ now: () => base.now() })
  /** Names of own records and of removed ones. */
  let changed = new Set<string>()

  const get = async (key: Key): Promise<Value | undefined> => (changed.has(nameOf(key)) ? own.get(key) : base.get(key))

  async function* scan({ from, to, limit = Number.POSITIVE_INFINITY, reverse = false }: Range) {
    const sides = [own.scan({ from, to, reverse }), base.scan({ from, to, reverse })].map((side) =>
      side[Symbol.asyncIterator](),
    )
    const heads = await Promise.all(sides.map((side) => side.next()))
    try {
      for (let count = 0; count < limit; ) {
        const [mine, theirs] = heads.map(({ value, done }) => (done ? undefined : (value as readonly [Key, Value])))
        if (!mine && !theirs) return
        const order = !mine ? 1 : !theirs ? -1 : Buffer.compare(mine[0], theirs[0]) * (reverse ? -1 : 1)
        const next = (order <= 0 ? mine : theirs) as readonly [Key, Value]
        if (order <= 0) heads[0] = await (sides[0] as (typeof sides)[number]).next()
        if (order >= 0) heads[1] = await (sides[1] as (typeof sides)[number]).next()
        if (order > 0 && changed.has(nameOf(next[0]))) continue
        count++
        yield next
      }
    } finally {
      for (const side of sides) await side.return?.()
    }
  }

  async function holds(check: Check): Promise<boolean> {
    if ('due' in check) return false
    if ('free' in check) return true
    const value = await get(check.key)
    if (typeof check.is === 'string') return (value !== undefined) === (check.is === 'present')
    return value !== undefined && Buffer.compare(value, check.is) === 0
  }

  async function commit(ops: readonly Op[], checks: readonly Check[] = []): Promise<boolean> {
    for (const check of checks) if (!(await holds(check))) return false
    if (changed.size > maxChanges) {
      own = memoryStore({ now: () => base.now() })
      changed = new Set()
    }
    const records = ops.filter((op) => 'put' in op || 'del' in op || 'body' in op)
    for (const op of records) if (!('body' in op)) changed.add(nameOf('put' in op ? op.put : op.del))
    return own.commit(records)
  }

  const blobs: Blobs = {
    stage: (source) => own.blobs.stage(source),
    async *open(id, range) {
      try {
        return yield* own.blobs.open(id, range)
      } catch (cause) {
        if (!(cause instanceof IemsError && cause.code === 'IEMS_BLOB_MISSING')) throw cause
      }
      yield* base.blobs.open(id, range)
    },
    size: (id) => own.blobs.size(id).catch(() => base.blobs.size(id)),
    remove: async (id) => own.blobs.remove(id),
    list: () => nothing(),
  }
  return {
    now: () => base.now(),
    get,
    scan,
    commit,
    take: async () => [],
    renew: async () => undefined,
    lanes: () => nothing(),
    dueAt: async () => undefined,
    isLeased: async () => false,
    due: () => nothing(),
    watch: () => () => {},
    publish() {},
    subscribe: (topic, hear) => base.subscribe(topic, hear),
    blobs,
    close: async () => own.close(),
  }
}
