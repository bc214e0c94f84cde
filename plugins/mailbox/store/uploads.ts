/**
 * Content that clients upload for an account before it is filed or sent (RFC 8620 section 6.1).
 *
 * Invariants: an upload is readable by its account alone; it goes by itself when its time is up; all uploads of an
 * account together have a limit.
 */
import { randomBytes } from 'node:crypto'
import { type ByteRange, CONFLICT, type ContentStore, type Store, TransactionConflict, transact, unkey } from 'iems'
import type { Or } from './api.ts'
import { limited, TooBig } from './append.ts'
import { refused } from './mailbox.ts'
import { allUploads, decode, encode, type UploadRecord, uploadKey, uploadsOf } from './records.ts'

export interface UploadsDeps {
  readonly store: Store
  readonly contents: ContentStore
  now(): number
  /** Maximum octets of an account's uploads, and their lifetime in ms. */
  readonly maxOctets: number
  readonly keepMs: number
}

const TOO_MUCH = refused('LIMIT', 'The account has too much uploaded content waiting to be used')
const ownerOf = (account: string, id: string) => `upload ${account} ${id}`

export function createUploads({ store, contents, now, maxOctets, keepMs }: UploadsDeps) {
  async function held(account: string): Promise<number> {
    let octets = 0
    for await (const [, value] of store.scan(uploadsOf(account))) octets += decode<UploadRecord>(value).content.size
    return octets
  }

  async function upload(account: string, source: AsyncIterable<Uint8Array>): Or<{ id: string; size: number }> {
    const left = maxOctets - (await held(account))
    try {
      const staged = await contents.stage(limited(source, left))
      const { content } = staged
      const id = `U${randomBytes(15).toString('base64url')}`
      const record: UploadRecord = { v: 1, content, at: now() }
      const ops = [{ put: uploadKey(account, id), value: encode(record) }]
      const hold = [{ from: staged, owner: ownerOf(account, id) }]
      try {
        await transact({ what: 'the upload' }, async () =>
          (await contents.commit({ ops, hold })) ? undefined : CONFLICT,
        )
      } catch (error) {
        if (error instanceof TransactionConflict) await staged.discard()
        throw error
      }
      return { id, size: content.size }
    } catch (error) {
      if (error instanceof TooBig) return TOO_MUCH
      throw error
    }
  }

  async function openUpload(account: string, id: string) {
    const value = await store.get(uploadKey(account, id))
    if (!value) return undefined
    const { content, at } = decode<UploadRecord>(value)
    if (at + keepMs <= now()) return undefined
    return { size: content.size, open: (range?: ByteRange) => contents.open(content, range) }
  }

  async function sweepUploads(signal: AbortSignal): Promise<void> {
    for await (const [at, value] of store.scan(allUploads)) {
      if (signal.aborted) return
      const { content, at: since } = decode<UploadRecord>(value)
      if (since + keepMs > now()) continue
      const [, account, id] = unkey(at) as [string, string, string]
      await contents.commit({
        ops: [{ del: at }],
        checks: [{ key: at, is: 'present' }],
        free: [{ blob: content.blob, owner: ownerOf(account, id) }],
      })
    }
  }

  return { upload, openUpload, sweepUploads }
}
