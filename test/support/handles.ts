/** Several handles on one store, used as one store. */
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import type { Store } from 'iems'
import { postgresStore } from 'iems/plugins/postgres'
import { type TestClock, testClock } from 'iems/testing'
import { levelStore } from '../../core/store/level/level.ts'
import { openLevelReader } from '../../core/store/level/reader.ts'
import { type Served, serveStore } from '../../core/store/remote/owner.ts'
import { startPostgres, whyNoPostgres } from './postgres.ts'
import { tempFolder } from './running-server.ts'

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

export interface Handles {
  readonly handles: readonly Store[]
  /** The clock of the store. */
  readonly clock: TestClock
}

interface Shared {
  readonly skip: string | undefined
  /** Opens so many handles on a new store, as so many kernels have. */
  open(t: TestContext, count: number): Promise<Handles>
}

/** Statements after which a database's clock stands still, as that of a test kernel does. */
const stopClock = (now: number) => `
  set search_path = iems;
  create or replace function now_ms() returns bigint language sql volatile as $$ select ${now}::bigint $$;`

/** The stores on which kernels in several threads or processes work, by name. */
export const HANDLES: Readonly<Record<string, Shared>> = {
  'LevelDB of workers': {
    skip: undefined,
    async open(t, count) {
      const clock = testClock()
      const path = join(await tempFolder(t), 'data')
      const served = new Set<Served>()
      const release = async (isReleased: boolean) => {
        await Promise.all([...served].map((one) => one.release(isReleased)))
      }
      const store = await levelStore({ path, now: clock.now, readers: { release } })
      const handle = () => {
        const { port1, port2 } = new MessageChannel()
        served.add(serveStore(store, port1))
        return openLevelReader({ path, port: port2, now: clock.now })
      }
      const handles = await Promise.all(Array.from({ length: count }, handle))
      t.after(async () => {
        await Promise.all(handles.map((one) => one.close()))
        await store.close()
      })
      return { handles, clock }
    },
  },
  PostgreSQL: {
    skip: whyNoPostgres(),
    async open(t, count) {
      const clock = testClock()
      const postgres = await startPostgres(t)
      const open = () => postgresStore({ url: postgres.url(), connections: 4 }).open()
      await (await open()).close()
      await postgres.query(stopClock(clock.now()))
      const handles = await Promise.all(Array.from({ length: count }, open))
      t.after(() => Promise.all(handles.map((one) => one.close())))
      return { handles, clock }
    },
  },
}
