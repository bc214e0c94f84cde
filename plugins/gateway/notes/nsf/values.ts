/**
 * Values of items by their types. Each reader takes the value without its type word, and throws `Damaged` for a value
 * that ends early.
 */
import { longAt, wordAt } from './header.ts'
import { decodeLmbcs } from './lmbcs.ts'
import { Damaged } from './source.ts'

/** Types of items: the class in the high octet. */
export const TYPE = {
  richText: 0x0001,
  object: 0x0003,
  references: 0x0004,
  docLinks: 0x0007,
  signature: 0x0008,
  seal: 0x0009,
  sealData: 0x000a,
  html: 0x0015,
  mime: 0x0019,
  number: 0x0300,
  numbers: 0x0301,
  time: 0x0400,
  times: 0x0401,
  text: 0x0500,
  texts: 0x0501,
  rfc822: 0x0502,
  formula: 0x0600,
} as const

/** A moment, or a day without a time. */
export interface NotesTime {
  /** ms since 1970, UTC; of a day its midnight in UTC. */
  readonly at: number
  readonly isDay?: boolean
  /** Minutes east of UTC that Notes showed it in. */
  readonly offset?: number
}

const EPOCH = 2_440_588
const NO_TIME = 0xffffffff
const DAY = 86_400_000
/** Days from 1970 that a JavaScript date can hold, by far. */
const MAX_DAYS = 1_000_000

/** A TIMEDATE; undefined for one that is not set, or is a time of day without a day. */
export function readTime(octets: Buffer, at: number): NotesTime | undefined {
  const ticks = longAt(octets, at)
  const second = longAt(octets, at + 4)
  const days = (second & 0xffffff) - EPOCH
  if ((second & 0xffffff) === 0 || (second & 0xffffff) === 0xffffff || days > MAX_DAYS) return undefined
  if (ticks === NO_TIME) return { at: days * DAY, isDay: true }
  if (ticks > 8_640_000) return undefined
  const minutes = ((second >>> 24) & 0x0f) * 60 + ((second >>> 28) & 3) * 15
  const east = second & 0x40000000 ? minutes : -minutes
  return { at: days * DAY + ticks * 10, offset: second & 0x80000000 ? east + 60 : east }
}

const MAX_ENTRIES = 65_536

export function readTexts(value: Buffer): string[] {
  const count = wordAt(value, 0)
  const texts: string[] = []
  for (let n = 0, at = 2 + 2 * count; n < count; n++) {
    const length = wordAt(value, 2 + 2 * n)
    if (at + length > value.length) throw new Damaged('a list of texts ends early')
    texts.push(decodeLmbcs(value.subarray(at, at + length)))
    at += length
  }
  return texts
}

function range<T>(value: Buffer, size: number, read: (at: number) => T): T[] {
  const singles = wordAt(value, 0)
  const pairs = wordAt(value, 2)
  const found: T[] = []
  for (let n = 0; n < singles + 2 * pairs && n < MAX_ENTRIES; n++) found.push(read(4 + n * size))
  return found
}

export function readTimes(value: Buffer): NotesTime[] {
  return range(value, 8, (at) => readTime(value, at)).filter((time) => time !== undefined)
}

export function readNumber(value: Buffer, at = 0): number {
  if (at + 8 > value.length) throw new Damaged('a number ends early')
  return value.readDoubleLE(at)
}

export const readNumbers = (value: Buffer) => range(value, 8, (at) => readNumber(value, at))

/** UNIDs that `$REF` names. */
export function readReferences(value: Buffer): string[] {
  const count = wordAt(value, 0)
  const found: string[] = []
  for (let n = 0; n < count && n < MAX_ENTRIES; n++) found.push(unidAt(value, 2 + 16 * n))
  return found
}

/** A UNID as it is printed: its four double words, each pair in turned order. */
export function unidAt(octets: Buffer, at: number): string {
  return [4, 0, 12, 8]
    .map((n) =>
      longAt(octets, at + n)
        .toString(16)
        .toUpperCase()
        .padStart(8, '0'),
    )
    .join('')
}

export interface DocLink {
  /** Replica id of the database. */
  readonly database: string
  readonly view: string
  readonly document: string
}

/** `$Links`: WORD count, then the database, the view and the document of each. */
export function readDocLinks(value: Buffer): DocLink[] {
  const count = wordAt(value, 0)
  const links: DocLink[] = []
  for (let n = 0; n < count && 2 + (n + 1) * 40 <= value.length; n++) {
    const at = 2 + n * 40
    const database = [4, 0]
      .map((m) =>
        longAt(value, at + m)
          .toString(16)
          .toUpperCase()
          .padStart(8, '0'),
      )
      .join('')
    links.push({ database, view: unidAt(value, at + 8), document: unidAt(value, at + 24) })
  }
  return links
}
