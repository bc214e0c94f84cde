/**
 * Where a backup is kept: a folder, or a bucket of an S3-compatible store.
 *
 * Invariants: a file under its name is complete and on stable storage; names have slashes on every system.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { isS3, S3Bucket, s3Options } from './s3.ts'

export interface BackupPlace {
  /** For messages. */
  readonly name: string
  /** Undefined when the file does not exist. */
  read(file: string): Promise<Buffer | undefined>
  write(file: string, content: Uint8Array): Promise<void>
  has(file: string): Promise<boolean>
  remove(file: string): Promise<void>
  /** The files whose names begin with `beginning`, a folder's name and a slash, or everything with ''. */
  list(beginning: string): AsyncIterable<string>
}

/** `credentials`: a file for an S3 store; default: the environment. */
export async function placeOf(path: string, credentials?: string): Promise<BackupPlace> {
  return isS3(path)
    ? bucketPlace(path, new S3Bucket(await s3Options(path, credentials)))
    : new FolderPlace(resolve(path))
}

const bucketPlace = (name: string, bucket: S3Bucket): BackupPlace => ({
  name,
  read: (file) => bucket.get(file),
  write: (file, content) => bucket.put(file, content),
  has: (file) => bucket.has(file),
  remove: (file) => bucket.remove(file),
  list: (beginning) => bucket.list(beginning),
})

const isAbsent = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT'

class FolderPlace implements BackupPlace {
  readonly name: string

  constructor(path: string) {
    this.name = path
  }

  async read(file: string): Promise<Buffer | undefined> {
    try {
      return await readFile(join(this.name, file))
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  }

  /** Atomic, and onto stable storage, including the name. */
  async write(file: string, content: Uint8Array): Promise<void> {
    const path = join(this.name, file)
    const folder = dirname(path)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const partial = `${path}.${randomBytes(6).toString('hex')}.partial`
    {
      await using opened = await open(partial, 'wx', 0o600)
      await opened.writeFile(content)
      await opened.sync()
    }
    await rename(partial, path)
    if (process.platform === 'win32') return
    await using above = await open(folder, 'r')
    await above.sync()
  }

  has(file: string): Promise<boolean> {
    return open(join(this.name, file)).then(
      (opened) => opened.close().then(() => true),
      () => false,
    )
  }

  async remove(file: string): Promise<void> {
    await rm(join(this.name, file), { force: true })
  }

  async *list(beginning: string): AsyncGenerator<string> {
    const folder = join(this.name, beginning)
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
      if (isAbsent(error)) return []
      throw error
    })
    for (const entry of entries) {
      if (entry.isDirectory()) continue
      yield relative(this.name, join(entry.parentPath, entry.name)).split(sep).join('/')
    }
  }
}
