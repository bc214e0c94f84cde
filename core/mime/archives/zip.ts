/**
 * The central directory of a zip archive (APPNOTE 6.3): its entries, and those that clamd cannot open.
 *
 * Invariants: every offset is checked against the data; time is linear in the octets.
 */

export type ZipProblem = 'encrypted' | 'unreadable' | 'oversize'

export interface Problem {
  readonly kind: ZipProblem
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
const CENTRAL_SIZE = 46
/** Maximum octets of the archive comment. */
const COMMENT = 65_535
/** Maximum entries, as in clamd by default (MaxFiles). */
const MOST = 10_000
/** Stored, imploded, deflated, deflate64, bzip2: the methods that clamd supports. */
const OPENED = new Set([0, 6, 8, 9, 12])
/** All methods of APPNOTE. */
const METHODS = new Set([0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 14, 16, 18, 19, 20, 93, 94, 95, 96, 97, 98, 99])

const CUT_OFF: Problem = { kind: 'unreadable', name: 'Zip.Broken' }

/** Undefined when it is not a zip archive. */
export function readZip(octets: Buffer): Zip | undefined {
  const problems = new Map<string, Problem>()
  const add = (problem: Problem) => problems.set(problem.name, problem)
  for (const problem of namedAnywhere(octets)) add(problem)
  const directory = findDirectory(octets)
  if (directory === undefined && startsAsZip(octets)) add(CUT_OFF)
  if (directory === 'spanned') add({ kind: 'unreadable', name: 'Zip.Spanned' })
  const entries = typeof directory === 'object' ? entriesOf(octets, directory, add) : []
  return problems.size > 0 || entries.length > 0 ? { problems: [...problems.values()], entries } : undefined
}

function entriesOf(octets: Buffer, { start, count, before }: Directory, add: (problem: Problem) => void): ZipEntry[] {
  const entries: ZipEntry[] = []
  let at = start
  for (let n = 0; ; n++) {
    const isThere = at + CENTRAL_SIZE <= octets.length && octets.readUInt32LE(at) === CENTRAL
    if (!isThere && n < count) add(CUT_OFF)
    if (isThere && n >= MOST) add({ kind: 'oversize', name: 'Zip.Files' })
    // Programs ignore the declared number of entries.
    if (!isThere || n >= MOST) return entries
    const entry = readEntry(octets, at, before)
    if (entry === undefined) add(CUT_OFF)
    else if (!entry.isClosed) entries.push(entry)
    for (const problem of problemsAt(octets, at)) add(problem)
    // clamd skips entries whose size is stored elsewhere.
    if (entry && octets.readUInt32LE(entry.local + 18) === LARGE) add({ kind: 'unreadable', name: 'Zip.Zip64' })
    if (entry) for (const problem of problemsAt(octets, entry.local, LOCAL_FIELDS)) add(problem)
    at += CENTRAL_SIZE + octets.readUInt16LE(at + 28) + octets.readUInt16LE(at + 30) + octets.readUInt16LE(at + 32)
  }
}

/** Offset of flags and method. */
const CENTRAL_FIELDS = 8
const LOCAL_FIELDS = 6

function* problemsAt(octets: Buffer, header: number, fields = CENTRAL_FIELDS): Generator<Problem> {
  const method = octets.readUInt16LE(header + fields + 2)
  if ((octets.readUInt16LE(header + fields) & 1) !== 0) yield { kind: 'encrypted', name: 'Zip.Encrypted' }
  else if (!OPENED.has(method)) yield { kind: 'unreadable', name: `Zip.Method-${method}` }
}

/**
 * Entries of any embedded archive: programs disagree about which of several is valid, and containers store archives
 * unchanged.
 */
function* namedAnywhere(octets: Buffer): Generator<Problem> {
  for (
    let at = octets.indexOf('PK\x01\x02', 0, 'latin1');
    at >= 0;
    at = octets.indexOf('PK\x01\x02', at + 4, 'latin1')
  ) {
    if (at + CENTRAL_SIZE >= octets.length) return
    const version = octets.readUInt16LE(at + 6) & 0xff
    const name = octets.readUInt16LE(at + 28)
    // Rules out coincidental octets.
    const isLikely = version <= 63 && name > 0 && name < 1000 && METHODS.has(octets.readUInt16LE(at + 10))
    if (isLikely && octets.readUInt16LE(at + 34) === 0) yield* problemsAt(octets, at)
  }
}

function startsAsZip(octets: Buffer): boolean {
  if (octets.length < 4) return false
  const first = octets.readUInt32LE(0)
  // A spanned archive begins with a marker.
  return first === LOCAL || (octets.length >= 8 && first === 0x08074b50 && octets.readUInt32LE(4) === LOCAL)
}

interface Directory {
  readonly start: number
  readonly count: number
  /** Octets before the archive, of a self-extracting program. */
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
  /** Offset of its local header. */
  readonly local: number
  /** Encrypted, or an unknown method. */
  readonly isClosed: boolean
}

/** Undefined when it is incomplete. */
function readEntry(octets: Buffer, central: number, before: number): ReadEntry | undefined {
  const { size, offset } = placeOf(octets, central)
  const local = before + offset
  if (local + 30 > octets.length || octets.readUInt32LE(local) !== LOCAL) return undefined
  const start = local + 30 + octets.readUInt16LE(local + 26) + octets.readUInt16LE(local + 28)
  if (start + size > octets.length) return undefined
  const problems = [...problemsAt(octets, central), ...problemsAt(octets, local, LOCAL_FIELDS)]
  const method = octets.readUInt16LE(central + 10)
  return { local, isClosed: problems.length > 0, method, data: octets.subarray(start, start + size) }
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
      // The values that did not fit, in order: size, compressed size, offset.
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
