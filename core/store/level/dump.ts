/**
 * For backups: takes a consistent snapshot of a store, and creates a new store from one.
 *
 * Invariants: the records are one snapshot of the database; every file that they name exists until the dump is closed;
 * a folder with an unfinished restore is never mistaken for a store.
 */
import { link, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Level } from 'level'
import { IemsError } from '../../api/errors.ts'
import { BLOBS_KEY, type BlobsRecord } from '../blobs/record.ts'
import { decodeRecord, encodeRecord } from '../record.ts'
import type { StoreDump } from '../store.ts'
import type { Database } from './database.ts'
import type { Files } from './files.ts'
import { recordKey } from './key-layout.ts'

/** Records read, and written, at a time. */
const BATCH = 500

export async function dumpStore({ records }: Database, files: Files): Promise<StoreDump> {
  // First, because files that the snapshot names must not be removed before they are copied.
  const release = files.keepAll()
  try {
    const snapshot = records.snapshot()
    const names: string[] = []
    // Files are in place before the commit that names them, so all files of the snapshot exist now.
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
  /** A folder of a store on the same file system: its files, which never change, are linked instead of copied. */
  readonly linked?: string
}

/** A store that is restored from it has its large blobs in its own folder, not in the place of the original's. */
export function withoutPlace(source: RestoreSource): RestoreSource {
  return {
    ...source,
    async *records() {
      for await (const [at, value] of source.records()) {
        if (Buffer.compare(at, recordKey(BLOBS_KEY)) !== 0) yield [at, value] as const
        else {
          const { place: _, ...record } = decodeRecord<BlobsRecord>(value)
          yield [at, encodeRecord(record)] as const
        }
      }
    },
  }
}

/** Creates a store in a missing or empty folder, completely or not at all. */
export async function restoreStore(path: string, source: RestoreSource): Promise<void> {
  const partial = `${path}.partial`
  await rm(partial, { recursive: true, force: true })
  await mkdir(partial, { recursive: true, mode: 0o700 })
  try {
    await writeRecords(join(partial, 'records'), source)
    for (const id of source.files) {
      const file = join('blobs', id.slice(1, 6), id)
      const isLinked = source.linked !== undefined && (await linkFile(join(source.linked, file), join(partial, file)))
      if (!isLinked) await writeFile(join(partial, file), source.open(id))
    }
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

/** False where the file system cannot. */
async function linkFile(from: string, to: string): Promise<boolean> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 })
  return link(from, to).then(
    () => true,
    () => false,
  )
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
