/**
 * The blobs of the LevelDB store. Small ones are records, which share a commit's fsync; large ones are files, because
 * LevelDB writes a record several times.
 */
import { createHash, type Hash, hash as hashOf } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import { IemsError } from '../../api/errors.ts'
import { blobIds, isLarge, LARGE, SMALL, SMALL_SIZE, timeOf } from '../blobs/ids.ts'
import type { Blobs, ByteRange, Staged } from '../store.ts'
import type { Database } from './database.ts'
import { storeFailure } from './errors.ts'
import type { Files, StagedFile } from './files.ts'
import type { Committer } from './group-commit.ts'
import { asBuffer, bodyKey, readBodyKey } from './key-layout.ts'

export interface BlobsDeps {
  readonly database: Pick<Database, 'records' | 'check' | 'attempt' | 'iterate'> & {
    readonly reserve: { readonly isSpent: boolean }
  }
  readonly committer: Pick<Committer, 'removeBody' | 'addBody'>
  readonly files: Files
  readonly path: string
  readonly now: () => number
  readonly minFree: number
}

/** Ms between checks of free space. */
const SPACE_MS = 1000

export class LevelBlobs implements Blobs {
  readonly #deps: BlobsDeps
  readonly #newId: (kind: string) => string
  #lookedAt = Number.NEGATIVE_INFINITY
  #isFull = false

  constructor(deps: BlobsDeps) {
    this.#deps = deps
    this.#newId = blobIds(deps.now)
  }

  async #requireSpace(): Promise<void> {
    const at = performance.now()
    if (this.#deps.minFree > 0 && at - this.#lookedAt >= SPACE_MS) {
      this.#lookedAt = at
      const { bavail, bsize } = await statfs(this.#deps.path).catch((cause: unknown) => {
        throw storeFailure(cause, this.#deps.path)
      })
      this.#isFull = bavail * bsize < this.#deps.minFree
    }
    if (this.#isFull || this.#deps.database.reserve.isSpent)
      throw new IemsError('IEMS_STORE_FULL', { path: this.#deps.path })
  }

  #stagedSmall(bytes: Buffer, hash: string): Staged {
    return {
      size: bytes.length,
      hash,
      bytes,
      async *open(range) {
        yield range ? bytes.subarray(range.start, range.end) : bytes
      },
      keep: async () => {
        const id = this.#newId(SMALL)
        return { id, ops: [{ body: id, value: bytes }] }
      },
      async discard() {},
    }
  }

  #stagedLarge(id: string, file: StagedFile, { size, hash }: Pick<Staged, 'size' | 'hash'>): Staged {
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

  async stage(source: AsyncIterable<Uint8Array>): Promise<Staged> {
    this.#deps.database.check()
    await this.#requireSpace()
    let id = ''
    let file: StagedFile | undefined
    let held: Uint8Array[] = []
    let heldSize = 0
    let size = 0
    let hash: Hash | undefined
    const writeHeld = async () => {
      hash ??= createHash('sha256')
      for (const chunk of held) hash.update(chunk)
      if (!file) {
        id = this.#newId(LARGE)
        file = await this.#deps.files.stage(id)
      }
      await file.write(Buffer.concat(held))
      held = []
      heldSize = 0
    }
    try {
      for await (const chunk of source) {
        held.push(chunk)
        heldSize += chunk.byteLength
        size += chunk.byteLength
        if (heldSize > SMALL_SIZE) await writeHeld()
      }
      if (!file || !hash) {
        const bytes = held.length === 1 ? asBuffer(held[0] as Uint8Array) : Buffer.concat(held)
        return this.#stagedSmall(bytes, hashOf('sha256', bytes, 'base64url'))
      }
      if (heldSize > 0) await writeHeld()
      await file.end()
      return this.#stagedLarge(id, file, { size, hash: hash.digest('base64url') })
    } catch (cause) {
      await file?.discard()
      throw cause
    }
  }

  #readSmall(id: string): Buffer {
    const bytes = this.#deps.database.attempt(() => this.#deps.database.records.getSync(bodyKey(id)))
    if (!bytes) throw new IemsError('IEMS_BLOB_MISSING', { id })
    return bytes
  }

  async *open(id: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
    if (isLarge(id)) yield* this.#deps.files.read(id, range)
    else yield range ? this.#readSmall(id).subarray(range.start, range.end) : this.#readSmall(id)
  }

  async whole(id: string): Promise<Buffer | undefined> {
    return isLarge(id) ? undefined : this.#readSmall(id)
  }

  async size(id: string): Promise<number> {
    return isLarge(id) ? this.#deps.files.size(id) : this.#readSmall(id).length
  }

  async adopt(id: string, source: AsyncIterable<Uint8Array>): Promise<void> {
    if (!isLarge(id)) return this.#deps.committer.addBody(id, Buffer.concat(await Array.fromAsync(source)))
    const file = await this.#deps.files.stage(id)
    try {
      for await (const chunk of source) await file.write(chunk)
      await file.end()
      await file.keep()
    } catch (cause) {
      await file.discard()
      throw cause
    }
  }

  async remove(id: string): Promise<void> {
    if (isLarge(id)) await this.#deps.files.remove(id)
    else await this.#deps.committer.removeBody(id)
  }

  async *list(after = ''): ReturnType<Blobs['list']> {
    // Files first, because their letter sorts first.
    for await (const id of this.#deps.files.list(after)) yield { id, since: timeOf(id) }
    const from = after > SMALL ? after : SMALL
    for await (const key of this.#deps.database.iterate(() =>
      this.#deps.database.records.keys({ gt: bodyKey(from), lt: bodyKey(`${SMALL}~`) }),
    )) {
      const id = readBodyKey(key)
      yield { id, since: timeOf(id) }
    }
  }
}
