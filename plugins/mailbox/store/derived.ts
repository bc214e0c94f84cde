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

export function createDerived(store: Store, contents: ContentStore) {
  const writing = new Set<Promise<unknown>>()

  async function read<T extends { readonly v: number }>(at: Key, version: number): Promise<T | undefined> {
    const value = await store.get(at)
    const record = value && decode<T>(value)
    return record?.v === version ? record : undefined
  }

  /** Begins to write; all of it or, when content has gone meanwhile, nothing. */
  async function keep(records: readonly { readonly at: Key; readonly base: string; readonly value: unknown }[]) {
    if (records.length === 0) return
    if (writing.size >= MAX_WRITING) await Promise.race(writing)
    const ops: Op[] = records.map(({ at, value }) => ({ put: at, value: encode(value) }))
    const one: Promise<unknown> = store
      .commit(
        ops,
        [...new Set(records.map(({ base }) => base))].map((base) => ({ key: contentKey(base), is: 'present' })),
      )
      .catch(() => false)
      .finally(() => writing.delete(one))
    writing.add(one)
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
