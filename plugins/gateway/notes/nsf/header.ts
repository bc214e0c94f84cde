/**
 * The first octets of a database: its version, identity, title and where everything else begins.
 */
import { Damaged, type Source, Unreadable } from './source.ts'

/** On-disk structures that this reader knows: Notes 5 to 14. */
const FIRST_ODS = 41
/** Beyond this the number is not a version. */
const LAST_ODS = 99
const HEADER = 1024
/** Positions are in units of so many octets. */
export const UNIT = 256
const MAX_SPECIAL = 32

export interface NsfHeader {
  readonly ods: number
  readonly headerSize: number
  readonly replicaId: string
  readonly title: string
  readonly categories: string
  /** The template that this database is. */
  readonly template?: string
  /** The template that it inherits its design from. */
  readonly inherits?: string
  /** Title, categories and templates, undecoded. */
  readonly info: string
  /** Note ids by their place: log2 of the class, plus 1. */
  readonly special: readonly number[]
  readonly superblocks: readonly Extent[]
  readonly bdbs: readonly Extent[]
}

/** A place in the file, in octets. */
export interface Extent {
  readonly position: number
  readonly size: number
}

export async function readHeader(source: Source, decode: (octets: Buffer) => string): Promise<NsfHeader> {
  if (source.size < HEADER) throw new Unreadable('the file is too short to be a Notes database')
  const octets = await source.read(0, HEADER)
  if (octets.readUInt16LE(0) !== 0x1a) throw new Unreadable('the file is not a Notes database')
  const ods = octets.readUInt32LE(6)
  if (ods < FIRST_ODS || ods > LAST_ODS)
    throw new Unreadable(
      ods >= 16 && ods < FIRST_ODS
        ? `the database has the on-disk structure ${ods} of Notes 4 or earlier: compact a copy with Notes 5 or later`
        : `the on-disk structure ${ods} is unknown`,
    )
  if (octets[646] !== 0)
    throw new Unreadable('the database is encrypted with a Notes ID: remove its local encryption with Notes first')
  const raw = octets.subarray(200, 328)
  const end = raw.indexOf(0)
  const info = decode(end < 0 ? raw : raw.subarray(0, end))
  const [title = '', ...more] = info.split(/[\r\n]+/)
  const marked = (mark: string) => more.find((line) => line.startsWith(mark))?.slice(mark.length)
  const template = marked('#1')
  const inherits = marked('#2')
  return {
    ods,
    headerSize: octets.readUInt32LE(2),
    replicaId: hex(octets.readUInt32LE(184)) + hex(octets.readUInt32LE(180)),
    title,
    categories: more.find((line) => !line.startsWith('#')) ?? '',
    ...(template === undefined ? {} : { template }),
    ...(inherits === undefined ? {} : { inherits }),
    info,
    special: Array.from({ length: MAX_SPECIAL }, (_, n) => octets.readUInt32LE(328 + 4 * n)),
    superblocks: [560, 568, 576, 584].map((at) => extent(octets, at, at + 4)).filter(isSet),
    // Here the size comes first.
    bdbs: [624, 632].map((at) => extent(octets, at + 4, at)).filter(isSet),
  }
}

const isSet = ({ position }: Extent) => position !== 0

function extent(octets: Buffer, position: number, size: number): Extent {
  return { position: octets.readUInt32LE(position) * UNIT, size: octets.readUInt32LE(size) }
}

export const hex = (value: number) => (value >>> 0).toString(16).toUpperCase().padStart(8, '0')

/** The XOR of all double words; the last one is padded with zeros. */
export function xorOf(octets: Buffer): number {
  let sum = 0
  const whole = octets.length & ~3
  for (let at = 0; at < whole; at += 4) sum ^= octets.readInt32LE(at)
  for (let at = whole; at < octets.length; at++) sum ^= (octets[at] ?? 0) << (8 * (at - whole))
  return sum >>> 0
}

/** An unsigned number from octets that may be too short. */
export function wordAt(octets: Buffer, at: number): number {
  if (at < 0 || at + 2 > octets.length) throw new Damaged(`a value at ${at} ends early`)
  return octets.readUInt16LE(at)
}
export function longAt(octets: Buffer, at: number): number {
  if (at < 0 || at + 4 > octets.length) throw new Damaged(`a value at ${at} ends early`)
  return octets.readUInt32LE(at)
}
