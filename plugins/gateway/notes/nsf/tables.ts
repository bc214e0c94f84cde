/**
 * The BDB, with the names of items and the places of RRV buckets, and RRV buckets, which say where each note lies.
 */
import { expandCx } from './cx.ts'
import { type Extent, longAt, UNIT, wordAt, xorOf } from './header.ts'
import { Damaged, type Source } from './source.ts'

const HEADER = 66
const MAX_SIZE = 64 * 1024 * 1024

export interface ItemName {
  readonly name: string
  /** Type and class: the type of items without one of their own. */
  readonly type: number
}

export interface Bdb {
  readonly names: readonly ItemName[]
  /** In order of their first id. */
  readonly rrvBuckets: readonly RrvBucket[]
}

export interface RrvBucket {
  readonly position: number
  readonly firstId: number
}

/** The valid copy with the highest write count. */
export async function readBdb(
  source: Source,
  extents: readonly Extent[],
  decode: (octets: Buffer) => string,
  problem: (why: string) => void,
): Promise<Bdb> {
  const found: { readonly count: number; readonly at: Extent }[] = []
  for (const at of extents) {
    const head = await source.read(at.position, HEADER + 4).catch(() => undefined)
    if (head?.readUInt16LE(0) === 1) found.push({ count: head.readUInt32LE(10), at })
  }
  found.sort((one, other) => other.count - one.count)
  for (const { at } of found) {
    try {
      return await bdbAt(source, at.position, decode)
    } catch (error) {
      if (!(error instanceof Damaged)) throw error
      problem(`table of item names at ${at.position}: ${error.message}`)
    }
  }
  throw new Damaged('no table of item names can be read')
}

async function bdbAt(source: Source, position: number, decode: (octets: Buffer) => string): Promise<Bdb> {
  const head = await source.read(position, HEADER + 4)
  const size = head.readUInt32LE(6)
  const length = head.readUInt32LE(HEADER)
  if (size > MAX_SIZE || length > MAX_SIZE) throw new Damaged('its size is impossible')
  const body = expandCx(await source.read(position + HEADER + 4, length), size)
  const count = { names: head.readUInt32LE(26), rrv: head.readUInt32LE(38) }
  const rrvBuckets = Array.from({ length: Math.min(count.rrv, body.length / 8) }, (_, n) => ({
    position: (longAt(body, n * 8) & ~1) >>> 0,
    firstId: longAt(body, n * 8 + 4),
  }))
  const from = count.rrv * 8
  const texts = from + count.names * 10 + 4
  const names: ItemName[] = []
  for (let n = 0; n < count.names; n++) {
    const at = from + n * 10
    const start = texts + longAt(body, at)
    const name = decode(body.subarray(start, start + wordAt(body, at + 4)))
    names.push({ name, type: (body[at + 6] ?? 0) | ((body[at + 7] ?? 0) << 8) })
  }
  rrvBuckets.sort((one, other) => one.firstId - other.firstId)
  return { names, rrvBuckets: rrvBuckets.map(({ position, firstId }) => ({ position: position * UNIT, firstId })) }
}

// --- RRV -----------------------------------------------------------------------------------------

const RRV = { size: 4096, mark: 0x2006, header: 32, entry: 8 }

export type BucketKind = 'summary' | 'other'
/** Where a note or an object lies. */
export type Place =
  | { readonly position: number }
  | { readonly bucket: number; readonly slot: number; readonly kind: BucketKind }

export interface RrvEntry {
  readonly id: number
  readonly place: Place
}

/** The entries of one RRV bucket in order of id. */
export async function readRrv(
  source: Source,
  { position }: Pick<RrvBucket, 'position'>,
  problem: (why: string) => void,
): Promise<readonly RrvEntry[]> {
  const octets = await source.read(position, RRV.size)
  if (octets.readUInt16LE(0) !== RRV.mark) throw new Damaged(`there is no RRV bucket at ${position}`)
  if (xorOf(octets.subarray(RRV.header)) !== octets.readUInt32LE(18))
    problem(`the RRV bucket at ${position} has a wrong checksum`)
  return rrvEntries(octets)
}

export function rrvEntries(octets: Buffer): readonly RrvEntry[] {
  const first = octets.readUInt32LE(6)
  const entries: RrvEntry[] = []
  for (let n = 0; RRV.header + (n + 1) * RRV.entry <= RRV.size; n++) {
    const place = placeOf(octets.readUInt32LE(RRV.header + n * 8), octets.readUInt32LE(RRV.header + n * 8 + 4))
    if (place) entries.push({ id: first + 4 * n, place })
  }
  return entries
}

function placeOf(a: number, b: number): Place | undefined {
  if (a === 0 || a === 0xffffffff || a === 0x7fffffff) return undefined
  if (a < 0x80000000) return { position: a * UNIT }
  return { bucket: a & 0xffffff, slot: b & 0x7ff, kind: 'summary' }
}
