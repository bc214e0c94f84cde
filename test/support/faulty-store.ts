/**
 * A store that fails, or "stops the process", at its nth operation: before the operation took effect, or after it did
 * and nobody heard. What lies below it is what a restart finds.
 */
import { IemsError } from '../../core/api/errors.ts'
import type { Op, Staged, Store } from '../../core/store/store.ts'

/** `fail`: this one operation. `stop`: this one and every later one. */
export type Fault = 'fail before' | 'fail after' | 'stop before' | 'stop after'

export interface FaultyStore extends Store {
  /** Whether the nth operation was reached, and whether it was the commit that settles a delivery. */
  readonly hit: { readonly reached: boolean; readonly settling: boolean }
}

export function faultyStore(store: Store, nth: number, fault: Fault): FaultyStore {
  let count = 0
  let stopped = false
  const hit = { reached: false, settling: false }
  const dead = () => new IemsError('IEMS_STORE_FAILED', { path: 'memory', why: 'the test says so' })

  async function through<T>(operate: () => Promise<T>, ops: readonly Op[] = []): Promise<T> {
    if (stopped) throw dead()
    if (++count !== nth) return operate()
    hit.reached = true
    hit.settling = ops.some((op) => 'undue' in op || 'del' in op) || ops.some((op) => 'due' in op && op.in > 0)
    if (fault.endsWith('after')) await operate()
    stopped = fault.startsWith('stop')
    throw dead()
  }

  const staged = (inner: Staged): Staged => ({
    ...inner,
    keep: () => through(() => inner.keep()),
    discard: () => inner.discard(),
  })
  return {
    ...store,
    hit,
    get: (key) => through(() => store.get(key)),
    commit: (ops, checks) => through(() => store.commit(ops, checks), ops),
    take: (lane, limit, leaseMs) => through(() => store.take(lane, limit, leaseMs)),
    blobs: {
      ...store.blobs,
      stage: async (source) => staged(await through(() => store.blobs.stage(source))),
      remove: (id) => through(() => store.blobs.remove(id)),
    },
    // The test closes what lies below.
    async close() {},
  }
}
