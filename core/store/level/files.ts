/**
 * Large blobs as files: staged under a temporary name, fsynced, then renamed.
 *
 * Invariants: a file under its final name is complete and on stable storage, including the name; staged files that were
 * not kept are removed at the next start; memory does not grow with the size of a file.
 */
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { IemsError } from '../../api/errors.ts'
import type { ByteRange } from '../store.ts'
import { storeFailure } from './errors.ts'

export interface StagedFile {
  write(bytes: Uint8Array): Promise<void>
  /** Finishes writing and closes the file; the caller may still keep or discard it. */
  end(): Promise<void>
  read(range?: ByteRange): AsyncIterable<Uint8Array>
  keep(): Promise<void>
  /** Removes the file unless it was kept. */
  discard(): Promise<void>
}

export interface Files {
  stage(id: string): Promise<StagedFile>
  read(id: string, range?: ByteRange): AsyncIterable<Uint8Array>
  size(id: string): Promise<number>
  remove(id: string): Promise<void>
  /** Postpones all removals until the returned function is called. */
  keepAll(): () => Promise<void>
  /** Ids greater than `after`, in order. */
  list(after: string): AsyncIterable<string>
}

const STAGING = 'staging'
const CHUNK = 65_536
const ABANDONED_MS = 86_400_000
const hasCode = (error: unknown, ...codes: readonly string[]) =>
  codes.includes((error as NodeJS.ErrnoException).code ?? '')

async function* readFrom(path: string, id: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
  if (range && range.end <= range.start) return
  try {
    yield* createReadStream(path, {
      highWaterMark: CHUNK,
      ...(range ? { start: range.start, end: range.end - 1 } : {}),
    })
  } catch (cause) {
    throw hasCode(cause, 'ENOENT') ? new IemsError('IEMS_BLOB_MISSING', { id }, cause) : storeFailure(cause, path)
  }
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, 'r+')
  await file.sync()
}

/** A new name survives a power failure only after the folder is synced. */
async function syncFolder(path: string): Promise<void> {
  // Windows cannot open a folder.
  if (process.platform === 'win32') return
  await using folder = await open(path, 'r')
  await folder.sync()
}

const foldersIn = async (root: string) => (await readdir(root)).filter((name) => name !== STAGING).sort()

/** Removes staged files and empty folders. */
async function tidy(root: string, isShared: boolean): Promise<void> {
  const staging = join(root, STAGING)
  if (!isShared) await rm(staging, { recursive: true, force: true })
  await mkdir(staging, { recursive: true, mode: 0o700 })
  for (const name of await readdir(staging)) {
    const path = join(staging, name)
    const staged = await stat(path).catch(() => undefined)
    if (staged && Date.now() - staged.mtimeMs > ABANDONED_MS) await rm(path, { force: true })
  }
  // Another server may be about to move a file into an empty folder.
  if (isShared) return
  for (const folder of await foldersIn(root)) {
    await rmdir(join(root, folder)).catch((cause: unknown) => {
      if (!hasCode(cause, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EPERM')) throw cause
    })
  }
}

/**
 * Files below a folder, in subfolders per half hour by the time in their ids, so that they list in order. `isShared`:
 * other processes use the folder too, so what they staged within the last day stays.
 */
export async function openFiles(root: string, { isShared = false } = {}): Promise<Files> {
  await explained(tidy(root, isShared), root)
  return new FilesBelow(root)
}

/** Gives a disk failure an error code. */
const explained = <T>(work: Promise<T>, path: string): Promise<T> =>
  work.catch((cause: unknown) => {
    throw storeFailure(cause, path)
  })

const folderOf = (id: string) => id.slice(1, 6)

/** The files of an opened folder, possibly opened by another thread. */
export class FilesBelow implements Files {
  readonly #root: string
  #keepers = 0
  readonly #postponed = new Set<string>()

  constructor(root: string) {
    this.#root = root
  }

  #explained<T>(work: Promise<T>): Promise<T> {
    return explained(work, this.#root)
  }

  #pathOf(id: string): string {
    return join(this.#root, folderOf(id), id)
  }

  async #keep(path: string, id: string): Promise<void> {
    await syncFile(path)
    const folder = join(this.#root, folderOf(id))
    const made = await mkdir(folder, { recursive: true, mode: 0o700 })
    await rename(path, this.#pathOf(id))
    await syncFolder(folder)
    if (made !== undefined) await syncFolder(this.#root)
  }

  async stage(id: string): Promise<StagedFile> {
    const path = join(this.#root, STAGING, id)
    const file = await this.#explained(open(path, 'wx', 0o600))
    let kept = false
    return {
      write: (bytes) => this.#explained(file.appendFile(bytes)),
      end: () => this.#explained(file.close()),
      read: (range) => readFrom(kept ? this.#pathOf(id) : path, id, range),
      keep: async () => {
        await this.#explained(this.#keep(path, id))
        kept = true
      },
      discard: async () => {
        if (kept) return
        await this.#explained(file.close())
        await this.#explained(rm(path, { force: true }))
      },
    }
  }

  read(id: string, range?: ByteRange): AsyncIterable<Uint8Array> {
    return readFrom(this.#pathOf(id), id, range)
  }

  async size(id: string): Promise<number> {
    const path = this.#pathOf(id)
    const found = await stat(path).catch((cause: unknown) => {
      throw hasCode(cause, 'ENOENT') ? new IemsError('IEMS_BLOB_MISSING', { id }, cause) : storeFailure(cause, path)
    })
    return found.size
  }

  async remove(id: string): Promise<void> {
    if (this.#keepers > 0) this.#postponed.add(id)
    else await this.#explained(rm(this.#pathOf(id), { force: true }))
  }

  keepAll(): () => Promise<void> {
    this.#keepers++
    let isReleased = false
    return async () => {
      if (isReleased) return
      isReleased = true
      if (--this.#keepers > 0) return
      // If the process ends earlier, the sweep removes them.
      const ids = [...this.#postponed]
      this.#postponed.clear()
      for (const id of ids) await this.#explained(rm(this.#pathOf(id), { force: true }))
    }
  }

  async *list(after: string): AsyncGenerator<string> {
    for (const folder of await this.#explained(foldersIn(this.#root))) {
      if (folder < folderOf(after)) continue
      const ids = await this.#explained(readdir(join(this.#root, folder)))
      for (const id of ids.sort()) if (id > after) yield id
    }
  }
}
