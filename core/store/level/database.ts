/**
 * The LevelDB database: opens it, migrates it, and reopens it after a failed write, after which LevelDB accepts no more
 * writes.
 *
 * Invariants: data of a newer format is never touched; one process owns the folder; after a failed write, further
 * writes fail at once with the reason until the database is reopened; reads continue while the disk is too full to
 * reopen it.
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
  /** Throws the reason while writes are impossible. */
  check(): void
  /** Runs `read` and gives its failure an error code. */
  attempt<T>(read: () => T): T
  iterate<T>(read: () => AsyncIterable<T>): AsyncGenerator<T>
  /** Handles a failed write: reopens the database, then calls `reopened`. Returns the error for the waiting callers. */
  fail(cause: unknown, reopened: () => void): IemsError
  close(): Promise<void>
}

/** Ms between attempts to reopen a database. */
const REOPEN_MS = 1000
/** Octets that opening writes in addition to the tables made from its logs. */
const OPEN_OCTETS = 1024 * 1024
const FORMAT = 1

/** Fills a batch that migrates data from format n to n + 1; the same batch writes the new number. */
type Migration = (records: Records, batch: Batch) => Promise<void>
/** From format 1 to 2, from 2 to 3, and so on; empty while only one format exists. */
const MIGRATIONS: readonly Migration[] = []

/** `shared`: several threads of this process open the folder. */
export async function openRecords(path: string, shared: boolean): Promise<Records> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    const records: Records = new Level(join(path, 'records'), {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      cacheSize: 8 * 1024 * 1024,
      // Most bodies are deleted before they reach a table; a larger buffer costs twice its size.
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

/** Opens the records, giving up the reserve first if the disk is full. */
async function openWithReserve(path: string, shared: boolean): Promise<Records> {
  try {
    return await openRecords(path, shared)
  } catch (cause) {
    if ((cause as IemsError).code !== 'IEMS_STORE_FULL') throw cause
    await rm(reserveFile(path), { force: true })
    return await openRecords(path, shared)
  }
}

/** Octets that must be free to open the records, because their logs are written as tables before they are deleted. */
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
  /** Threads that read the records directly. The database cannot be reopened while one of them holds it open. */
  readonly readers?: ReadersGate
}

export interface ReadersGate {
  /** Resolves when every thread has closed the records (true), or has been notified that they are open again. */
  release(isReleased: boolean): Promise<void>
}

export async function openDatabase({ readers, ...options }: DatabaseOptions): Promise<Database> {
  const { path } = options
  const records = await openWithReserve(path, readers !== undefined)
  try {
    await migrate(records, path)
    return new OpenDatabase({ path, records, reserve: await openReserve(options), readers })
  } catch (cause) {
    await records.close()
    throw storeFailure(cause, path)
  }
}

interface Opened extends Pick<Database, 'records' | 'reserve'> {
  readonly path: string
  readonly readers: ReadersGate | undefined
}

class OpenDatabase implements Database {
  readonly records: Records
  readonly reserve: Reserve
  readonly #path: string
  readonly #readers: ReadersGate | undefined
  readonly #closing = new AbortController()
  #broken: IemsError | undefined
  #failedAt = Number.NEGATIVE_INFINITY
  #reopening: Promise<void> | undefined

  constructor({ path, records, reserve, readers }: Opened) {
    this.#path = path
    this.#readers = readers
    this.records = records
    this.reserve = reserve
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new IemsError('IEMS_STORE_CLOSED')
  }

  check(): void {
    this.#checkOpen()
    if (this.#broken) throw this.#broken
  }

  /** A read that closing interrupts is not a disk failure. */
  #explain(cause: unknown): IemsError {
    return this.#closing.signal.aborted
      ? new IemsError('IEMS_STORE_CLOSED', {}, cause)
      : (this.#broken ?? storeFailure(cause, this.#path))
  }

  async #reopen(reopened: () => void, waitMs: number): Promise<void> {
    for (let ms = waitMs; ; ms = REOPEN_MS) {
      if (ms > 0) await delay(ms, undefined, { ref: false, signal: this.#closing.signal }).catch(() => undefined)
      if (this.#closing.signal.aborted) return
      try {
        if (this.#broken?.code === 'IEMS_STORE_FULL') {
          await this.reserve.spend()
          if ((await this.reserve.free()) < (await octetsToOpen(this.#path))) continue
        }
        await this.#readers?.release(true)
        await this.records.close()
        await this.records.open()
        this.#broken = undefined
        reopened()
        await this.#readers?.release(false)
        return
      } catch (cause) {
        this.#broken = storeFailure(cause, this.#path)
      }
    }
  }

  attempt<T>(read: () => T): T {
    this.#checkOpen()
    try {
      return read()
    } catch (cause) {
      throw this.#explain(cause)
    }
  }

  async *iterate<T>(read: () => AsyncIterable<T>): AsyncGenerator<T> {
    this.#checkOpen()
    try {
      yield* read()
    } catch (cause) {
      throw this.#explain(cause)
    }
  }

  fail(cause: unknown, reopened: () => void): IemsError {
    const error = this.#explain(cause)
    if (!this.#broken && !this.#closing.signal.aborted) {
      this.#broken = error
      const now = performance.now()
      // At once the first time, because the failure may be transient; with a pause if it recurs.
      this.#reopening = this.#reopen(reopened, now - this.#failedAt < REOPEN_MS ? REOPEN_MS : 0)
      this.#failedAt = now
    }
    return error
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#reopening
    await this.reserve.close()
    await this.records.close()
  }
}
