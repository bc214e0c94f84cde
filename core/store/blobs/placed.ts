/**
 * Large blobs in a place of their own, such as a bucket, and everything else in the store.
 *
 * Invariants: a large blob is in its place before the commit that names it; large blobs that were kept in the store
 * before are still found there; while a backup reads, no server removes anything from the place.
 */
import { createHash } from 'node:crypto'
import { IemsError } from '../../api/errors.ts'
import type { Files, StagedFile } from '../level/files.ts'
import { merged } from '../merged.ts'
import { decodeRecord, encodeRecord } from '../record.ts'
import type { Blobs, ByteRange, Staged, Store, StoreDump } from '../store.ts'
import { blobIds, isLarge, LARGE, SMALL_SIZE, timeOf } from './ids.ts'
import { HELD_KEY } from './record.ts'

const HOLD_MS = 600_000

interface HeldRecord {
  readonly until: number
}

export class PlacedBlobs implements Blobs {
  readonly #store: Store
  readonly #files: Files
  readonly #newId: (kind: string) => string
  readonly adopt?: NonNullable<Blobs['adopt']>

  constructor(store: Store, files: Files) {
    this.#store = store
    this.#files = files
    this.#newId = blobIds(() => store.now())
    const inner = store.blobs
    if (inner.adopt)
      this.adopt = async (id, source) => (isLarge(id) ? this.#adopt(id, source) : inner.adopt?.(id, source))
  }

  async stage(source: AsyncIterable<Uint8Array>): Promise<Staged> {
    const held: Uint8Array[] = []
    let size = 0
    const chunks = source[Symbol.asyncIterator]()
    while (size <= SMALL_SIZE) {
      const { value, done } = await chunks.next()
      if (done) return this.#store.blobs.stage(each(held))
      held.push(value)
      size += value.byteLength
    }
    return this.#stageLarge(joined(held, chunks))
  }

  async *open(id: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
    if (!isLarge(id)) return yield* this.#store.blobs.open(id, range)
    try {
      return yield* this.#files.read(id, range)
    } catch (cause) {
      if (!isMissing(cause)) throw cause
    }
    yield* this.#store.blobs.open(id, range)
  }

  async size(id: string): Promise<number> {
    if (!isLarge(id)) return this.#store.blobs.size(id)
    return this.#files.size(id).catch((cause: unknown) => {
      if (!isMissing(cause)) throw cause
      return this.#store.blobs.size(id)
    })
  }

  async remove(id: string): Promise<void> {
    // The sweep comes back to what a backup needs.
    if (isLarge(id) && !(await this.#isHeld())) await this.#files.remove(id)
    await this.#store.blobs.remove(id)
  }

  async *list(after = ''): ReturnType<Blobs['list']> {
    const placed = (async function* (ids: AsyncIterable<string>) {
      for await (const id of ids) yield { id, since: timeOf(id) }
    })(this.#files.list(after))
    for await (const [one] of merged(placed, this.#store.blobs.list(after), byId)) yield one
  }

  /** A dump of the store with what is in the place. */
  async dump(dump: NonNullable<Store['dump']>): Promise<StoreDump> {
    const hold = () =>
      this.#store.commit([
        { put: HELD_KEY, value: encodeRecord({ until: this.#store.now() + HOLD_MS } satisfies HeldRecord) },
      ])
    // First, because what the records name must not be removed before it is copied.
    await hold()
    const timer = setInterval(() => void hold().catch(() => {}), HOLD_MS / 3).unref()
    const close = async () => {
      clearInterval(timer)
      await this.#store.commit([{ del: HELD_KEY }])
    }
    try {
      const inner = await dump()
      const placed = new Set(await Array.fromAsync(this.#files.list('')))
      return {
        records: () => inner.records(),
        files: [...placed, ...inner.files.filter((id) => !placed.has(id))],
        open: (id) => (placed.has(id) ? this.#files.read(id) : inner.open(id)),
        close: async () => {
          await inner.close()
          await close()
        },
      }
    } catch (cause) {
      await close()
      throw cause
    }
  }

  async #isHeld(): Promise<boolean> {
    const value = await this.#store.get(HELD_KEY)
    return value !== undefined && decodeRecord<HeldRecord>(value).until > this.#store.now()
  }

  async #stageLarge(source: AsyncIterable<Uint8Array>): Promise<Staged> {
    const id = this.#newId(LARGE)
    const file = await this.#files.stage(id)
    const hash = createHash('sha256')
    const size = await written(file, source, (chunk) => hash.update(chunk))
    return {
      size,
      hash: hash.digest('base64url'),
      open: (range) => file.read(range),
      async keep() {
        await file.keep()
        return { id, ops: [] }
      },
      discard: () => file.discard(),
    }
  }

  async #adopt(id: string, source: AsyncIterable<Uint8Array>): Promise<void> {
    const file = await this.#files.stage(id)
    await written(file, source)
    await file.keep()
  }
}

const byId = (a: { readonly id: string }, b: { readonly id: string }) =>
  Buffer.compare(Buffer.from(a.id), Buffer.from(b.id))
const isMissing = (cause: unknown) => cause instanceof IemsError && cause.code === 'IEMS_BLOB_MISSING'

/** Writes the source; its size. */
async function written(
  file: StagedFile,
  source: AsyncIterable<Uint8Array>,
  see: (chunk: Uint8Array) => void = () => {},
): Promise<number> {
  let size = 0
  try {
    for await (const chunk of source) {
      see(chunk)
      size += chunk.byteLength
      await file.write(chunk)
    }
    await file.end()
    return size
  } catch (cause) {
    await file.discard()
    throw cause
  }
}

async function* each(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

async function* joined(held: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield Buffer.concat(held)
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
  } finally {
    await rest.return?.()
  }
}
