/**
 * The store as one plugin sees it: its own records and lanes, and all blobs.
 */
import { mapped } from './items.ts'
import { type KeyPart, key } from './keys.ts'
import type { Check, Key, Lease, Op, Store } from './store.ts'

/** A view of the store below a prefix, with its key translation for commits that also touch keys outside. */
export interface Subspace extends Store {
  outerOp(op: Op): Op
  outerCheck(check: Check): Check
}

/** Translates keys and lanes of a subspace to those of the whole store. */
class Translation {
  readonly #base: Key
  readonly #laneBase: string

  constructor(prefix: readonly KeyPart[]) {
    this.#base = key(...prefix)
    this.#laneBase = `${prefix.join('/')}/`
  }

  inner(at: Key): Key {
    return at.subarray(this.#base.length)
  }

  outer(at: Key): Key {
    return Buffer.concat([this.#base, at])
  }

  lane(name: string): string {
    return this.#laneBase + name
  }

  innerLane(name: string): string {
    return name.slice(this.#laneBase.length)
  }

  op(op: Op): Op {
    if ('put' in op) return { ...op, put: this.outer(op.put) }
    if ('del' in op) return { del: this.outer(op.del) }
    if ('due' in op) return { ...op, due: this.outer(op.due), lane: this.lane(op.lane) }
    if ('body' in op) return op
    return { undue: this.outer(op.undue), lane: this.lane(op.lane) }
  }

  check(check: Check): Check {
    if ('due' in check) return { ...check, due: this.outer(check.due), lane: this.lane(check.lane) }
    if ('free' in check) return { free: this.outer(check.free), lane: this.lane(check.lane) }
    return { ...check, key: this.outer(check.key) }
  }
}

/** Closing the view has no effect. */
export function subspace(store: Store, ...prefix: readonly KeyPart[]): Subspace {
  const to = new Translation(prefix)
  const innerLease = (lease: Lease): Lease => ({ ...lease, key: to.inner(lease.key) })
  return {
    now: store.now,
    get: (at) => store.get(to.outer(at)),
    scan: ({ from, to: end, ...rest }) =>
      mapped(store.scan({ ...rest, from: to.outer(from), to: to.outer(end) }), ([at, value]) => [to.inner(at), value]),
    commit: (ops, checks = []) =>
      store.commit(
        ops.map((op) => to.op(op)),
        checks.map((check) => to.check(check)),
      ),
    take: async (name, limit, leaseMs) => (await store.take(to.lane(name), limit, leaseMs)).map(innerLease),
    renew: async (name, given, leaseMs) => {
      const lease = await store.renew(to.lane(name), { ...given, key: to.outer(given.key) }, leaseMs)
      return lease && { ...lease, key: given.key }
    },
    lanes: (start) => mapped(store.lanes(to.lane(start)), ({ lane, at }) => ({ lane: to.innerLane(lane), at })),
    dueAt: (name, at) => store.dueAt(to.lane(name), to.outer(at)),
    isLeased: (name, at) => store.isLeased(to.lane(name), to.outer(at)),
    due: (name, limit) => mapped(store.due(to.lane(name), limit), (one) => ({ ...one, key: to.inner(one.key) })),
    watch: (start, wake) => store.watch(to.lane(start), (name, at) => wake(to.innerLane(name), at)),
    publish: (topic, hint) => store.publish(to.lane(topic), hint),
    subscribe: (topic, hear) => store.subscribe(to.lane(topic), hear),
    blobs: store.blobs,
    outerOp: (op) => to.op(op),
    outerCheck: (check) => to.check(check),
    close: async () => {},
  }
}
