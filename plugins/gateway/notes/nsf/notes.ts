/**
 * A note and its items, from the record that an RRV entry leads to and from where the values lie that no view shows.
 *
 * Invariants: a damaged note yields its readable items, and lists the others in its problems; the values of one note
 * have a stated limit.
 */
import type { Buckets } from './buckets.ts'
import { longAt, wordAt } from './header.ts'
import { decodeLmbcs } from './lmbcs.ts'
import { Damaged, type Source } from './source.ts'
import type { ItemName, RrvEntry } from './tables.ts'
import { type NotesTime, readNumber, readNumbers, readTexts, readTime, readTimes, TYPE, unidAt } from './values.ts'

const NOTE = { mark: 4, header: 100, stub: 64 }
const DATA = { mark: 0x10, header: 68 }
/** Octets of the values of one note; attachments are not among them. */
const MAX_DATA = 64 * 1024 * 1024

export const STATUS = { stub: 1, ghost: 0x40, inline: 0x2000 } as const
export const CLASS = { document: 1, form: 4, view: 8, acl: 0x40 } as const
const FLAG = { summary: 4, named: 8 }

export interface NsfItem {
  readonly name: string
  readonly type: number
  readonly flags: number
  /** Without its type word. */
  readonly value: Buffer
}

export interface NsfNote {
  readonly id: number
  readonly unid: string
  readonly class: number
  readonly status: number
  readonly isStub: boolean
  /** Hidden from views, as profile documents are. */
  readonly isGhost: boolean
  readonly modified?: NotesTime
  readonly added?: NotesTime
  /** Note id of the document that this one answers; 0 for none. */
  readonly parent: number
  readonly responses: number
  /** Items that the note has, those that cannot be read included. */
  readonly itemCount: number
  readonly items: readonly NsfItem[]
  readonly problems: readonly string[]
}

interface NoteDeps {
  readonly source: Source
  readonly buckets: Buckets
  readonly names: readonly ItemName[]
}

/** The note of an entry; undefined when the entry is an object's. */
export async function readNote(deps: NoteDeps, { id, place }: RrvEntry): Promise<NsfNote | undefined> {
  const octets = await record(deps, place)
  if (!octets || octets.length < NOTE.stub || octets.readUInt16LE(0) !== NOTE.mark) return undefined
  const size = octets.readUInt32LE(2)
  const own = octets.readUInt32LE(6)
  if (own !== id) throw new Damaged(`note ${id.toString(16)} calls itself ${own.toString(16)}`)
  const status = octets.readUInt16LE(38)
  const isStub = (status & STATUS.stub) !== 0
  const problems: string[] = []
  if (size !== octets.length) problems.push(`its length is ${octets.length} instead of ${size}`)
  const time = (at: number) => (at + 8 <= octets.length ? readTime(octets, at) : undefined)
  const modified = time(42)
  const note = {
    id,
    unid: unidAt(octets, 10),
    class: octets.readUInt16LE(40),
    status,
    isStub,
    isGhost: (status & STATUS.ghost) !== 0,
    ...(modified === undefined ? {} : { modified }),
  }
  if (isStub || octets.length < NOTE.header)
    return { ...note, parent: 0, responses: 0, itemCount: 0, items: [], problems }
  const added = time(72)
  const count = octets.readUInt16LE(50)
  return {
    ...note,
    ...(added === undefined ? {} : { added }),
    parent: octets.readUInt32LE(80),
    responses: octets.readUInt16LE(54),
    itemCount: count,
    items: await readItems(deps, octets, { count, status }, problems),
    problems,
  }
}

async function record({ source, buckets }: NoteDeps, place: RrvEntry['place']): Promise<Buffer | undefined> {
  // The first bucket is number 1.
  if ('bucket' in place) return buckets.slot(place.kind, place.bucket - 1, place.slot)
  const head = await source.read(place.position, 6)
  if (head.readUInt16LE(0) !== NOTE.mark) return undefined
  const size = head.readUInt32LE(2)
  if (size > MAX_DATA) throw new Damaged('a note has an impossible size')
  return source.read(place.position, size)
}

/** An item as the table at the head of the note has it. */
interface Listed {
  readonly name: ItemName | undefined
  readonly flags: number
  readonly length: number
}

async function readItems(
  deps: NoteDeps,
  octets: Buffer,
  { count, status }: { readonly count: number; readonly status: number },
  problems: string[],
): Promise<NsfItem[]> {
  const listed: Listed[] = []
  for (let n = 0; n < count && NOTE.header + (n + 1) * 8 <= octets.length; n++) {
    const at = NOTE.header + n * 8
    const name = deps.names[octets.readUInt16LE(at)]
    listed.push({ name, flags: octets.readUInt16LE(at + 2), length: octets.readUInt16LE(at + 4) })
  }
  if (listed.length < count) problems.push(`it lists ${listed.length} of ${count} items`)
  const summary = octets.subarray(NOTE.header + count * 8)
  const needed = listed.reduce((sum, { flags, length }) => sum + (flags & FLAG.summary ? 0 : length), 0)
  const more =
    needed === 0
      ? Buffer.alloc(0)
      : await otherData(deps, octets, status).catch((error: unknown) => {
          if (!(error instanceof Damaged)) throw error
          problems.push(error.message)
          return Buffer.alloc(0)
        })
  const at = { summary: 0, more: 0 }
  const items: NsfItem[] = []
  for (const { name, flags, length } of listed) {
    const where = flags & FLAG.summary ? 'summary' : 'more'
    const from = where === 'summary' ? summary : more
    const value = from.subarray(at[where], at[where] + length)
    at[where] += length
    if (!name || value.length < length) {
      problems.push(name ? `its item ${name.name} ends early` : 'an item has no name')
      continue
    }
    const isTyped = (flags & FLAG.named) === 0
    if (isTyped && length < 2) {
      if (length > 0) problems.push(`its item ${name.name} has no type`)
      continue
    }
    items.push({
      name: name.name,
      type: isTyped ? value.readUInt16LE(0) : name.type,
      flags,
      value: isTyped ? value.subarray(2) : value,
    })
  }
  return items
}

/** The values of items that are no summary items. */
async function otherData({ source, buckets }: NoteDeps, octets: Buffer, status: number): Promise<Buffer> {
  const id = octets.readUInt32LE(56)
  const size = octets.readUInt32LE(60)
  if (status & STATUS.inline) return octets.subarray(id)
  if (id >= 0x80000000) {
    const data = await buckets.slot('other', (id & 0xffffff) - 1, (id >>> 24) & 0x7f)
    return checked(data)
  }
  if (size > MAX_DATA) throw new Damaged('its values have an impossible size')
  return checked(await source.read(id * 256, size))
}

function checked(data: Buffer): Buffer {
  if (data.length < DATA.header || data.readUInt16LE(0) !== DATA.mark) throw new Damaged('its values are not in place')
  return data.subarray(DATA.header)
}

// --- values by name ---------------------------------------------------------------------------------

/** The texts of an item, whatever its type; none for types without text. */
export function textsOf(item: NsfItem): string[] {
  switch (item.type) {
    case TYPE.text:
      return [decodeLmbcs(item.value)]
    case TYPE.texts:
      return readTexts(item.value)
    case TYPE.number:
      return [String(readNumber(item.value))]
    case TYPE.numbers:
      return readNumbers(item.value).map(String)
    case TYPE.rfc822:
      return [readRfc822(item.value)]
    default:
      return []
  }
}

export function timesOf(item: NsfItem): NotesTime[] {
  if (item.type === TYPE.time) return [readTime(item.value, 0)].filter((time) => time !== undefined)
  return item.type === TYPE.times ? readTimes(item.value) : []
}

/** A header field of a MIME message: version, flags, then lengths, the name and the body. */
function readRfc822(value: Buffer): string {
  longAt(value, 0)
  wordAt(value, 4)
  return value.toString('latin1')
}
