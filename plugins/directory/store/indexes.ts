/**
 * The indexes of an entry.
 *
 * Invariants: every lookup key is written here and removed with the entry.
 */
import { below, foldDomain, key, type Op, type Store } from 'iems'
import type { Entry } from './api.ts'
import { addressesOf, attributesOf, nameOfEntry } from './entry-view.ts'
import { aboveOf, isPlaced, pathOf } from './places.ts'
import {
  addressKey,
  attributeKey,
  decode,
  type EntryRecord,
  encode,
  foldAddress,
  foldMatch,
  foldName,
  foldPath,
  foldValue,
  inUnitKey,
  isPattern,
  nameKey,
  patternKey,
  placeKey,
} from './records.ts'

export interface Indexed {
  readonly value: unknown
  readonly isUnique: boolean
  readonly what: string
}

/** All index records of an entry, by key. */
export function indexesOf(entry: EntryRecord): Map<string, Indexed> {
  const { kind, id } = entry
  const indexes = new Map<string, Indexed>()
  const put = (at: Uint8Array, value: unknown, unique?: string) =>
    indexes.set(Buffer.from(at).toString('latin1'), { value, isUnique: unique !== undefined, what: unique ?? '' })
  put(nameKey(kind, foldedName(entry)), id, `the ${kind} ${nameOfEntry(entry)}`)
  for (const address of addressesOf(entry)) put(addressKey(foldAddress(address) as string), id, address)
  for (const [attribute, values] of attributesOf(entry))
    for (const value of values) put(attributeKey(attribute, foldValue(value), id), 1)
  if (isPlaced(entry)) {
    const path = foldPath(pathOf(entry))
    put(placeKey(path), id, `the name ${path || 'at the top'}`)
    if (path !== '') put(inUnitKey(aboveOf(path), id), 1)
  }
  if ((kind === 'alias' || kind === 'route') && isPattern(foldMatch(entry.match) as string))
    put(patternKey(kind, foldMatch(entry.match) as string), id)
  return indexes
}

function foldedName(entry: EntryRecord | Entry): string {
  switch (entry.kind) {
    case 'unit':
      return foldPath(entry.path)
    case 'object':
      return foldPath(pathOf(entry))
    case 'domain':
      return foldDomain(entry.name) as string
    case 'alias':
    case 'route':
      return foldMatch(entry.match) as string
    default:
      return foldName(entry.name)
  }
}

/** Incremented when an index is added that older versions did not write. */
const VERSION = 2
const versionKey = key('i')
const BATCH = 500

/** Rebuilds the indexes of entries written by an older version. */
export async function reindex(store: Store): Promise<void> {
  const known = await store.get(versionKey)
  if (known && decode<number>(known) === VERSION) return
  let ops: Op[] = []
  for await (const [, record] of store.scan(below('e'))) {
    for (const [name, { value }] of indexesOf(decode<EntryRecord>(record)))
      ops.push({ put: Buffer.from(name, 'latin1'), value: encode(value) })
    if (ops.length < BATCH) continue
    await store.commit(ops)
    ops = []
  }
  await store.commit([...ops, { put: versionKey, value: encode(VERSION) }])
}
