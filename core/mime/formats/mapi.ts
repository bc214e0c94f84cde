/**
 * MAPI properties as a TNEF stream has them (MS-OXTNEF section 2.1.3.4).
 *
 * Invariants: every length is checked against what is there; numbers of properties and values have a bound; a fault
 * keeps the properties read before it.
 */

/** Code pages of Windows by their WHATWG labels; others are read as Windows-1252. */
const CODE_PAGES: Readonly<Record<number, string>> = {
  866: 'ibm866',
  874: 'windows-874',
  932: 'shift_jis',
  936: 'gbk',
  949: 'euc-kr',
  950: 'big5',
  10000: 'macintosh',
  20866: 'koi8-r',
  20932: 'euc-jp',
  21866: 'koi8-u',
  50220: 'iso-2022-jp',
  51932: 'euc-jp',
  51949: 'euc-kr',
  54936: 'gb18030',
  65001: 'utf-8',
}

export function codePageText(octets: Uint8Array, codePage: number): string {
  const iso = codePage > 28590 && codePage < 28607 ? `iso-8859-${codePage - 28590}` : undefined
  const windows = codePage >= 1250 && codePage <= 1258 ? `windows-${codePage}` : undefined
  const label = CODE_PAGES[codePage] ?? windows ?? iso ?? 'windows-1252'
  try {
    return new TextDecoder(label).decode(octets)
  } catch {
    return new TextDecoder('windows-1252').decode(octets)
  }
}

export interface MapiProperty {
  /** Below 0x8000. A named property has `named`. */
  readonly id: number
  readonly named?: { readonly guid: string; readonly id: number | string }
  readonly type: number
  /** As stored, without padding. */
  readonly values: readonly Buffer[]
}

const SIZES: Readonly<Record<number, number>> = {
  0: 0,
  1: 0,
  2: 2,
  3: 4,
  4: 4,
  5: 8,
  6: 8,
  7: 8,
  10: 4,
  11: 2,
  20: 8,
  64: 8,
  72: 16,
}
const TEXT_8 = 0x1e
const TEXT_16 = 0x1f
export const BINARY = 0x102
const OBJECT = 0x0d
const VARIABLE = new Set([TEXT_8, TEXT_16, BINARY, OBJECT])
const MULTIPLE = 0x1000
const GUID = 16
/** Properties of one list, and values of one property. */
const MAX_COUNT = 10_000

class Cursor {
  readonly #octets: Buffer
  at: number

  constructor(octets: Buffer, at = 0) {
    this.#octets = octets
    this.at = at
  }

  number(): number {
    this.at += 4
    if (this.at > this.#octets.length) throw new RangeError('a property that is cut off')
    return this.#octets.readUInt32LE(this.at - 4)
  }

  take(length: number): Buffer {
    if (this.at + length > this.#octets.length) throw new RangeError('a property that is cut off')
    const value = this.#octets.subarray(this.at, this.at + length)
    this.at += length + ((4 - (length % 4)) % 4)
    return value
  }
}

function nameAt(cursor: Cursor): NonNullable<MapiProperty['named']> {
  const guid = cursor.take(GUID).toString('hex')
  if (cursor.number() === 0) return { guid, id: cursor.number() }
  return { guid, id: cursor.take(cursor.number()).toString('utf16le').split('\0', 1)[0] ?? '' }
}

function propertyAt(cursor: Cursor): MapiProperty {
  const tag = cursor.number()
  const type = tag & 0xfff
  const id = tag >>> 16
  const named = id >= 0x8000 ? nameAt(cursor) : undefined
  const isMultiple = (tag & MULTIPLE) !== 0
  const count = isMultiple || VARIABLE.has(type) ? cursor.number() : 1
  if (count > MAX_COUNT) throw new RangeError(`more than ${MAX_COUNT} values`)
  const values: Buffer[] = []
  for (let n = 0; n < count; n++) {
    const size = VARIABLE.has(type) ? cursor.number() : SIZES[type]
    if (size === undefined) throw new RangeError(`a property of type ${type}`)
    values.push(cursor.take(size))
  }
  return { id, type, values, ...(named ? { named } : {}) }
}

/** Properties until the end of the list, or the first that cannot be read, which `problem` names. */
export function readProperties(
  octets: Buffer,
  at = 0,
): { readonly list: readonly MapiProperty[]; readonly end: number; readonly problem?: string } {
  const cursor = new Cursor(octets, at)
  const list: MapiProperty[] = []
  try {
    const count = cursor.number()
    if (count > MAX_COUNT) throw new RangeError(`more than ${MAX_COUNT} properties`)
    for (let n = 0; n < count; n++) list.push(propertyAt(cursor))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { list, end: cursor.at, problem: error.message }
  }
  return { list, end: cursor.at }
}

/** Lists of properties of recipients, each as `readProperties` has it. */
export function readRows(octets: Buffer): readonly (readonly MapiProperty[])[] {
  const rows: (readonly MapiProperty[])[] = []
  const count = octets.length < 4 ? 0 : Math.min(octets.readUInt32LE(0), MAX_COUNT)
  let at = 4
  for (let n = 0; n < count; n++) {
    const { list, end, problem } = readProperties(octets, at)
    rows.push(list)
    if (problem !== undefined) break
    at = end
  }
  return rows
}

/** Values by id, read as what they are. */
export class Properties {
  readonly list: readonly MapiProperty[]
  readonly #codePage: number
  readonly #byId: ReadonlyMap<number, MapiProperty>

  constructor(list: readonly MapiProperty[], codePage: number) {
    this.list = list
    this.#codePage = codePage
    this.#byId = new Map(list.filter(({ named }) => !named).map((one) => [one.id, one]))
  }

  /** A string, without the zero at its end; undefined for an empty one. */
  text(id: number): string | undefined {
    const found = this.#byId.get(id)
    const [value] = found?.values ?? []
    if (!found || !value) return undefined
    const text =
      found.type === TEXT_16
        ? value.toString('utf16le')
        : found.type === TEXT_8
          ? codePageText(value, this.#codePage)
          : ''
    const end = text.indexOf('\0')
    return (end < 0 ? text : text.slice(0, end)) || undefined
  }

  binary(id: number): Buffer | undefined {
    const found = this.#byId.get(id)
    return found && (found.type === BINARY || found.type === OBJECT) ? found.values[0] : undefined
  }

  number(id: number): number | undefined {
    const found = this.#byId.get(id)
    const [value] = found?.values ?? []
    if (found?.type === 3 && value) return value.readInt32LE(0)
    return found?.type === 11 && value ? value.readUInt16LE(0) : undefined
  }

  date(id: number): Date | undefined {
    return dateOf(this.#byId.get(id))
  }

  /** The date of a named property. */
  namedDate(guid: string, id: number | string): Date | undefined {
    return dateOf(this.list.find(({ named }) => named?.guid === guid && named.id === id))
  }

  namedText(guid: string, id: number | string): string | undefined {
    const found = this.list.find(({ named }) => named?.guid === guid && named.id === id)
    return found && new Properties([{ ...found, id: 1, named: undefined as never }], this.#codePage).text(1)
  }

  /** Whether an id is that of an object. */
  isObject(id: number): boolean {
    return this.#byId.get(id)?.type === OBJECT
  }
}

/** From 1601 in units of 100 ns. */
const EPOCH_MS = 11_644_473_600_000

function dateOf(property: MapiProperty | undefined): Date | undefined {
  const [value] = property?.values ?? []
  if (property?.type !== 64 || value?.length !== 8) return undefined
  const date = new Date(Number(value.readBigUInt64LE(0) / 10_000n) - EPOCH_MS)
  return date.getTime() > -EPOCH_MS && date.getUTCFullYear() < 10_000 ? date : undefined
}
