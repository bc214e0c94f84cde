/**
 * The store in LevelDB and files: the default, for one process on one machine. Parts: database (opening), reserve (full
 * disk), key-layout, group-commit, due-list (lanes and leases), hints, blobs and files.
 */
import { join } from 'node:path'
import { createHints } from '../hints.ts'
import { itemsOf } from '../items.ts'
import type { Store } from '../store.ts'
import { LevelBlobs } from './blobs.ts'
import { openDatabase, type ReadersGate } from './database.ts'
import { DueList } from './due-list.ts'
import { dumpStore } from './dump.ts'
import { openFiles } from './files.ts'
import { Committer } from './group-commit.ts'
import { recordKey } from './key-layout.ts'
import { scanRecords } from './pages.ts'

export interface LevelStoreOptions {
  /** Folder; created if missing. */
  readonly path: string
  readonly now?: () => number
  /** Minimum free space in octets for staging content. Default 0. */
  readonly minFree?: number
  /** Size in octets of the reserve file that is given up when the disk is full. Default 0: none. */
  readonly reserve?: number
  /** Other threads of this process that read the records with `openLevelReader`. */
  readonly readers?: ReadersGate
}

/** Opens the store in a folder. Throws IEMS_STORE_LOCKED, IEMS_STORE_NEWER, IEMS_STORE_FULL or IEMS_STORE_FAILED. */
export async function levelStore({
  path,
  now = Date.now,
  minFree = 0,
  reserve = 0,
  readers,
}: LevelStoreOptions): Promise<Store> {
  const database = await openDatabase({ path, size: reserve, minFree, ...(readers ? { readers } : {}) })
  const { records } = database
  // The lock on the records is held, so the folder is this process's.
  const files = await openFiles(join(path, 'blobs')).catch(async (cause: unknown) => {
    await database.close()
    throw cause
  })
  const dueList = new DueList(database, now)
  const committer = new Committer(database, dueList, now)
  const blobs = new LevelBlobs({ database, committer, files, path, now, minFree })
  const hints = createHints()

  return {
    now,
    get: async (key) => database.attempt(() => records.getSync(recordKey(key))),
    scan: (range) => scanRecords(database, records, range),
    commit: (ops, checks = []) => committer.commit(ops, checks),
    take: (lane, limit, leaseMs) => dueList.take(lane, limit, leaseMs),
    renew: async (lane, lease, leaseMs) => database.attempt(() => dueList.renew(lane, lease, leaseMs)),
    lanes: (prefix) => database.iterate(() => dueList.lanes(prefix)),
    dueAt: async (lane, key) => database.attempt(() => dueList.dueAt(lane, key)),
    isLeased: async (lane, key) => database.attempt(() => dueList.isLeased(lane, key)),
    due: (lane, limit) => itemsOf(database.iterate(() => dueList.due(lane, limit))),
    watch: (prefix, wake) => dueList.watch(prefix, wake),
    publish: hints.publish,
    subscribe: hints.subscribe,
    blobs: {
      stage: (source) => blobs.stage(source),
      open: (id, range) => blobs.open(id, range),
      whole: (id) => blobs.whole(id),
      size: (id) => blobs.size(id),
      adopt: (id, source) => blobs.adopt(id, source),
      remove: (id) => blobs.remove(id),
      list: (after) => blobs.list(after),
    },
    dump: () => dumpStore(database, files),
    async close() {
      hints.close()
      await committer.finish()
      await database.close()
    },
  }
}
