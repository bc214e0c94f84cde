/**
 * The LevelDB database itself: opened, brought to this version's format, and opened again when a write has failed,
 * because LevelDB takes no more writes after that.
 *
 * What must stay true: data of a newer format are never touched; one process has the folder; after a failed write
 * every further write fails at once with the reason until the database is open again; reading goes on as long as there
 * is no room to open it again.
 */
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Level } from 'level'
import { IemsError } from '../../api/errors.ts'
import { storeFailure } from './errors.ts'
import { FORMAT_KEY } from './key-layout.ts'
import { openReserve, type Reserve, type ReserveOptions, reserveFile } from './reserve.ts'

export type Records = Level<Buffer, Buffer>
export type Batch = ReturnType<Records['batch']>

export interface Database {
  readonly records: Records
  readonly reserve: Reserve
  /** Throws why nothing can be written now. */
  check(): void
  /** Runs it and gives its failure a code. */
  attempt<T>(read: () => T): T
  iterate<T>(read: () => AsyncIterable<T>): AsyncGenerator<T>
  /** A write failed: what to tell those who waited for it. Opens the database again, then calls `reopened`. */
  fail(cause: unknown, reopened: () => void): IemsError
  close(): Promise<void>
}

/** Between two attempts to open a database again. */
const REOPEN_MS = 1000
/** What opening writes beside the tables made of its logs. */
const OPEN_OCTETS = 1024 * 1024
const FORMAT = 1

/** Fills a batch with what brings data of format n to n + 1; the new number is written in the same batch. */
type Migration = (records: Records, batch: Batch) => Promise<void>
/** From format 1 to 2, from 2 to 3, and so on; empty while there is one format. */
const MIGRATIONS: readonly Migration[] = []

/** `shared`: several threads of this process have the folder open. */
export async function openRecords(path: string, shared: boolean): Promise<Records> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    const records: Records = new Level(join(path, 'records'), {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      cacheSize: 8 * 1024 * 1024,
      // Bodies pass through, and most are gone before they are moved to a table; a bigger buffer costs its size twice.
      writeBufferSize: 8 * 1024 * 1024,
      multithreading: shared,
    })
    await records.open()
    return records
  } catch (cause) {
    const inner = (cause as Error).cause as NodeJS.ErrnoException | undefined
    if (inner?.code === 'LEVEL_LOCKED') throw new IemsError('IEMS_STORE_LOCKED', { path }, cause)
    throw storeFailure(cause, path)
  }
}

/** Opens the records; a full disk gets the reserve first. */
async function openWithReserve(path: string, shared: boolean): Promise<Records> {
  try {
    return await openRecords(path, shared)
  } catch (cause) {
    if ((cause as IemsError).code !== 'IEMS_STORE_FULL') throw cause
    await rm(reserveFile(path), { force: true })
    return await openRecords(path, shared)
  }
}

/** Octets that must be free to open the records: their logs become tables before the logs go. */
async function octetsToOpen(path: string): Promise<number> {
  const folder = join(path, 'records')
  const logs = (await readdir(folder)).filter((name) => name.endsWith('.log'))
  const sizes = await Promise.all(logs.map(async (name) => (await stat(join(folder, name))).size))
  return sizes.reduce((sum, size) => sum + size, OPEN_OCTETS)
}

async function migrate(records: Records, path: string): Promise<void> {
  const stored = await records.get(FORMAT_KEY)
  const found = stored ? Number(stored.toString()) : FORMAT
  if (found > FORMAT) throw new IemsError('IEMS_STORE_NEWER', { path, found, known: FORMAT })
  if (!stored) await records.put(FORMAT_KEY, Buffer.from(String(FORMAT)), { sync: true })
  for (let format = found; format < FORMAT; format++) {
    const batch = records.batch()
    await MIGRATIONS[format - 1]?.(records, batch)
    batch.put(FORMAT_KEY, Buffer.from(String(format + 1)))
    await batch.write({ sync: true })
  }
}

export interface DatabaseOptions extends ReserveOptions {
  /** Threads that read the records directly; a database that one of them holds open is never opened again. */
  readonly readers?: ReadersGate
}

export interface ReadersGate {
  /** Resolves when every thread has let go of the records (true), or was told that they are open again. */
  release(isReleased: boolean): Promise<void>
}

export async function openDatabase({ path, size, minFree, readers }: DatabaseOptions): Promise<Database> {
  const records = await openWithReserve(path, readers !== undefined)
  let reserve: Reserve
  try {
    await migrate(records, path)
    reserve = await openReserve({ path, size, minFree })
  } catch (cause) {
    await records.close()
    throw storeFailure(cause, path)
  }
  const closing = new AbortController()
  let broken: IemsError | undefined
  let failedAt = Number.NEGATIVE_INFINITY
  let reopening: Promise<void> | undefined

  function checkOpen() {
    if (closing.signal.aborted) throw new IemsError('IEMS_STORE_CLOSED')
  }

  function check() {
    checkOpen()
    if (broken) throw broken
  }

  /** What was cut short by closing is not a failure of the disk. */
  function explain(cause: unknown): IemsError {
    return closing.signal.aborted
      ? new IemsError('IEMS_STORE_CLOSED', {}, cause)
      : (broken ?? storeFailure(cause, path))
  }

  async function reopen(reopened: () => void, waitMs: number): Promise<void> {
    for (let ms = waitMs; ; ms = REOPEN_MS) {
      if (ms > 0) await delay(ms, undefined, { ref: false, signal: closing.signal }).catch(() => undefined)
      if (closing.signal.aborted) return
      try {
        if (broken?.code === 'IEMS_STORE_FULL') {
          await reserve.spend()
          if ((await reserve.free()) < (await octetsToOpen(path))) continue
        }
        await readers?.release(true)
        await records.close()
        await records.open()
        broken = undefined
        reopened()
        await readers?.release(false)
        return
      } catch (cause) {
        broken = storeFailure(cause, path)
      }
    }
  }

  return {
    records,
    reserve,
    check,
    attempt(read) {
      checkOpen()
      try {
        return read()
      } catch (cause) {
        throw explain(cause)
      }
    },
    async *iterate(read) {
      checkOpen()
      try {
        yield* read()
      } catch (cause) {
        throw explain(cause)
      }
    },
    fail(cause, reopened) {
      const error = explain(cause)
      if (!broken && !closing.signal.aborted) {
        broken = error
        const now = performance.now()
        // At once when it may have been a passing thing, slowly when it goes on.
        reopening = reopen(reopened, now - failedAt < REOPEN_MS ? REOPEN_MS : 0)
        failedAt = now
      }
      return error
    },
    async close() {
      closing.abort()
      await reopening
      await reserve.close()
      await records.close()
    },
  }
}
