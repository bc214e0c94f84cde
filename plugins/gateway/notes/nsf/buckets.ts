/**
 * Buckets, which hold notes and the values of their items, and the sector marks that a bucket and a page carry.
 *
 * Invariants: marks are repaired before anything else is read; a bucket counts only where it names itself with the
 * index and kind that are asked for; the cache is bounded, and the map has four octets for each bucket.
 */
import { Cache } from 'iems'
import { UNIT } from './header.ts'
import { Damaged, type Source } from './source.ts'
import type { Superblock } from './superblock.ts'
import type { BucketKind, RrvEntry } from './tables.ts'

const MARK = 0x4202
const HEADER = 66
const SECTOR = 512
/** Buckets begin at multiples of this. */
const STEP = 4096
const SIZES = { min: 4096, max: 1024 * 1024 }
/** Octets read at once by a scan. */
const SCANNED = 1024 * 1024
/** Octets of buckets that are kept. */
const CACHED = 8 * 1024 * 1024
/** Buckets of a kind. */
const MAX_BUCKETS = 16_000_000

const KINDS: Readonly<Record<number, BucketKind>> = { 1: 'summary', 2: 'other' }

interface Bucket {
  readonly octets: Buffer
  readonly slots: number
  readonly footer: number
}

export class Buckets {
  /** Positions in units of 256 octets, by index; 0 for unknown. */
  private readonly maps: Record<BucketKind, Uint32Array> = { summary: new Uint32Array(64), other: new Uint32Array(64) }
  private readonly cache = new Cache<Bucket | Damaged>({
    max: CACHED,
    weigh: (found) => (found instanceof Damaged ? 1024 : found.octets.length),
  })
  private hasScanned = false
  readonly counts: Record<BucketKind, number> = { summary: 0, other: 0 }
  private readonly source: Source
  private readonly problem: (why: string) => void

  constructor(source: Source, superblock: Superblock | undefined, problem: (why: string) => void) {
    this.source = source
    this.problem = problem
    superblock?.summaryPositions.forEach((position, index) => void this.place('summary', index, position))
    superblock?.otherPositions.forEach((position, index) => void this.place('other', index, position))
  }

  /** The octets of a slot; slots count from 1, buckets from 0. */
  async slot(kind: BucketKind, index: number, slot: number): Promise<Buffer> {
    const { octets, slots, footer } = await this.bucket(kind, index)
    if (slot < 1 || slot > slots) throw new Damaged(`${kind} bucket ${index} has no slot ${slot}`)
    const at = octets.length - footer - 4 * slot
    if (at < HEADER) throw new Damaged(`${kind} bucket ${index} has no room for slot ${slot}`)
    const from = octets.readUInt16LE(at)
    const length = octets.readUInt16LE(at + 2)
    if (from < HEADER || from + length > octets.length)
      throw new Damaged(`slot ${slot} of ${kind} bucket ${index} lies outside`)
    return octets.subarray(from, from + length)
  }

  /** Looks at the whole file for buckets; once. */
  async scan(): Promise<void> {
    if (this.hasScanned) return
    this.hasScanned = true
    for (let at = 0; at + STEP <= this.source.size; at += SCANNED) {
      const left = Math.floor((this.source.size - at) / STEP) * STEP
      const octets = await this.source.read(at, Math.min(SCANNED, left))
      for (let n = 0; n < octets.length; n += STEP) this.seen(octets.subarray(n, n + HEADER), at + n)
    }
  }

  /** Every record of the summary buckets, by the id that it bears: for tables that are lost. */
  async *records(): AsyncGenerator<RrvEntry> {
    await this.scan()
    for (let index = 0; index < this.maps.summary.length; index++) {
      if (this.maps.summary[index] === 0) continue
      const bucket = await this.bucket('summary', index).catch(damage)
      for (let slot = 1; !(bucket instanceof Damaged) && slot <= bucket.slots; slot++) {
        const record = await this.slot('summary', index, slot).catch(damage)
        if (record instanceof Damaged || record.length < 10 || record.readUInt16LE(0) !== 4) continue
        yield { id: record.readUInt32LE(6), place: { kind: 'summary', bucket: index + 1, slot } }
      }
    }
  }

  private seen(head: Buffer, position: number): void {
    if (head.readUInt16LE(0) !== MARK) return
    const kind = KINDS[head.readUInt16LE(38)]
    const size = head.readUInt32LE(6)
    if (kind && size >= SIZES.min && size <= SIZES.max) this.place(kind, head.readUInt32LE(2), position)
  }

  private place(kind: BucketKind, index: number, position: number): void {
    if (index >= MAX_BUCKETS || position === 0) return
    let map = this.maps[kind]
    // An index that the file cannot hold is not worth a map of its size.
    if (index * STEP > this.source.size) return
    if (index >= map.length) {
      const larger = new Uint32Array(Math.max(index + 1, map.length * 2))
      larger.set(map)
      this.maps[kind] = map = larger
    }
    if (map[index] === 0) this.counts[kind]++
    map[index] = position / UNIT
  }

  private async bucket(kind: BucketKind, index: number): Promise<Bucket> {
    const name = `${kind}${index}`
    const known = this.cache.get(name)
    if (known instanceof Damaged) throw known
    if (known) return known
    const found = await this.find(kind, index).catch((error: unknown) => {
      if (error instanceof Damaged) return error
      throw error
    })
    this.cache.set(name, found)
    if (found instanceof Damaged) {
      this.problem(found.message)
      throw found
    }
    return found
  }

  private async find(kind: BucketKind, index: number): Promise<Bucket> {
    const read = async () => {
      const position = (this.maps[kind][index] ?? 0) * UNIT
      return position === 0 ? undefined : await this.readAt(kind, index, position).catch(damage)
    }
    const first = await read()
    if (first && !(first instanceof Damaged)) return first
    if (!this.hasScanned) {
      await this.scan()
      const second = await read()
      if (second instanceof Damaged) throw second
      if (second) return second
    }
    throw first ?? new Damaged(`${kind} bucket ${index} is nowhere in the file`)
  }

  private async readAt(kind: BucketKind, index: number, position: number): Promise<Bucket> {
    const head = await this.source.read(position, HEADER)
    const size = head.readUInt32LE(6)
    const footer = Math.ceil(size / 1024)
    if (head.readUInt16LE(0) !== MARK || head.readUInt32LE(2) !== index || KINDS[head.readUInt16LE(38)] !== kind)
      throw new Damaged(`${kind} bucket ${index} is not where the superblock says`)
    if (size < SIZES.min || size > SIZES.max || size % SECTOR !== 0)
      throw new Damaged(`${kind} bucket ${index} has an impossible size`)
    const octets = await this.source.read(position, size)
    if (!repair(octets, { first: HEADER, place: (sector) => [size - 1 - (sector >> 1), sector % 2 === 0] }))
      this.problem(`${kind} bucket ${index} was written only in part`)
    return { octets, slots: octets.readUInt16LE(44), footer }
  }
}

function damage(error: unknown): Damaged {
  if (error instanceof Damaged) return error
  throw error
}

interface Marks {
  /** Position of the mark in each sector. */
  readonly first: number
  /** Where the original nibble of a sector is kept: an octet, and whether in its high half. */
  place(sector: number): readonly [at: number, isHigh: boolean]
}

/** Puts the original nibbles back; false when the sectors carry different marks, as after a torn write. */
function repair(octets: Buffer, { first, place }: Marks): boolean {
  let mark: number | undefined
  let isWhole = true
  for (let sector = 0; sector * SECTOR + first < octets.length; sector++) {
    const at = sector * SECTOR + first
    const marked = octets[at] ?? 0
    mark ??= marked & 0x0f
    if ((marked & 0x0f) !== mark) isWhole = false
    const [kept, isHigh] = place(sector)
    const nibble = isHigh ? (octets[kept] ?? 0) >> 4 : (octets[kept] ?? 0) & 0x0f
    octets[at] = (marked & 0xf0) | nibble
  }
  return isWhole
}

const PAGE = 4096
/** Where a container page keeps its nibbles: the high half of the first octet is the mark itself. */
const PAGE_MARKS = 24

/** A page of a container object, its marks repaired. */
export async function readPage(source: Source, position: number): Promise<Buffer> {
  const octets = await source.read(position, PAGE)
  if (octets.readUInt16LE(4) !== PAGE) throw new Damaged(`there is no container page at ${position}`)
  for (let sector = 1; sector < PAGE / SECTOR; sector++) {
    const kept = octets[PAGE_MARKS + (sector >> 1)] ?? 0
    const nibble = sector % 2 === 0 ? kept >> 4 : kept & 0x0f
    const at = sector * SECTOR
    octets[at] = ((octets[at] ?? 0) & 0xf0) | nibble
  }
  // Sector 0 keeps its own nibble in the low half of the first octet, if it follows the rule of the others.
  return octets
}
