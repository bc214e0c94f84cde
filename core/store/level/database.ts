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

  /** What was cut short by closing is not a failure of the disk. */
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
      // At once when it may have been a passing thing, slowly when it goes on.
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
