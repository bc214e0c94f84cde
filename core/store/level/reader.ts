/**
 * The LevelDB store in another thread of the owner's process: reads records and blobs directly, because LevelDB allows
 * reads from several threads; calls the owner for everything else. It also writes large blobs itself, as files.
 *
 * Invariants: after a commit has resolved, the next read on any thread sees it; while the owner reopens the database,
 * this thread closes it and reads through the owner.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import { IemsError } from '../../api/errors.ts'
import { openStoreHandle } from '../remote/handle.ts'
import type { Store } from '../store.ts'
import { LevelBlobs } from './blobs.ts'
import { openRecords, type Records } from './database.ts'
import { storeFailure } from './errors.ts'
import { FilesBelow } from './files.ts'
import { recordKey } from './key-layout.ts'
import { scanRecords } from './pages.ts'
import { reserveFile } from './reserve.ts'

export interface LevelReaderOptions {
  readonly path: string
  /** Connects to the owner, whose store was opened with `readers`. */
  readonly port: MessagePort
  readonly now?: () => number
  readonly minFree?: number
  readonly reserve?: number
}

/** Ms between checks of the reserve. */
const LOOK_MS = 1000

/** Opens a store that another thread owns. */
export async function openLevelReader({
  path,
  port,
  now = Date.now,
  minFree = 0,
  reserve = 0,
}: LevelReaderOptions): Promise<Store> {
  const records = await openRecords(path, true)
  const gate = new Gate(records, path)
  const owner = openStoreHandle(port, { now, release: (isReleased) => gate.release(isReleased) })
  const blobs = new LevelBlobs({
    database: {
      records,
      check: () => gate.check(),
      attempt: (read) => gate.attempt(read),
      iterate: (read) => gate.iterate(read),
      reserve: reserveOf(path, reserve),
    },
    committer: {
      removeBody: (id) => owner.blobs.remove(id),
      // Only a store that is open alone takes over what another has kept.
      addBody: () => Promise.reject(new RangeError('a worker takes over no blobs')),
    },
    files: new FilesBelow(join(path, 'blobs')),
    path,
    now,
    minFree,
  })
  return {
    ...owner,
    get: async (key) => (gate.isOpen ? gate.attempt(() => records.getSync(recordKey(key))) : owner.get(key)),
    scan: (range) => (gate.isOpen ? scanRecords(gate, records, range) : owner.scan(range)),
    blobs: {
      stage: (source) => blobs.stage(source),
      // Only the owner knows whether a backup still needs it.
      remove: (id) => owner.blobs.remove(id),
      open: (id, range) => (gate.isOpen ? blobs.open(id, range) : owner.blobs.open(id, range)),
      whole: async (id) => (gate.isOpen ? blobs.whole(id) : undefined),
      size: (id) => (gate.isOpen ? blobs.size(id) : owner.blobs.size(id)),
      list: (after) => (gate.isOpen ? blobs.list(after) : owner.blobs.list(after)),
    },
    async close() {
      await owner.close()
      await gate.close()
    },
  }
}

/** Whether this thread has the records open. */
class Gate {
  readonly #records: Records
  readonly #path: string
  #isClosed = false
  isOpen = true

  constructor(records: Records, path: string) {
    this.#records = records
    this.#path = path
  }

  check(): void {
    if (this.#isClosed) throw new IemsError('IEMS_STORE_CLOSED')
  }

  attempt<T>(read: () => T): T {
    this.check()
    try {
      return read()
    } catch (cause) {
      throw this.#explain(cause)
    }
  }

  async *iterate<T>(read: () => AsyncIterable<T>): AsyncGenerator<T> {
    this.check()
    try {
      yield* read()
    } catch (cause) {
      throw this.#explain(cause)
    }
  }

  async release(isReleased: boolean): Promise<void> {
    if (this.#isClosed) return
    if (isReleased) {
      this.isOpen = false
      await this.#records.close()
      return
    }
    // If it cannot be opened, reads continue through the owner.
    await this.#records.open().then(
      () => {
        this.isOpen = true
      },
      () => {},
    )
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#records.close()
  }

  #explain(cause: unknown): IemsError {
    return this.#isClosed ? new IemsError('IEMS_STORE_CLOSED', {}, cause) : storeFailure(cause, this.#path)
  }
}

/** Only checks for the reserve; the owner gives it up and creates it again. */
function reserveOf(path: string, size: number): { readonly isSpent: boolean } {
  let lookedAt = Number.NEGATIVE_INFINITY
  let isSpent = false
  return {
    get isSpent() {
      const now = performance.now()
      if (size > 0 && now - lookedAt >= LOOK_MS) {
        lookedAt = now
        isSpent = !existsSync(reserveFile(path))
      }
      return isSpent
    },
  }
}
