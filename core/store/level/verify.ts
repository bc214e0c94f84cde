/**
 * Verifies the checksums of every table and log in a LevelDB folder, which LevelDB does not do when it reads. Works
 * beside a running server: tables are immutable, and a log may end in the middle of a record.
 *
 * Invariants: nothing is written; memory is bounded by the largest file (about 4 MB). The formats: LevelDB's
 * doc/table_format.md and doc/log_format.md.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface DamagedFile {
  readonly file: string
  readonly what: string
}

export interface Verified {
  readonly files: number
  readonly octets: number
  readonly damaged: readonly DamagedFile[]
}

const FOOTER = 48
/** Octets after each block: its compression and checksum. */
const TRAILER = 5
const MAGIC = 0xdb4775248b80fb57n
const SNAPPY = 1
const LOG_BLOCK = 32_768
const LOG_HEADER = 7

class Damage extends Error {}

/** CRC-32C (Castagnoli), masked as in LevelDB. */
const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
  return value
})

function maskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8)
  crc = ~crc >>> 0
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

/** A number and the offset of the next one. */
function varint(bytes: Buffer, at: number): [value: number, next: number] {
  let value = 0
  for (let shift = 1; ; shift *= 128) {
    const byte = bytes[at++]
    if (byte === undefined || shift > 2 ** 42) throw new Damage('a number is not readable')
    value += (byte & 127) * shift
    if (byte < 128) return [value, at]
  }
}

/** Checks a block and returns its raw octets. */
function blockAt(file: Buffer, offset: number, size: number): { readonly raw: Buffer; readonly kind: number } {
  const end = offset + size
  if (end + TRAILER > file.length) throw new Damage('a block lies beyond its end')
  if (file.readUInt32LE(end + 1) !== maskedCrc(file.subarray(offset, end + 1)))
    throw new Damage(`the block at octet ${offset} has changed`)
  return { raw: file.subarray(offset, end), kind: file[end] as number }
}

/** Decodes Snappy. Only the index of a table is read, for the offsets of its blocks. */
function unsnap(raw: Buffer): Buffer {
  const [size, start] = varint(raw, 0)
  const out = Buffer.alloc(size)
  let to = 0
  for (let at = start; at < raw.length; ) {
    const tag = raw[at++] as number
    const high = tag >>> 2
    if ((tag & 3) === 0) {
      const extra = Math.max(0, high - 59)
      const length = (extra === 0 ? high : raw.readUIntLE(at, extra)) + 1
      at += extra
      to += raw.copy(out, to, at, at + length)
      at += length
      continue
    }
    const width = [0, 1, 2, 4][tag & 3] as number
    const low = raw.readUIntLE(at, width)
    const [length, back] = width === 1 ? [(high & 7) + 4, low + ((tag >>> 5) << 8)] : [high + 1, low]
    at += width
    for (let count = 0; count < length; count++, to++) out[to] = out[to - back] as number
  }
  return out
}

/** The offsets of blocks in an index: one in each entry's value. */
function* handles(index: Buffer): Generator<[offset: number, size: number]> {
  const restarts = index.readUInt32LE(index.length - 4)
  const end = index.length - 4 - restarts * 4
  for (let at = 0; at < end; ) {
    const [, afterShared] = varint(index, at)
    const [own, afterOwn] = varint(index, afterShared)
    const [length, keyAt] = varint(index, afterOwn)
    const [offset, sizeAt] = varint(index, keyAt + own)
    const [size] = varint(index, sizeAt)
    yield [offset, size]
    at = keyAt + own + length
  }
}

function checkTable(file: Buffer): void {
  if (file.length < FOOTER || file.readBigUInt64LE(file.length - 8) !== MAGIC) throw new Damage('its end is missing')
  const footer = file.length - FOOTER
  const [metaAt, metaSizeAt] = varint(file, footer)
  const [metaSize, indexAt] = varint(file, metaSizeAt)
  const [at, sizeAt] = varint(file, indexAt)
  const [size] = varint(file, sizeAt)
  // The meta index leads to the filters, the index to the data.
  for (const { raw, kind } of [blockAt(file, metaAt, metaSize), blockAt(file, at, size)])
    for (const [offset, length] of handles(kind === SNAPPY ? unsnap(raw) : raw)) blockAt(file, offset, length)
}

function checkLog(file: Buffer): void {
  for (let at = 0; at + LOG_HEADER <= file.length; ) {
    const left = LOG_BLOCK - (at % LOG_BLOCK)
    if (left < LOG_HEADER) {
      at += left
      continue
    }
    const length = file.readUInt16LE(at + 4)
    const type = file[at + 6]
    // Allocated but not yet written.
    if (type === 0 && length === 0) return
    const end = at + LOG_HEADER + length
    if (end > file.length) return
    if (LOG_HEADER + length > left || file.readUInt32LE(at) !== maskedCrc(file.subarray(at + 6, end)))
      throw new Damage(`the record at octet ${at} has changed`)
    at = end
  }
}

/** Checks all files below `path`, the folder of a store. */
export async function verifyRecords(path: string): Promise<Verified> {
  const folder = join(path, 'records')
  const damaged: DamagedFile[] = []
  let [files, octets] = [0, 0]
  for (const name of (await readdir(folder)).sort()) {
    const check = /\.(?:ldb|sst)$/.test(name) ? checkTable : /^\d+\.log$|^MANIFEST-/.test(name) ? checkLog : undefined
    // Compaction has removed the table meanwhile.
    const file = check && (await readFile(join(folder, name)).catch(() => undefined))
    if (!check || !file) continue
    files++
    octets += file.length
    try {
      check(file)
    } catch (cause) {
      const what = cause instanceof Damage ? cause.message : 'a block is not readable'
      damaged.push({ file: join(folder, name), what })
    }
  }
  return { files, octets, damaged }
}
