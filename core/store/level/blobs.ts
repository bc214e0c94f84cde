/**
 * The blobs of the LevelDB store: small ones are records, which share a commit's fsync; large ones are files, because
 * LevelDB writes a record several times. The first letter of an id says which, the time follows: ids sort by age.
 */
import { createHash, randomBytes } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import { IemsError } from '../../api/errors.ts'
import type { Blobs, Staged } from '../store.ts'
import type { Database } from './database.ts'
import { storeFailure } from './errors.ts'
import type { Files, StagedFile } from './files.ts'
import type { Committer } from './group-commit.ts'
import { bodyKey, readBodyKey } from './key-layout.ts'

export interface BlobsDeps {
  readonly database: Pick<Database, 'records' | 'check' | 'attempt' | 'iterate'> & {
    readonly reserve: { readonly isSpent: boolean }
  }
  readonly committer: Pick<Committer, 'removeBody'>
  readonly files: Files
  readonly path: string
  readonly now: () => number
  readonly minFree: number
}

const SMALL = 'r'
const LARGE = 'f'
/** Up to so many octets a blob is small. */
const SMALL_SIZE = 65_536
/** How often the free space is looked at. */
const SPACE_MS = 1000

const TIME_DIGITS = 9
const COUNT_DIGITS = 6
const timeOf = (id: string) => Number.parseInt(id.slice(1, 1 + TIME_DIGITS), 36)
const isLarge = (id: string) => id.startsWith(LARGE)

export function createBlobs({ database, committer, files, path, now, minFree }: BlobsDeps): Blobs {
  const { records } = database
  /** Tells this process's ids from those of others; within it the count does. */
  const run = randomBytes(6).toString('hex')
  let count = 0
  let lookedAt = Number.NEGATIVE_INFINITY
  let isFull = false

  const newId = (kind: string) =>
    kind + now().toString(36).padStart(TIME_DIGITS, '0') + (count++).toString(36).padStart(COUNT_DIGITS, '0') + run

  async function requireSpace() {
    const at = performance.now()
    if (minFree > 0 && at - lookedAt >= SPACE_MS) {
      lookedAt = at
      const { bavail, bsize } = await statfs(path).catch((cause: unknown) => {
        throw storeFailure(cause, path)
      })
      isFull = bavail * bsize < minFree
    }
    if (isFull || database.reserve.isSpent) throw new IemsError('IEMS_STORE_FULL', { path })
  }

  function stagedSmall(bytes: Buffer, hash: string): Staged {
    return {
      size: bytes.length,
      hash,
      bytes,
      async *open(range) {
        yield range ? bytes.subarray(range.start, range.end) : bytes
      },
      async keep() {
        const id = newId(SMALL)
        return { id, ops: [{ body: id, value: bytes }] }
      },
      async discard() {},
    }
  }

  function stagedLarge(id: string, file: StagedFile, { size, hash }: Pick<Staged, 'size' | 'hash'>): Staged {
    return {
      size,
      ...(hash === undefined ? {} : { hash }),
      open: file.read,
      async keep() {
        await file.keep()
        return { id, ops: [] }
      },
      discard: file.discard,
    }
  }

  async function stage(source: AsyncIterable<Uint8Array>): Promise<Staged> {
    database.check()
    await requireSpace()
    let id = ''
    let file: StagedFile | undefined
    let held: Uint8Array[] = []
    let heldSize = 0
    let size = 0
    const hash = createHash('sha256')
    const writeHeld = async () => {
      if (!file) {
        id = newId(LARGE)
        file = await files.stage(id)
      }
      await file.write(Buffer.concat(held))
      held = []
      heldSize = 0
    }
    try {
      for await (const chunk of source) {
        held.push(chunk)
        hash.update(chunk)
        heldSize += chunk.byteLength
        size += chunk.byteLength
        if (heldSize > SMALL_SIZE) await writeHeld()
      }
      if (!file) return stagedSmall(Buffer.concat(held), hash.digest('base64url'))
      if (heldSize > 0) await writeHeld()
      await file.end()
      return stagedLarge(id, file, { size, hash: hash.digest('base64url') })
    } catch (cause) {
      await file?.discard()
      throw cause
    }
  }

  function readSmall(id: string): Buffer {
    const bytes = database.attempt(() => records.getSync(bodyKey(id)))
    if (!bytes) throw new IemsError('IEMS_BLOB_MISSING', { id })
    return bytes
  }

  return {
    stage,
    async *open(id, range) {
      if (isLarge(id)) yield* files.read(id, range)
      else yield range ? readSmall(id).subarray(range.start, range.end) : readSmall(id)
    },
    async remove(id) {
      if (isLarge(id)) await files.remove(id)
      else await committer.removeBody(id)
    },
    async *list(after = '') {
      // Files first: their letter is the smaller one.
      for await (const id of files.list(after)) yield { id, since: timeOf(id) }
      const from = after > SMALL ? after : SMALL
      for await (const key of database.iterate(() => records.keys({ gt: bodyKey(from), lt: bodyKey(`${SMALL}~`) }))) {
        const id = readBodyKey(key)
        yield { id, since: timeOf(id) }
      }
    },
  }
}
