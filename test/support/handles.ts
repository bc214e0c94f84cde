/** Several handles on one store, used as one store. */
import type { Store } from 'iems'

/** Sends each call to one of the handles. Hints and wake-ups of one caller keep to one of them, because they may be missed. */
export function scattered(handles: readonly Store[], close: () => Promise<void>): Store {
  let state = 1
  const any = () => {
    state = (state * 48_271) % 2_147_483_647
    return handles[state % handles.length] as Store
  }
  const first = handles[0] as Store
  return {
    now: first.now,
    get: (at) => any().get(at),
    scan: (range) => any().scan(range),
    commit: (ops, checks) => any().commit(ops, checks),
    take: (lane, limit, leaseMs) => any().take(lane, limit, leaseMs),
    renew: (lane, lease, leaseMs) => any().renew(lane, lease, leaseMs),
    lanes: (prefix) => any().lanes(prefix),
    dueAt: (lane, at) => any().dueAt(lane, at),
    isLeased: (lane, at) => any().isLeased(lane, at),
    due: (lane, limit) => any().due(lane, limit),
    watch: first.watch,
    publish: first.publish,
    subscribe: first.subscribe,
    blobs: {
      stage: (source) => any().blobs.stage(source),
      open: (id, range) => any().blobs.open(id, range),
      size: (id) => any().blobs.size(id),
      remove: (id) => any().blobs.remove(id),
      list: (after) => any().blobs.list(after),
    },
    close,
  }
}
