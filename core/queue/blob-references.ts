/**
 * Content that outlives the queue: a plugin retains the content of a delivery, or new content, without copying it.
 *
 * Invariants: a body exists as long as a queued message or any holder needs it, and is removed soon after the last;
 * becoming a holder and writing the plugin's own records are one commit; that commit proves that the body cannot be in
 * removal: the message is still queued, or another holder exists.
 */
import { createHash, randomBytes } from 'node:crypto'
import { IemsError } from '../api/errors.ts'
import type { Delivery } from '../api/hooks.ts'
import { type Body, type Edits, openWith, readWith } from '../message/edits.ts'
import { createHeaderScanner } from '../mime/header-end.ts'
import type { ByteRange, Check, Op, Store } from '../store/store.ts'
import type { Subspace } from '../store/subspace.ts'
import {
  decode,
  encode,
  freedKey,
  holderKey,
  holdersKey,
  holdersOf,
  type MessageRecord,
  messageKey,
} from './records.ts'

/** The location of content: JSON, for a plugin's own records. */
export interface Content {
  readonly blob: string
  readonly blobSize: number
  /** SHA-256 of the stored octets in base64url; absent when it was stored without. */
  readonly hash?: string
  /** Size of the stored header including its blank line, in octets. */
  readonly headerSize: number
  readonly edits: Edits
  /** Size of the whole content as `open` returns it, in octets. */
  readonly size: number
}

/** Content that is already stored: by a current delivery or a holder. */
export type StoredContent = Content | Delivery

/** New content without a holder yet. */
export interface StagedContent {
  readonly content: Content
  readonly ops: readonly Op[]
  open(range?: ByteRange): AsyncIterable<Uint8Array>
  /** Removes the content unless it has gained a holder. */
  discard(): Promise<void>
}

/** A holder of a body; the plugin chooses its name. */
export interface BlobReference {
  readonly blob: string
  readonly owner: string
}

export interface Holding {
  /** Source of the content: a current delivery, staged content, or an existing holder. */
  readonly from: Delivery | StagedContent | BlobReference
  readonly owner: string
}

export interface ContentChange {
  readonly ops: readonly Op[]
  readonly checks?: readonly Check[]
  readonly hold?: readonly Holding[]
  readonly free?: readonly BlobReference[]
}

/** `unproven`: the length is right, but there is no hash to compare. */
export type ContentState = 'right' | 'unproven' | 'missing' | 'cut off' | 'too long' | 'changed'

export interface ContentStore {
  /** The content of a delivery, with its header changes so far. */
  of(delivery: Delivery): Content
  /** Reads new content to its end. Throws what the source throws. */
  stage(source: AsyncIterable<Uint8Array>): Promise<StagedContent>
  /** The whole content, or the octets from `start` up to but not including `end`. */
  open(content: Content, range?: ByteRange): AsyncIterable<Uint8Array>
  /** The same in one buffer; small content is read at once. */
  read(content: Content, range: ByteRange): Promise<Buffer>
  /** Checks that the stored octets exist in full; `deep` reads them all and compares the hash. */
  verify(content: Content, deep: boolean): Promise<ContentState>
  /**
   * `store.commit` together with changes of holders. Bodies without a holder are removed afterwards. Returns false for
   * a failed check, and also when a body was in removal or gained another holder meanwhile: read again and retry.
   */
  commit(change: ContentChange): Promise<boolean>
}

/** A delivery's record of its stored parts. */
export const STORED: unique symbol = Symbol('stored')
export interface StoredDelivery extends Delivery {
  readonly [STORED]: { readonly record: MessageRecord; readonly edits: Edits }
}

/** Octets that are read in one piece. */
const SMALL = 65_536

/** The header must end within this many octets. */
const HEADER_LIMIT = 1024 * 1024

interface HoldersRecord {
  /** The message that brought the body, which may still be queued. */
  readonly message?: string
  /** Changes with every new holder, so that a concurrent removal notices. */
  readonly turn: number
}

export type ReleaseFreed = (blob: string) => Promise<void>

/** Removes a released body if it has no holder. */
export function createRelease(store: Store): ReleaseFreed {
  return async function release(blob) {
    const freed = freedKey(blob)
    const mark = await store.get(freed)
    // A different mark belongs to a later release, which checks by itself.
    const done = async () => void (mark && (await store.commit([{ del: freed }], [{ key: freed, is: mark }])))
    const at = holdersKey(blob)
    const value = await store.get(at)
    if (value) {
      for await (const _ of store.scan({ ...holdersOf(blob), limit: 1 })) return done()
      // False: the body has just gained a holder.
      if (!(await store.commit([{ del: at }], [{ key: at, is: value }]))) return
      const { message } = decode<HoldersRecord>(value)
      // While the message is queued, the queue removes the body when it finds no holder: whichever check comes second
      // removes it.
      if (message === undefined || !(await store.get(messageKey(message)))) await store.blobs.remove(blob)
    }
    await done()
  }
}

/** Origin of a body: its blob, the checks that prove it exists, and the ops that store it. */
export interface Origin {
  readonly blob: string
  readonly checks: readonly Check[]
  readonly ops: readonly Op[]
  /** The message that brought it, which may still be queued. */
  readonly message?: string
  /** Existing holders prove that it exists. */
  readonly isHeld?: true
}

/**
 * The ops that make owners holders of a body. Throws IEMS_BLOB_MISSING when its proof is a holder and there is none.
 */
export async function holdOps(
  store: Store,
  { blob, checks, ops, message, isHeld }: Origin,
  owners: readonly string[],
): Promise<{ readonly ops: readonly Op[]; readonly checks: readonly Check[] }> {
  const at = holdersKey(blob)
  const value = await store.get(at)
  if (isHeld && !value) throw new IemsError('IEMS_BLOB_MISSING', { id: blob })
  const before = value && decode<HoldersRecord>(value)
  const next: HoldersRecord = {
    ...(before ?? (message === undefined ? {} : { message })),
    turn: (before?.turn ?? 0) + 1,
  }
  return {
    ops: [
      ...ops,
      { put: at, value: encode(next) },
      ...owners.map((owner): Op => ({ put: holderKey(blob, owner), value: encode(1) })),
    ],
    checks: [...checks, { key: at, is: value ?? 'absent' }],
  }
}

export interface ContentsDeps {
  readonly store: Store
  readonly plugin: string
  readonly narrowed: Subspace
  readonly release: ReleaseFreed
  failed(blob: string, cause: unknown): void
}

export function createContentStore({ store, plugin, narrowed, release, failed }: ContentsDeps): ContentStore {
  const ownerName = (owner: string) => `${plugin}/${owner}`

  /** The origin of a body by the source a plugin takes it from. */
  function originOf(from: Holding['from']): Origin {
    if ('owner' in from)
      return { blob: from.blob, checks: [{ key: holderKey(from.blob, ownerName(from.owner)), is: 'present' }], ops: [] }
    return 'content' in from ? { blob: from.content.blob, checks: [], ops: from.ops } : originIn(from)
  }

  async function read(content: Content, range: ByteRange): Promise<Buffer> {
    const bytes = await store.blobs.whole?.(content.blob)
    return bytes
      ? readWith(bytes, content.blobSize, content.edits, range)
      : Buffer.concat(await Array.fromAsync(openWith(bodyOf(store, content), content.edits, range)))
  }

  return {
    of: contentOf,
    async stage(source) {
      const staged = await store.blobs.stage(source)
      const headerSize = await headerSizeOf(staged)
      const edits: Edits = { prefix: '', cuts: [] }
      const { id, ops } = await staged.keep()
      const known = staged.hash === undefined ? {} : { hash: staged.hash }
      const sizes = { ...known, blobSize: staged.size, headerSize, size: staged.size }
      return {
        content: { blob: id, ...sizes, edits },
        ops,
        open: (range) => staged.open(range),
        discard: () => (ops.length > 0 ? Promise.resolve() : store.blobs.remove(id)),
      }
    },
    open: (content, range = { start: 0, end: content.size }) =>
      range.end - range.start <= SMALL
        ? inOnePiece(() => read(content, range))
        : openWith(bodyOf(store, content), content.edits, range),
    read,
    verify: (content, deep) => verify(store, content, deep),
    async commit({ ops, checks = [], hold = [], free = [] }) {
      const holds = await Promise.all(hold.map(({ from, owner }) => holdOps(store, originOf(from), [ownerName(owner)])))
      const all: Op[] = [...holds.flatMap((one) => one.ops), ...ops.map(narrowed.outerOp)]
      for (const { blob, owner } of free)
        all.push({ del: holderKey(blob, ownerName(owner)) }, { put: freedKey(blob), value: randomBytes(8) })
      const done = await store.commit(all, [...holds.flatMap((one) => one.checks), ...checks.map(narrowed.outerCheck)])
      if (done) for (const { blob } of free) release(blob).catch((cause: unknown) => failed(blob, cause))
      return done
    },
  }
}

async function* inOnePiece(read: () => Promise<Buffer>): AsyncGenerator<Buffer> {
  yield await read()
}

/** The stored octets of content, without edits. */
export function bodyOf(store: Store, { blob, blobSize }: Pick<Content, 'blob' | 'blobSize'>): Body {
  return { size: blobSize, open: (range) => store.blobs.open(blob, range) }
}

/** The content of a delivery, with its header changes so far. */
export function contentOf(delivery: Delivery): Content {
  const { record, edits } = storedIn(delivery)
  const { blob, blobSize, headerSize, hash } = record
  const known = hash === undefined ? {} : { hash }
  return { blob, blobSize, headerSize, ...known, edits: { ...edits, cuts: [...edits.cuts] }, size: delivery.size }
}

function originIn(delivery: Delivery): Origin {
  const { record } = storedIn(delivery)
  return { blob: record.blob, checks: [{ key: messageKey(record.id), is: 'present' }], ops: [], message: record.id }
}

/** The origin of submitted content: a current delivery, or content that has a holder. */
export function sharedOrigin(content: StoredContent): Origin {
  return 'blob' in content ? { blob: content.blob, checks: [], ops: [], isHeld: true } : originIn(content)
}

async function headerSizeOf(body: Body): Promise<number> {
  const { size } = body
  const scanner = createHeaderScanner()
  for await (const chunk of body.open({ start: 0, end: Math.min(size, HEADER_LIMIT) })) {
    const end = scanner.push(chunk)
    if (end) return end.body
  }
  return size > HEADER_LIMIT ? HEADER_LIMIT : scanner.finish().body
}

function storedIn(delivery: Delivery): StoredDelivery[typeof STORED] {
  const stored = (delivery as Partial<StoredDelivery>)[STORED]
  if (!stored) throw new IemsError('IEMS_CLOSED')
  return stored
}

async function verify({ blobs }: Store, { blob, blobSize, hash: kept }: Content, deep: boolean): Promise<ContentState> {
  const hash = createHash('sha256')
  // Reading around the last octet shows whether the blob is too short or too long.
  const start = deep ? 0 : Math.max(0, blobSize - 1)
  let end = start
  try {
    for await (const chunk of blobs.open(blob, { start, end: blobSize + 1 })) {
      end += chunk.byteLength
      if (deep) hash.update(chunk)
    }
  } catch (cause) {
    if ((cause as Partial<IemsError>).code === 'IEMS_BLOB_MISSING') return 'missing'
    throw cause
  }
  if (end !== blobSize) return end < blobSize ? 'cut off' : 'too long'
  if (!deep || kept === undefined) return deep ? 'unproven' : 'right'
  return hash.digest('base64url') === kept ? 'right' : 'changed'
}
