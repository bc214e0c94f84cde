/**
 * Large blobs as objects of a bucket, staged in a local folder until they are kept.
 *
 * Invariants: an object is complete when it appears, and its content is that which was staged, because the request is
 * signed together with its hash; memory holds a part of an object, however large it is.
 */
import { createHash } from 'node:crypto'
import { openAsBlob } from 'node:fs'
import { join } from 'node:path'
import { IemsError } from '../../api/errors.ts'
import type { Files, StagedFile } from '../level/files.ts'
import { openFiles } from '../level/files.ts'
import type { S3Bucket } from '../s3.ts'
import type { ByteRange } from '../store.ts'

/** Octets of one request. */
const PART = 1024 * 1024
/** A folder, so that other objects under the prefix are not taken for blobs. */
const BLOBS = 'blobs/'

/** A bucket that is away is a store that is away: temporary. */
const explained = <T>(work: Promise<T>): Promise<T> =>
  work.catch((cause: unknown) => {
    const { place = '', why = '' } = cause instanceof IemsError ? cause.details : {}
    throw new IemsError('IEMS_STORE_FAILED', { path: place, why }, cause)
  })

export class S3Files implements Files {
  readonly #bucket: S3Bucket
  readonly #local: Files
  readonly #folder: string

  private constructor(bucket: S3Bucket, local: Files, folder: string) {
    this.#bucket = bucket
    this.#local = local
    this.#folder = folder
  }

  /** `folder`: local, for what is staged; of several processes each uses it. */
  static async open(bucket: S3Bucket, folder: string): Promise<S3Files> {
    return new S3Files(bucket, await openFiles(folder, { isShared: true }), folder)
  }

  async stage(id: string): Promise<StagedFile> {
    const file = await this.#local.stage(id)
    const hash = createHash('sha256')
    let isKept = false
    return {
      write: (bytes) => {
        hash.update(bytes)
        return file.write(bytes)
      },
      end: () => file.end(),
      read: (range) => (isKept ? this.read(id, range) : file.read(range)),
      keep: async () => {
        const content = await openAsBlob(join(this.#folder, 'staging', id))
        await explained(this.#bucket.put(BLOBS + id, content, hash.digest('hex')))
        await file.discard()
        isKept = true
      },
      discard: async () => {
        if (!isKept) await file.discard()
      },
    }
  }

  async *read(id: string, range: ByteRange = { start: 0, end: Number.POSITIVE_INFINITY }): AsyncGenerator<Uint8Array> {
    for (let at = range.start; at < range.end; ) {
      const end = Math.min(at + PART, range.end)
      const part = await explained(this.#bucket.get(BLOBS + id, { start: at, end }))
      if (!part) throw new IemsError('IEMS_BLOB_MISSING', { id })
      if (part.length > 0) yield part
      at += part.length
      if (at < end) return
    }
  }

  async size(id: string): Promise<number> {
    const size = await explained(this.#bucket.size(BLOBS + id))
    if (size === undefined) throw new IemsError('IEMS_BLOB_MISSING', { id })
    return size
  }

  remove(id: string): Promise<void> {
    return explained(this.#bucket.remove(BLOBS + id))
  }

  /** Removals are postponed by the caller, for every server of the store. */
  keepAll(): () => Promise<void> {
    return async () => {}
  }

  async *list(after: string): AsyncGenerator<string> {
    for await (const key of this.#bucket.list(BLOBS, after === '' ? '' : BLOBS + after)) yield key.slice(BLOBS.length)
  }
}
