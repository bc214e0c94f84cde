/**
 * The superblock: where the buckets lie. A bucket map from its descriptors is only a hint, because every bucket names
 * itself: a bucket that does not is looked for by a scan of the whole file.
 */
import { expandCx } from './cx.ts'
import { type Extent, UNIT, xorOf } from './header.ts'
import { Damaged, type Source } from './source.ts'

const HEADER = 100
const FOOTER = 12
/** Octets of an uncompressed superblock. */
const MAX_BODY = 64 * 1024 * 1024

export interface Superblock {
  readonly summaryPositions: readonly number[]
  readonly otherPositions: readonly number[]
  readonly softDeleted: number
  /** The RRV bucket that is in use: newer than its copy elsewhere in the file. */
  readonly currentRrv?: Buffer
}

const SUMMARY = { header: 224, size: 14 }
const OTHER = { header: 70, size: 6 }
const PAGE = { summary: 8206, other: 8198 }
/** A description of a bitmap; they are between the pages and the RRV bucket. */
const BITMAP = 20
const RRV_SIZE = 4096
/** Descriptors of a summary page that lies elsewhere, and the octets before them. */
const PAGED = { count: 567, header: 250 }

/** The valid superblock with the highest write count. */
export async function readSuperblock(
  source: Source,
  extents: readonly Extent[],
  problem: (why: string) => void,
): Promise<Superblock | undefined> {
  const found: { readonly count: number; readonly at: Extent }[] = []
  for (const at of extents) {
    const head = at.size < HEADER ? undefined : await source.read(at.position, HEADER).catch(() => undefined)
    if (head?.readUInt16LE(0) === 0x0e) found.push({ count: head.readUInt32LE(60), at })
  }
  found.sort((one, other) => other.count - one.count)
  for (const { at } of found) {
    try {
      return await superblockAt(source, at)
    } catch (error) {
      if (!(error instanceof Damaged)) throw error
      problem(`superblock at ${at.position}: ${error.message}`)
    }
  }
  return undefined
}

async function superblockAt(source: Source, { position }: Extent): Promise<Superblock> {
  const head = await source.read(position, HEADER + 4)
  const size = head.readUInt32LE(10)
  const stored = head.readUInt32LE(64)
  if (size > MAX_BODY || stored > MAX_BODY || stored < HEADER + FOOTER + 4) throw new Damaged('its size is impossible')
  const octets = await source.read(position, stored)
  const data = octets.subarray(HEADER, stored - FOOTER)
  if (xorOf(data) !== octets.readUInt32LE(stored - 4)) throw new Damaged('its checksum is wrong')
  const body = head.readUInt16LE(68) === 1 ? expanded(data, size) : data
  const summaries = head.readUInt32LE(14)
  const others = head.readUInt32LE(18)
  const pages = { summary: head.readUInt32LE(70), other: head.readUInt32LE(74) }
  // The pages but the last lie elsewhere; the body begins with their positions.
  const elsewhere = Math.max(0, pages.summary - 1)
  const positions: number[] = []
  for (let page = 0; page < elsewhere && (page + 1) * 14 <= body.length; page++) {
    const at = body.readUInt32LE(page * 14) * UNIT
    const octets = await source.read(at, PAGE.summary).catch(() => undefined)
    if (octets) positions.push(...descriptors(octets, PAGED.header, SUMMARY.size, PAGED.count))
  }
  const here = elsewhere * 14
  const last = Math.max(0, summaries - elsewhere * PAGED.count)
  positions.push(...descriptors(body, here + SUMMARY.header, SUMMARY.size, last))
  const second = here + Math.min(1, pages.summary) * PAGE.summary
  const rrv = second + pages.other * PAGE.other + head.readUInt32LE(22) * BITMAP
  const currentRrv = body.subarray(rrv, rrv + head.readUInt32LE(26))
  return {
    summaryPositions: positions,
    otherPositions: pages.other === 0 ? [] : descriptors(body, second + OTHER.header, OTHER.size, others),
    softDeleted: head.readUInt32LE(78),
    ...(currentRrv.length >= RRV_SIZE ? { currentRrv } : {}),
  }
}

/** A chain of pieces, each behind its length. */
function expanded(data: Buffer, size: number): Buffer {
  const length = data.readUInt32LE(0)
  if (length > data.length - 4) throw new Damaged('its data ends early')
  return expandCx(data.subarray(4, 4 + length), size)
}

function descriptors(octets: Buffer, from: number, size: number, count: number): number[] {
  const positions: number[] = []
  for (let n = 0; n < count && from + n * size + 4 <= octets.length; n++)
    positions.push(octets.readUInt32LE(from + n * size) * UNIT)
  return positions
}
