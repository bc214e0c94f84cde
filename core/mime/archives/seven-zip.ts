/**
 * The header of a 7z archive (7-Zip's 7zFormat.txt): encrypted, truncated, or packed with a method that clamd does not
 * support. The header is usually packed itself.
 *
 * Invariants: every length is checked against the data, and numbers are bounded.
 */
import { unlzma } from './lzma.ts'
import type { Problem } from './zip.ts'

export const SEVEN_ZIP = Buffer.from("7z\xbc\xaf'\x1c", 'latin1')

const START = 32
/** Maximum octets of a header. */
const MAX_HEADER = 4_194_304
/** Maximum folders, coders per folder, and streams. */
const MOST = 100_000
/** Maximum nesting of headers. */
const LEVELS = 4

const AES = '06f10701'
const LZMA = '030101'
const COPY = '00'
const BCJ2 = '0303011b'
/**
 * Copy, LZMA, LZMA2, PPMd; the filters for x86 and ARM. clamd supports these, a filter only in combination with one of
 * them.
 */
const PACKERS = new Set([COPY, LZMA, '21', '030401'])
const FILTERS = new Set(['03030103', BCJ2, '03030501'])
/** BCJ2 has four streams, and clamd requires each to be packed. */
const BCJ2_CODERS = 4

const BROKEN: Problem = { kind: 'unreadable', name: '7Zip.Broken' }
const ENCRYPTED: Problem = { kind: 'encrypted', name: '7Zip.Encrypted' }

class Broken extends Error {}

export function readSevenZip(octets: Buffer): Problem | undefined {
  if (octets.length < START) return BROKEN
  const start = START + Number(octets.readBigUInt64LE(12))
  const end = start + Number(octets.readBigUInt64LE(20))
  if (end > octets.length) return BROKEN
  try {
    const folders = foldersOf(octets, octets.subarray(start, end), 0)
    if (folders.some((coders) => coders.includes(AES))) return ENCRYPTED
    const closed = folders.map(closedBy).find((coder) => coder !== undefined)
    return closed === undefined ? undefined : { kind: 'unreadable', name: `7Zip.Method-${closed}` }
  } catch (cause) {
    if (cause instanceof Broken) return BROKEN
    throw cause
  }
}

/** The coder because of which clamd does not open a folder. */
function closedBy(coders: Coders): string | undefined {
  const unknown = coders.find((coder) => !PACKERS.has(coder) && !FILTERS.has(coder))
  if (unknown !== undefined) return unknown
  if (coders.includes(BCJ2) && coders.length !== BCJ2_CODERS) return BCJ2
  return coders.some((coder) => PACKERS.has(coder)) ? undefined : coders[0]
}

/** Ids in hex. */
type Coders = readonly string[]

interface Streams {
  /** Offset of the packed data, and the length of its first stream. */
  readonly position: number
  readonly packed: number
  readonly folders: readonly Coders[]
  readonly properties: Buffer
  /** Unpacked size of the first stream. */
  readonly size: number
}

const HEADER = 1
const ARCHIVE_PROPERTIES = 2
const ADDITIONAL = 3
const MAIN = 4
const PACKED = 6
const UNPACKED = 7
const SIZE = 9
const DIGESTS = 10
const FOLDER = 11
const UNPACKED_SIZE = 12
const ENCODED = 23

function foldersOf(octets: Buffer, header: Buffer, level: number): readonly Coders[] {
  if (header.length === 0) return []
  const cursor = new Cursor(header)
  const kind = cursor.octet()
  if (kind === ENCODED) {
    const streams = readStreams(cursor)
    const isEncrypted = streams.folders.some((coders) => coders.includes(AES))
    return isEncrypted ? streams.folders : foldersOf(octets, unpacked(octets, streams, level), level + 1)
  }
  if (kind !== HEADER) throw new Broken()
  let id = cursor.octet()
  if (id === ARCHIVE_PROPERTIES) {
    while (cursor.octet() !== 0) cursor.octets(cursor.number())
    id = cursor.octet()
  }
  if (id === ADDITIONAL) throw new Broken()
  return id === MAIN ? readStreams(cursor).folders : []
}

function unpacked(octets: Buffer, { position, packed, folders, properties, size }: Streams, level: number): Buffer {
  const start = START + position
  if (level >= LEVELS || start + packed > octets.length || size > MAX_HEADER) throw new Broken()
  const data = octets.subarray(start, start + packed)
  const [[coder] = []] = folders
  const header = coder === COPY ? data : coder === LZMA ? unlzma(data, properties, size) : undefined
  if (!header) throw new Broken()
  return header
}

function readStreams(cursor: Cursor): Streams {
  let position = 0
  let packed = 0
  let id = cursor.octet()
  if (id === PACKED) {
    position = cursor.number()
    const count = cursor.count()
    for (id = cursor.octet(); id !== 0; id = cursor.octet()) {
      if (id === SIZE) [packed = 0] = Array.from({ length: count }, () => cursor.number())
      else if (id === DIGESTS) cursor.digests(count)
      else throw new Broken()
    }
    id = cursor.octet()
  }
  if (id !== UNPACKED || cursor.octet() !== FOLDER)
    return { position, packed, folders: [], properties: Buffer.alloc(0), size: 0 }
  const count = cursor.count()
  if (cursor.octet() !== 0) throw new Broken()
  const folders: Coders[] = []
  let properties: Buffer = Buffer.alloc(0)
  for (let n = 0; n < count; n++) {
    const folder = readFolder(cursor)
    folders.push(folder.coders)
    if (n === 0) properties = folder.properties
  }
  const size = cursor.octet() === UNPACKED_SIZE ? cursor.number() : 0
  return { position, packed, folders, properties, size }
}

/** Its coders, and the properties of the first. */
function readFolder(cursor: Cursor): { readonly coders: Coders; readonly properties: Buffer } {
  const coders: string[] = []
  const count = cursor.count()
  let [ins, outs] = [0, 0]
  let properties: Buffer | undefined
  for (let n = 0; n < count; n++) {
    const flags = cursor.octet()
    coders.push(cursor.octets(flags & 15).toString('hex'))
    ins += (flags & 16) === 0 ? 1 : cursor.count()
    outs += (flags & 16) === 0 ? 1 : cursor.count()
    const given = (flags & 32) === 0 ? Buffer.alloc(0) : cursor.octets(cursor.number())
    properties ??= given
  }
  for (let n = 0; n < outs - 1; n++) {
    cursor.number()
    cursor.number()
  }
  const left = ins - (outs - 1)
  if (left > 1) for (let n = 0; n < left; n++) cursor.number()
  return { coders, properties: properties ?? Buffer.alloc(0) }
}

class Cursor {
  readonly #octets: Buffer
  #at = 0

  constructor(octets: Buffer) {
    this.#octets = octets
  }

  octet(): number {
    const octet = this.#octets[this.#at++]
    if (octet === undefined) throw new Broken()
    return octet
  }

  octets(length: number): Buffer {
    const start = this.#at
    this.#at += length
    if (this.#at > this.#octets.length) throw new Broken()
    return this.#octets.subarray(start, this.#at)
  }

  /** The leading bits of the first octet give the number of following octets, lowest first. */
  number(): number {
    const first = this.octet()
    let value = 0
    for (let n = 0, mask = 0x80; n < 8; n++, mask >>= 1) {
      if ((first & mask) === 0) return value + (first & (mask - 1)) * 2 ** (8 * n)
      value += this.octet() * 2 ** (8 * n)
    }
    return value
  }

  count(): number {
    const count = this.number()
    if (count > MOST) throw new Broken()
    return count
  }

  digests(count: number): void {
    let defined = count
    if (this.octet() === 0) {
      defined = 0
      for (const octet of this.octets(Math.ceil(count / 8)))
        for (let bit = 0; bit < 8; bit++) defined += (octet >> bit) & 1
    }
    this.octets(4 * defined)
  }
}
