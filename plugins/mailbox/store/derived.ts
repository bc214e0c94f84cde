/**
 * Records derived from content: its MIME structure and its digest.
 *
 * Invariants: such a record can be recomputed at any time, so nothing waits for it to be on stable storage; it is
 * written only for existing content, and removed with it.
 */
import type { ByteRange, Content, ContentStore, Key, Op, Store } from 'iems'
import { type MimePart, readStructure } from 'iems/mime'
import type { Email } from './api.ts'
import { DIGEST_VERSION, type DigestRecord, digestBody, digestHeader, readEnvelope } from './digest.ts'
import { contentKey, decode, digestKey, encode, structureKey } from './records.ts'

/** A structure of another version is made again. */
const STRUCTURE_VERSION = 2
interface StructureRecord {
  readonly v: number
  readonly part: MimePart
}

/** Maximum concurrent commits of such records. */
const MAX_WRITING = 64

interface Made {
  readonly at: Key
  readonly base: string
  readonly value: unknown
}

/** Writes what is made in one turn of the event loop in one commit. */
function createWriter(store: Store) {
  const writing = new Set<Promise<unknown>>()
  let made: Made[] = []

  /** All of it or, when some of the content has gone meanwhile, nothing. */
  async function commit(): Promise<unknown> {
    const ops: Op[] = made.map(({ at, value }) => ({ put: at, value: encode(value) }))
    const bases = new Set(made.map(({ base }) => base))
    made = []
    return store.commit(
      ops,
      [...bases].map((base) => ({ key: contentKey(base), is: 'present' })),
    )
  }

  function write(): void {
    const one: Promise<unknown> = commit()
      .catch(() => false)
      .finally(() => writing.delete(one))
    writing.add(one)
  }

  /** Begins to write. */
  async function keep(records: readonly Made[]) {
    if (records.length === 0) return
    if (made.length === 0) setImmediate(write)
    made.push(...records)
    if (writing.size >= MAX_WRITING) await Promise.race(writing)
  }

  return keep
}

export function createDerived(store: Store, contents: ContentStore) {
  const keep = createWriter(store)

  async function read<T extends { readonly v: number }>(at: Key, version: number): Promise<T | undefined> {
    const value = await store.get(at)
    const record = value && decode<T>(value)
    return record?.v === version ? record : undefined
  }

  /** Of the content without any recipient's own header lines. */
  async function structure(base: string, content: Content): Promise<MimePart> {
    const known = await read<StructureRecord>(structureKey(base), STRUCTURE_VERSION)
    if (known?.part) return known.part
    const part = await readStructure((range?: ByteRange) => contents.open(content, range), content.size)
    await keep([{ at: structureKey(base), base, value: { v: STRUCTURE_VERSION, part } satisfies StructureRecord }])
    return part
  }

  const known = (base: string) => read<DigestRecord>(digestKey(base), DIGEST_VERSION)
  const keepDigests = (made: readonly { readonly base: string; readonly record: DigestRecord }[]) =>
    keep(made.map(({ base, record }) => ({ at: digestKey(base), base, value: record })))

  /** With the body's part. */
  async function digest(base: string, email: Pick<Email, 'header' | 'structure' | 'open'>) {
    const before = await known(base)
    const { envelope, ...record } = before ?? (await digestHeader(email))
    const body = before?.body ?? (await digestBody(email))
    if (!before?.body) await keepDigests([{ base, record: { ...record, ...(envelope ? { envelope } : {}), body } }])
    return { ...record, envelope: envelope ?? (await readEnvelope(email)), body }
  }

  return { structure, known, keepDigests, digest }
}

export type Derived = ReturnType<typeof createDerived>
