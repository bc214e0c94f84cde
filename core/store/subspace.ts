/**
 * The store as one plugin sees it: its own records and lanes, and everybody's blobs.
 */
import { type KeyPart, key } from './keys.ts'
import type { Check, Key, Op, Store } from './store.ts'

/** A view of the store below a prefix, and how it translates, for commits that also hold what is not below it. */
export interface Subspace extends Store {
  outerOp(op: Op): Op
  outerCheck(check: Check): Check
}

/** Closing the view closes nothing. */
export function subspace(store: Store, ...prefix: readonly KeyPart[]): Subspace {
  const base = key(...prefix)
  const laneBase = `${prefix.join('/')}/`
  const inner = (at: Key): Key => at.subarray(base.length)
  const outer = (at: Key): Key => Buffer.concat([base, at])
  const lane = (name: string) => laneBase + name

  function outerOp(op: Op): Op {
    if ('put' in op) return { ...op, put: outer(op.put) }
    if ('del' in op) return { del: outer(op.del) }
    if ('due' in op) return { ...op, due: outer(op.due), lane: lane(op.lane) }
    if ('body' in op) return op
    return { undue: outer(op.undue), lane: lane(op.lane) }
  }
  function outerCheck(check: Check): Check {
    if ('due' in check) return { ...check, due: outer(check.due), lane: lane(check.lane) }
    if ('free' in check) return { free: outer(check.free), lane: lane(check.lane) }
    return { ...check, key: outer(check.key) }
  }

  return {
    now: store.now,
    get: (at) => store.get(outer(at)),
    async *scan({ from, to, ...rest }) {
      for await (const [at, value] of store.scan({ ...rest, from: outer(from), to: outer(to) }))
        yield [inner(at), value]
    },
    commit: (ops, checks = []) => store.commit(ops.map(outerOp), checks.map(outerCheck)),
    async take(name, limit, leaseMs) {
      return (await store.take(lane(name), limit, leaseMs)).map((lease) => ({ ...lease, key: inner(lease.key) }))
    },
    async renew(name, { key: at, ...given }, leaseMs) {
      const lease = await store.renew(lane(name), { ...given, key: outer(at) }, leaseMs)
      return lease && { ...lease, key: at }
    },
    async *lanes(start) {
      for await (const { lane: name, at } of store.lanes(lane(start))) yield { lane: name.slice(laneBase.length), at }
    },
    dueAt: (name, at) => store.dueAt(lane(name), outer(at)),
    isLeased: (name, at) => store.isLeased(lane(name), outer(at)),
    async *due(name, limit) {
      for await (const one of store.due(lane(name), limit)) yield { ...one, key: inner(one.key) }
    },
    watch: (start, wake) => store.watch(lane(start), (name, at) => wake(name.slice(laneBase.length), at)),
    publish: (topic, hint) => store.publish(lane(topic), hint),
    subscribe: (topic, hear) => store.subscribe(lane(topic), hear),
    blobs: store.blobs,
    outerOp,
    outerCheck,
    async close() {},
  }
}
