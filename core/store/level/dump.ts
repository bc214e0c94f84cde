/**
 * A store as one moment had it, octet for octet, and a new store made of that: for backups.
 *
 * What must stay true: the records are one snapshot of the database; every file that they name is there and stays until
 * the dump is closed; a folder that a restore has not finished is never mistaken for a store.
 */
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Level } from 'level'
import { IemsError } from '../../api/errors.ts'
import type { StoreDump } from '../store.ts'
import type { Database } from './database.ts'
import type { Files } from './files.ts'

/** Pairs that are read, and written, at once. */
const BATCH = 500

export async function dumpStore({ records }: Database, files: Files): Promise<StoreDump> {
  // First: what the snapshot names must not go before it is copied.
  const release = files.keepAll()
  try {
    const snapshot = records.snapshot()
    const names: string[] = []
    // A file is kept before the commit that names it, so each one of the snapshot is there now.
    for await (const id of files.list('')) names.push(id)
    return {
      async *records() {
        const iterator = records.iterator({ snapshot })
        try {
          for (let batch = await iterator.nextv(BATCH); batch.length > 0; batch = await iterator.nextv(BATCH))
            yield* batch
        } finally {
          await iterator.close()
        }
      },
      files: names,
      open: (id) => files.read(id),
      async close() {
        await snapshot.close()
        await release()
      },
    }
  } catch (cause) {
    await release()
    throw cause
  }
}

export interface RestoreSource {
  records(): AsyncIterable<readonly [Uint8Array, Uint8Array]>
  readonly files: readonly string[]
  open(id: string): AsyncIterable<Uint8Array>
}

/** Makes a store in a folder that does not exist or is empty. It appears there whole, or not at all. */
export async function restoreStore(path: string, source: RestoreSource): Promise<void> {
  const partial = `${path}.partial`
  await rm(partial, { recursive: true, force: true })
  await mkdir(partial, { recursive: true, mode: 0o700 })
  try {
    await writeRecords(join(partial, 'records'), source)
    for (const id of source.files) await writeFile(join(partial, 'blobs', id.slice(1, 6), id), source.open(id))
    await syncFolder(partial)
    await rm(path, { recursive: false, force: true }).catch(() => {})
    await rename(partial, path).catch((cause: unknown) => {
      throw new IemsError('IEMS_BACKUP_TARGET', { path }, cause)
    })
    await syncFolder(dirname(path))
  } catch (cause) {
    await rm(partial, { recursive: true, force: true })
    throw cause
  }
}

async function writeRecords(path: string, source: RestoreSource): Promise<void> {
  const records = new Level<Buffer, Buffer>(path, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  await records.open()
  try {
    let batch: { type: 'put'; key: Buffer; value: Buffer }[] = []
    const write = async () => {
      await records.batch(batch, { sync: true } as object)
      batch = []
    }
    for await (const [key, value] of source.records()) {
      batch.push({ type: 'put', key: Buffer.from(key), value: Buffer.from(value) })
      if (batch.length >= BATCH) await write()
    }
    await write()
  } finally {
    await records.close()
  }
}

async function writeFile(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await using file = await open(path, 'wx', 0o600)
  for await (const chunk of content) await file.appendFile(chunk)
  await file.sync()
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  await using folder = await open(path, 'r')
  await folder.sync()
}
