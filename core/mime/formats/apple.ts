/**
 * AppleSingle and AppleDouble (RFC 1740): the forks and attributes of a Macintosh file in entries.
 *
 * Invariants: every offset is checked against the size; input that is no such file is undefined, never an error.
 */
import { isUtf8 } from 'node:buffer'
import { fourOctets, fromMacRoman, toMacRoman } from './mac-roman.ts'
import type { FileFacts, MacAttributes } from './model.ts'

const SINGLE = 0x00051600
const DOUBLE = 0x00051607
const HEADER = 26
const ENTRY = 12
/** Entries that are looked at; fifteen kinds are known. */
const MAX_ENTRIES = 100

const DATA = 1
const RESOURCE = 2
const NAME = 3
const COMMENT = 4
const DATES = 8
const FINDER = 9

/** Seconds from 1970 to 2000, from which dates count. */
const EPOCH = 946_684_800
const UNKNOWN_DATE = -0x8000_0000

export interface AppleFile extends FileFacts {
  readonly isSingle: boolean
  readonly mac: MacAttributes
  /** The data fork, which AppleDouble carries elsewhere. */
  readonly data?: Buffer
}

export const isApple = (octets: Buffer): boolean =>
  octets.length >= HEADER && (octets.readUInt32BE(0) === SINGLE || octets.readUInt32BE(0) === DOUBLE)

function entriesOf(octets: Buffer): ReadonlyMap<number, Buffer> | undefined {
  const count = octets.readUInt16BE(24)
  if (count > MAX_ENTRIES || HEADER + count * ENTRY > octets.length) return undefined
  const entries = new Map<number, Buffer>()
  for (let at = HEADER; at < HEADER + count * ENTRY; at += ENTRY) {
    const [offset, length] = [octets.readUInt32BE(at + 4), octets.readUInt32BE(at + 8)]
    if (offset + length > octets.length) return undefined
    entries.set(octets.readUInt32BE(at), octets.subarray(offset, offset + length))
  }
  return entries
}

function dateAt(dates: Buffer | undefined, at: number): Date | undefined {
  if (!dates || dates.length < at + 4) return undefined
  const seconds = dates.readInt32BE(at)
  return seconds === UNKNOWN_DATE ? undefined : new Date((seconds + EPOCH) * 1000)
}

/** Undefined for what is neither, or is cut off. */
export function readApple(octets: Buffer): AppleFile | undefined {
  const entries = isApple(octets) ? entriesOf(octets) : undefined
  if (!entries) return undefined
  const isSingle = octets.readUInt32BE(0) === SINGLE
  const finder = entries.get(FINDER) ?? Buffer.alloc(0)
  const hasFinder = finder.length >= 10
  const [data, resource, name, comment] = [DATA, RESOURCE, NAME, COMMENT].map((id) => entries.get(id))
  const dates = entries.get(DATES)
  const [created, modified] = [dateAt(dates, 0), dateAt(dates, 4)]
  return {
    isSingle,
    name: name ? macName(name) : '',
    ...(created ? { created } : {}),
    ...(modified ? { modified } : {}),
    mac: {
      type: hasFinder ? fromMacRoman(finder.subarray(0, 4)) : '????',
      creator: hasFinder ? fromMacRoman(finder.subarray(4, 8)) : '????',
      flags: hasFinder ? finder.readUInt16BE(8) : 0,
      ...(comment && comment.length > 0 ? { comment: fromMacRoman(comment) } : {}),
      ...(resource && resource.length > 0 ? { resource } : {}),
    },
    ...(data && isSingle ? { data } : {}),
  }
}

/** MacRoman by the specification, and UTF-8 from Mac OS X. */
function macName(octets: Buffer): string {
  const hasUtf8 = /[\xc3-\xf4][\x80-\xbf]/.test(octets.toString('latin1'))
  return hasUtf8 && isUtf8(octets) ? octets.toString() : fromMacRoman(octets)
}

function datesOf({ created, modified }: FileFacts): Buffer {
  const dates = Buffer.alloc(16)
  const value = (date: Date | undefined) => {
    const seconds = date ? Math.floor(date.getTime() / 1000) - EPOCH : UNKNOWN_DATE
    return Math.abs(seconds) < 2 ** 31 ? seconds : UNKNOWN_DATE
  }
  for (const [index, date] of [created, modified, undefined, undefined].entries())
    dates.writeInt32BE(value(date), index * 4)
  return dates
}

/** A name in MacRoman where that holds it, else in UTF-8. */
const nameOctets = (name: string) => {
  const roman = toMacRoman(name)
  return fromMacRoman(roman) === name.normalize('NFC') ? roman : Buffer.from(name)
}

function write(magic: number, file: FileFacts, data?: Buffer): Buffer {
  const { mac = { type: '????', creator: '????', flags: 0 }, name } = file
  const finder = Buffer.alloc(32)
  fourOctets(mac.type).copy(finder, 0)
  fourOctets(mac.creator).copy(finder, 4)
  finder.writeUInt16BE(mac.flags & 0xffff, 8)
  const entries: [number, Buffer][] = [
    [NAME, nameOctets(name)],
    ...(mac.comment === undefined ? [] : ([[COMMENT, toMacRoman(mac.comment)]] as [number, Buffer][])),
    [DATES, datesOf(file)],
    [FINDER, finder],
    [RESOURCE, mac.resource ?? Buffer.alloc(0)],
    ...(data ? ([[DATA, data]] as [number, Buffer][]) : []),
  ]
  const header = Buffer.alloc(HEADER + entries.length * ENTRY)
  header.writeUInt32BE(magic, 0)
  header.writeUInt32BE(0x00020000, 4)
  header.writeUInt16BE(entries.length, 24)
  let offset = header.length
  for (const [index, [id, octets]] of entries.entries()) {
    const at = HEADER + index * ENTRY
    header.writeUInt32BE(id, at)
    header.writeUInt32BE(offset, at + 4)
    header.writeUInt32BE(octets.length, at + 8)
    offset += octets.length
  }
  return Buffer.concat([header, ...entries.map(([, octets]) => octets)])
}

/** The header file of AppleDouble, without the data fork. */
export const writeAppleDouble = (file: FileFacts): Buffer => write(DOUBLE, file)

export const writeAppleSingle = (file: FileFacts, data: Buffer): Buffer => write(SINGLE, file, data)
