/**
 * A zip archive as its central directory has it (APPNOTE 6.3): what is in it, and what clamd could not open of it.
 *
 * What must stay true: every offset is checked against what is there; the time is linear in the octets.
 */

export type Trouble = 'encrypted' | 'unreadable' | 'oversize'

export interface Problem {
  readonly kind: Trouble
  /** For people. */
  readonly name: string
}

export interface ZipEntry {
  readonly method: number
  readonly data: Buffer
}

export interface Zip {
  readonly problems: readonly Problem[]
  readonly entries: readonly ZipEntry[]
}

const LOCAL = 0x04034b50
const CENTRAL = 0x02014b50
const END_64 = 0x06064b50
const LOCATOR_64 = 0x07064b50
const END_SIZE = 22
/** Octets of a comment behind it. */
const COMMENT = 65_535
/** Entries, as clamd has it by default (MaxFiles). */
const MOST = 10_000
/** Stored, imploded, deflated, deflate64, bzip2: what clamd undoes. */
const OPENED = new Set([0, 6, 8, 9, 12])

export const CUT_OFF: Problem = { kind: 'unreadable', name: 'Zip.Broken' }

/** Undefined for what is none. */
export function readZip(octets: Buffer): Zip | undefined {
  const begins = startsAsZip(octets)
  const directory = findDirectory(octets)
  if (directory === undefined) return begins ? { problems: [CUT_OFF], entries: [] } : undefined
  if (directory === 'spanned') return { problems: [{ kind: 'unreadable', name: 'Zip.Spanned' }], entries: [] }
  const problems = new Map<string, Problem>()
  const entries: ZipEntry[] = []
  const add = (problem: Problem) => problems.set(problem.name, problem)
  let at = directory.start
  for (let n = 0; n < directory.count; n++) {
    if (n >= MOST) add({ kind: 'oversize', name: 'Zip.Files' })
    const isThere = at + 46 <= octets.length && octets.readUInt32LE(at) === CENTRAL
    if (!isThere) add(CUT_OFF)
    if (!isThere || n >= MOST) break
    const entry = readEntry(octets, at, directory.before)
    if (entry === undefined) add(CUT_OFF)
    else if (entry.isEncrypted) add({ kind: 'encrypted', name: 'Zip.Encrypted' })
    else if (entry.isUnknown) add({ kind: 'unreadable', name: `Zip.Method-${entry.method}` })
    else entries.push(entry)
    at += 46 + octets.readUInt16LE(at + 28) + octets.readUInt16LE(at + 30) + octets.readUInt16LE(at + 32)
  }
  return { problems: [...problems.values()], entries }
}

function startsAsZip(octets: Buffer): boolean {
  if (octets.length < 4) return false
  const first = octets.readUInt32LE(0)
  // Of a spanned archive a marker comes first.
  return first === LOCAL || (octets.length >= 8 && first === 0x08074b50 && octets.readUInt32LE(4) === LOCAL)
}

interface Directory {
  readonly start: number
  readonly count: number
  /** Octets before the archive: of a program that opens it. */
  readonly before: number
}

function findDirectory(octets: Buffer): Directory | 'spanned' | undefined {
  const first = Math.max(0, octets.length - END_SIZE - COMMENT)
  for (let at = octets.lastIndexOf('PK\x05\x06', undefined, 'latin1'); at >= first; ) {
    const directory = at + END_SIZE <= octets.length ? directoryAt(octets, at) : undefined
    if (directory) return directory
    at = at === 0 ? -1 : octets.lastIndexOf('PK\x05\x06', at - 1, 'latin1')
  }
  return undefined
}

function directoryAt(octets: Buffer, end: number): Directory | 'spanned' | undefined {
  let count = octets.readUInt16LE(end + 10)
  let size = octets.readUInt32LE(end + 12)
  let offset = octets.readUInt32LE(end + 16)
  let behind = end
  const locator = end - 20
  if (locator >= 0 && octets.readUInt32LE(locator) === LOCATOR_64) {
    const at = Number(octets.readBigUInt64LE(locator + 8))
    if (at + 56 > octets.length || octets.readUInt32LE(at) !== END_64) return undefined
    count = Number(octets.readBigUInt64LE(at + 32))
    size = Number(octets.readBigUInt64LE(at + 40))
    offset = Number(octets.readBigUInt64LE(at + 48))
    behind = at
  } else if (octets.readUInt16LE(end + 4) !== 0 || octets.readUInt16LE(end + 6) !== 0) return 'spanned'
  const start = behind - size
  const before = start - offset
  if (start < 0 || before < 0) return undefined
  if (count > 0 && (start + 4 > octets.length || octets.readUInt32LE(start) !== CENTRAL)) return undefined
  return { start, count, before }
}

interface ReadEntry extends ZipEntry {
  readonly isEncrypted: boolean
  readonly isUnknown: boolean
}

/** By both of its headers: programs disagree about which counts. Undefined when it is not all there. */
function readEntry(octets: Buffer, central: number, before: number): ReadEntry | undefined {
  const { size, offset } = placeOf(octets, central)
  const local = before + offset
  if (local + 30 > octets.length || octets.readUInt32LE(local) !== LOCAL) return undefined
  const start = local + 30 + octets.readUInt16LE(local + 26) + octets.readUInt16LE(local + 28)
  if (start + size > octets.length) return undefined
  const methods = [octets.readUInt16LE(central + 10), octets.readUInt16LE(local + 8)] as const
  const unknown = methods.find((method) => !OPENED.has(method))
  return {
    isEncrypted: ((octets.readUInt16LE(central + 8) | octets.readUInt16LE(local + 6)) & 1) !== 0,
    isUnknown: unknown !== undefined,
    method: unknown ?? methods[0],
    data: octets.subarray(start, start + size),
  }
}

const LARGE = 0xffffffff

function placeOf(octets: Buffer, central: number): { readonly size: number; readonly offset: number } {
  let size = octets.readUInt32LE(central + 20)
  let offset = octets.readUInt32LE(central + 42)
  if (size !== LARGE && offset !== LARGE) return { size, offset }
  let at = central + 46 + octets.readUInt16LE(central + 28)
  const end = Math.min(octets.length, at + octets.readUInt16LE(central + 30))
  while (at + 4 <= end) {
    const next = at + 4 + octets.readUInt16LE(at + 2)
    if (octets.readUInt16LE(at) === 1) {
      // The values that did not fit, in this order: size, compressed size, offset.
      const first = at + 4 + (octets.readUInt32LE(central + 24) === LARGE ? 8 : 0)
      const second = first + (size === LARGE ? 8 : 0)
      if (size === LARGE) size = longAt(octets, first, end)
      if (offset === LARGE) offset = longAt(octets, second, end)
    }
    at = next
  }
  return { size, offset }
}

const longAt = (octets: Buffer, at: number, end: number): number =>
  at + 8 <= end ? Number(octets.readBigUInt64LE(at)) : Number.MAX_SAFE_INTEGER
