/**
 * Objects outside of notes: attached files, ID tables, and the description of an attachment in its `$FILE` item.
 */
import { createHash } from 'node:crypto'
import { longAt, wordAt } from './header.ts'
import { expandHuffman } from './huffman.ts'
import { decodeLmbcs } from './lmbcs.ts'
import { Damaged, type Source } from './source.ts'
import { type NotesTime, readTime } from './values.ts'

const OLD = { mark: 0x07, header: 22 }
const NEW = { mark: 0x1b, header: 115 }
const DIGEST = { at: 24, length: 40 }
/** Octets of an object that is not a file: tables and lists. */
const MAX_TABLE = 16 * 1024 * 1024
const PIECE = 256 * 1024

/** An object's octets in the file. */
export interface NsfObject {
  readonly position: number
  /** Octets, without the header. */
  readonly size: number
  /** The SHA-1 of the content, which newer servers note for their attachment store (DAOS). */
  readonly digest?: string
}

export async function readObject(source: Source, position: number): Promise<NsfObject> {
  const head = await source.read(position, NEW.header).catch(() => source.read(position, OLD.header))
  const mark = head.readUInt16LE(0)
  const form = mark === NEW.mark ? NEW : mark === OLD.mark ? OLD : undefined
  if (!form) throw new Damaged(`there is no object at ${position}`)
  const size = Math.max(0, head.readUInt32LE(2) - form.header)
  const digest = form === NEW ? head.toString('latin1', DIGEST.at, DIGEST.at + DIGEST.length) : ''
  return { position: position + form.header, size, ...(/^[0-9A-F]{40}$/.test(digest) ? { digest } : {}) }
}

/** The octets of an object in pieces. */
export async function* objectPieces(source: Source, { position, size }: NsfObject): AsyncGenerator<Buffer> {
  for (let at = 0; at < size; at += PIECE) yield await source.read(position + at, Math.min(PIECE, size - at))
}

export async function objectOctets(source: Source, object: NsfObject): Promise<Buffer> {
  if (object.size > MAX_TABLE) throw new Damaged('a table has an impossible size')
  return source.read(object.position, object.size)
}

// --- ID tables ---------------------------------------------------------------------------------------

const RUN = 5
const TABLE_HEADER = 18
const MAX_IDS = 20_000_000

/** The ids of an ID table in order, without a copy of those in runs. */
export class IdTable {
  readonly count: number
  /** First id and number of ids of each run. */
  private readonly runs: readonly (readonly [first: number, count: number])[]
  constructor(octets: Buffer) {
    const runs = wordAt(octets, 6)
    const read: [number, number][] = []
    let count = 0
    for (let n = 0; n < runs && count < MAX_IDS; n++) {
      const at = TABLE_HEADER + n * RUN
      const length = (octets[at] ?? 0) + 1
      read.push([longAt(octets, at + 1), length])
      count += length
    }
    this.runs = read.sort(([one], [other]) => one - other)
    this.count = count
  }
  has(id: number): boolean {
    let low = 0
    let high = this.runs.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const [first, count] = this.runs[middle] ?? [0, 0]
      if (id < first) high = middle - 1
      else if (id >= first + 4 * count) low = middle + 1
      else return (id - first) % 4 === 0
    }
    return false
  }
  *[Symbol.iterator](): Generator<number> {
    for (const [first, count] of this.runs) for (let n = 0; n < count; n++) yield first + 4 * n
  }
}

// --- $FILE --------------------------------------------------------------------------------------------

export const FILE_KIND = { file: 0, idTable: 10 } as const
const COMPRESSION: Readonly<Record<number, 'none' | 'huffman' | 'lz1'>> = { 0: 'none', 1: 'huffman', 2: 'lz1' }
/** Hosts whose objects are parts of embedded objects, not files that the sender attached. */
const EMBEDDED = { first: 5, last: 9 }
const HOST_MAC = 2

/** An attached file, as its item describes it. */
export interface NsfFile {
  readonly objectId: number
  /** The name by which rich text refers to the file. */
  readonly name: string
  /** Octets of the file. */
  readonly size: number
  readonly compression: 'none' | 'huffman' | 'lz1' | 'unknown'
  readonly host: number
  readonly flags: number
  readonly isEmbedded: boolean
  readonly isMac: boolean
  readonly created?: NotesTime
  readonly modified?: NotesTime
}

/** Kind and id of a value of type object; the kind shows whether it is a file. */
export const objectKind = (value: Buffer) => ({ kind: wordAt(value, 0), objectId: longAt(value, 2) })

/** The value of a `$FILE` item; undefined for one that is no file. */
export function readFile(value: Buffer): NsfFile | undefined {
  const { kind, objectId } = objectKind(value)
  if (kind !== FILE_KIND.file) return undefined
  const length = wordAt(value, 6)
  const host = wordAt(value, 8)
  const size = longAt(value, 16)
  const time = (at: number) => (at + 8 <= value.length ? readTime(value, at) : undefined)
  const [created, modified] = [time(20), time(28)]
  if (36 + length > value.length) throw new Damaged('the name of a file ends early')
  return {
    objectId,
    name: decodeLmbcs(value.subarray(36, 36 + length)),
    size,
    compression: COMPRESSION[wordAt(value, 10) & 0x0f] ?? 'unknown',
    host,
    flags: wordAt(value, 14),
    isEmbedded: host >> 8 >= EMBEDDED.first && host >> 8 <= EMBEDDED.last,
    isMac: host >> 8 === HOST_MAC,
    ...(created === undefined ? {} : { created }),
    ...(modified === undefined ? {} : { modified }),
  }
}

/** The plain octets of a file; throws `Damaged` when they cannot be had, at the latest when the size is wrong. */
export async function* fileOctets(source: Source, object: NsfObject, file: NsfFile): AsyncGenerator<Buffer> {
  if (file.compression === 'lz1' || file.compression === 'unknown')
    throw new Damaged(`its compression (${file.compression}) is not known: export it as DXL, or by IMAP`)
  const stored = digested(objectPieces(source, object), object)
  let written = 0
  for await (const piece of file.compression === 'huffman' ? expandHuffman(stored, file.size) : stored) {
    const left = file.size - written
    yield piece.length > left ? piece.subarray(0, left) : piece
    written += Math.min(left, piece.length)
  }
  if (written !== file.size) throw new Damaged(`it has ${written} octets instead of ${file.size}`)
}

/** Yields the stored pieces, and compares them with their digest at the end. */
async function* digested(pieces: AsyncIterable<Buffer>, { digest }: NsfObject): AsyncGenerator<Buffer> {
  if (digest === undefined) return yield* pieces
  const hash = createHash('sha1')
  for await (const piece of pieces) {
    hash.update(piece)
    yield piece
  }
  if (hash.digest('hex').toUpperCase() !== digest)
    throw new Damaged('its content is not in the file: it is kept in DAOS, or damaged; export it from the server')
}
