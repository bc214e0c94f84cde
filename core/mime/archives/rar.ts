/**
 * The headers of a RAR archive: encrypted, truncated or multi-volume; and a small archive to test whether a clamd opens
 * RAR at all (Debian's does not: it lacks libclamunrar).
 *
 * Invariants: every length is checked; each header has a constant cost.
 */
import { crc32 } from 'node:zlib'
import type { Problem } from './zip.ts'

const OLD = Buffer.from('Rar!\x1a\x07\x00', 'latin1')
const NEW = Buffer.from('Rar!\x1a\x07\x01\x00', 'latin1')

export const isRar = (octets: Buffer): boolean =>
  octets.subarray(0, OLD.length).equals(OLD) || octets.subarray(0, NEW.length).equals(NEW)

/** Maximum headers. */
const MOST = 100_000
const ENCRYPTED: Problem = { kind: 'encrypted', name: 'Rar.Encrypted' }
const SPANNED: Problem = { kind: 'unreadable', name: 'Rar.Spanned' }
const BROKEN: Problem = { kind: 'unreadable', name: 'Rar.Broken' }

export function readRar(octets: Buffer): Problem | undefined {
  return octets[6] === 0 ? readOld(octets) : readNew(octets)
}

const OLD_MAIN = 0x73
const OLD_FILE = 0x74
const OLD_END = 0x7b

function readOld(octets: Buffer): Problem | undefined {
  let at = OLD.length
  for (let n = 0; n < MOST && at + 7 <= octets.length; n++) {
    const type = octets[at + 2]
    const flags = octets.readUInt16LE(at + 3)
    const size = octets.readUInt16LE(at + 5)
    if ((type === OLD_MAIN && (flags & 0x80) !== 0) || (type === OLD_FILE && (flags & 4) !== 0)) return ENCRYPTED
    if (type === OLD_MAIN && (flags & 1) !== 0) return SPANNED
    if (type === OLD_END) return undefined
    const hasData = type === OLD_FILE || (flags & 0x8000) !== 0
    if (size < 7 || (hasData && at + 11 > octets.length)) return BROKEN
    at += size + (hasData ? octets.readUInt32LE(at + 7) : 0)
  }
  // The oldest format has no end mark.
  return at === octets.length ? undefined : BROKEN
}

const NEW_MAIN = 1
const NEW_FILE = 2
const NEW_SERVICE = 3
const NEW_ENCRYPTION = 4
const NEW_END = 5

function readNew(octets: Buffer): Problem | undefined {
  const cursor = { at: NEW.length }
  for (let n = 0; n < MOST && cursor.at + 7 <= octets.length; n++) {
    cursor.at += 4
    const size = readNumber(octets, cursor)
    const end = cursor.at + size
    const type = readNumber(octets, cursor)
    const flags = readNumber(octets, cursor)
    const extra = (flags & 1) !== 0 ? readNumber(octets, cursor) : 0
    const data = (flags & 2) !== 0 ? readNumber(octets, cursor) : 0
    if (type === NEW_MAIN && (readNumber(octets, cursor) & 1) !== 0) return SPANNED
    if (type === NEW_ENCRYPTION) return ENCRYPTED
    if (type === NEW_END) return undefined
    if (size === 0 || end > octets.length) return BROKEN
    if ((type === NEW_FILE || type === NEW_SERVICE) && hasEncryption(octets.subarray(end - extra, end)))
      return ENCRYPTED
    cursor.at = end + data
  }
  return BROKEN
}

/** In the records after a file's header. */
function hasEncryption(extra: Buffer): boolean {
  const cursor = { at: 0 }
  while (cursor.at < extra.length) {
    const size = readNumber(extra, cursor)
    const next = cursor.at + size
    if (size === 0) return false
    if (readNumber(extra, cursor) === 1) return true
    cursor.at = next
  }
  return false
}

/** Seven bits per octet, lowest first. */
function readNumber(octets: Buffer, cursor: { at: number }): number {
  let value = 0
  for (let shift = 0; shift < 7; shift++) {
    const octet = octets[cursor.at] ?? 0
    cursor.at++
    value += (octet & 0x7f) * 2 ** (7 * shift)
    if (octet < 0x80) break
  }
  return value
}

/** An archive with one stored file. */
export function rarOf(file: Buffer): Buffer {
  const name = Buffer.from('file')
  const header = Buffer.alloc(25)
  header.writeUInt32LE(file.length, 0)
  header.writeUInt32LE(file.length, 4)
  header[8] = 3
  header.writeUInt32LE(crc32(file), 9)
  header[17] = 20
  header[18] = 0x30
  header.writeUInt16LE(name.length, 19)
  header.writeUInt32LE(0x81a4, 21)
  const blocks = [
    block(OLD_MAIN, 0, Buffer.alloc(6)),
    block(OLD_FILE, 0x8000, Buffer.concat([header, name])),
    file,
    block(OLD_END, 0x4000, Buffer.alloc(0)),
  ]
  return Buffer.concat([OLD, ...blocks])
}

function block(type: number, flags: number, fields: Buffer): Buffer {
  const head = Buffer.alloc(7)
  head[2] = type
  head.writeUInt16LE(flags, 3)
  head.writeUInt16LE(head.length + fields.length, 5)
  const all = Buffer.concat([head, fields])
  all.writeUInt16LE(crc32(all.subarray(2)) & 0xffff, 0)
  return all
}
