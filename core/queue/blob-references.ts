/**
 * Content that outlives the queue: a plugin keeps what a delivery carries, or something new, without copying a byte.
 *
 * What must stay true: a body is there as long as a message in the queue or any holder needs it, and gone soon after
 * the last one; becoming a holder and the plugin's own records are one commit; whoever becomes a holder proves in that
 * commit that the body cannot be on its way out: the message is still in the queue, or another still holds it.
 */
import { createHash, randomBytes } from 'node:crypto'
import { IemsError } from '../api/errors.ts'
import type { Delivery } from '../api/hooks.ts'
import { type Body, type Edits, openWith } from '../message/edits.ts'
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

/** Where content is: JSON, to stand in a plugin's own records. */
export interface Content {
  readonly blob: string
  readonly blobSize: number
  /** SHA-256 of the stored octets in base64url; absent when it was kept without. */
  readonly hash?: string
  /** Octets of the stored header, its blank line included. */
  readonly headerSize: number
  readonly edits: Edits
  /** Octets of the whole, as `open` gives it. */
  readonly size: number
}

/** Content that is stored already: a delivery under way carries it, or a holder keeps it. */
export type StoredContent = Content | Delivery

/** New content that nobody holds yet. */
export interface StagedContent {
  readonly content: Content
  readonly ops: readonly Op[]
  open(range?: ByteRange): AsyncIterable<Uint8Array>
  /** Forgets it, unless it has been held. */
  discard(): Promise<void>
}

/** One who holds a body; the name is the plugin's own choice. */
export interface BlobReference {
  readonly blob: string
  readonly owner: string
}

export interface Holding {
  /** From where it is taken over: a delivery under way, what was staged, or one who holds it already. */
  readonly from: Delivery | StagedContent | BlobReference
  readonly owner: string
}

export interface ContentChange {
  readonly ops: readonly Op[]
  readonly checks?: readonly Check[]
  readonly hold?: readonly Holding[]
  readonly free?: readonly BlobReference[]
}

/** `unproven`: it is there in its length, and nothing is known to compare it with. */
export type ContentState = 'right' | 'unproven' | 'missing' | 'cut off' | 'too long' | 'changed'

export interface ContentStore {
  /** What a delivery carries, with this delivery's own header changes so far. */
  of(delivery: Delivery): Content
  /** Reads new content to its end. Throws what the source throws. */
  stage(source: AsyncIterable<Uint8Array>): Promise<StagedContent>
  /** The whole content, or the octets from `start` up to and without `end`. */
  open(content: Content, range?: ByteRange): AsyncIterable<Uint8Array>
  /** Whether the stored octets are there in their number; `deep` reads them all and compares their hash. */
  verify(content: Content, deep: boolean): Promise<ContentState>
  /**
   * `store.commit` with who holds which body from then on. Bodies that nobody holds any more are removed after it.
   * False as there, and also when a body was on its way out or somebody else became a holder at this moment: look
   * again and try again.
   */
  commit(change: ContentChange): Promise<boolean>
}

/** How a delivery remembers what it was made of. */
export const STORED: unique symbol = Symbol('stored')
export interface StoredDelivery extends Delivery {
  readonly [STORED]: { readonly record: MessageRecord; readonly edits: Edits }
}

/** The first octets of content, in which its header must end. */
const HEADER_LIMIT = 1024 * 1024

interface HoldersRecord {
  /** The message that brought the body, which may still be in the queue. */
  readonly message?: string
  /** Changes with every new holder, so that a removal under way notices. */
  readonly turn: number
}

export type ReleaseFreed = (blob: string) => Promise<void>

/** Removes a freed body if nobody holds it. */
export function createRelease(store: Store): ReleaseFreed {
  return async function release(blob) {
    const freed = freedKey(blob)
    const mark = await store.get(freed)
    // Another mark is of somebody who let go of it after we had looked.
    const done = async () => void (mark && (await store.commit([{ del: freed }], [{ key: freed, is: mark }])))
    const at = holdersKey(blob)
    const value = await store.get(at)
    if (value) {
      for await (const _ of store.scan({ ...holdersOf(blob), limit: 1 })) return done()
      // False: somebody has just become a holder.
      if (!(await store.commit([{ del: at }], [{ key: at, is: value }]))) return
      const { message } = decode<HoldersRecord>(value)
      // The queue removes it when it lets go, having seen that there is no holder: whoever looks second does it.
      if (message === undefined || !(await store.get(messageKey(message)))) await store.blobs.remove(blob)
    }
    await done()
  }
}

/** Where a body comes from: its blob, what must still be true of it, and the ops that store it. */
export interface Origin {
  readonly blob: string
  readonly checks: readonly Check[]
  readonly ops: readonly Op[]
  /** The message that brought it, which may still be in the queue. */
  readonly message?: string
  /** The proof that it is there is that it has holders. */
  readonly isHeld?: true
}

/** The ops that make owners holders of a body. Throws IEMS_BLOB_MISSING when its proof is that it is held, and it is not. */
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

  /** A body's origin by what a plugin takes it over from. */
  function originOf(from: Holding['from']): Origin {
    if ('owner' in from)
      return { blob: from.blob, checks: [{ key: holderKey(from.blob, ownerName(from.owner)), is: 'present' }], ops: [] }
    return 'content' in from ? { blob: from.content.blob, checks: [], ops: from.ops } : originIn(from)
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
    open: (content, range) => openWith(bodyOf(store, content), content.edits, range),
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

/** The stored octets of content, without its edits. */
export function bodyOf(store: Store, { blob, blobSize }: Pick<Content, 'blob' | 'blobSize'>): Body {
  return { size: blobSize, open: (range) => store.blobs.open(blob, range) }
}

/** What a delivery carries, with its own header changes so far. */
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

/** The origin of content that is handed in: a delivery under way, or content that has a holder. */
export function sharedOrigin(content: StoredContent): Origin {
  return 'blob' in content ? { blob: content.blob, checks: [], ops: [], isHeld: true } : originIn(content)
}

async function headerSizeOf({ size, open }: Body): Promise<number> {
  const scanner = createHeaderScanner()
  for await (const chunk of open({ start: 0, end: Math.min(size, HEADER_LIMIT) })) {
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
  // Around the last octet it shows whether it is there and whether more is.
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
