/**
 * Detects archives that clamd cannot scan: encrypted, truncated, multi-volume, or of an unsupported format or
 * compression. clamd ignores these or reports `OK`.
 *
 * Invariants: nothing is declared harmless here, only unscannable; levels, octets and files are limited, and exceeding
 * a limit is a problem of its own.
 */
import { promisify } from 'node:util'
import { constants, gunzip, inflateRaw, inflateRawSync } from 'node:zlib'
import { isRar, readRar } from './rar.ts'
import { readSevenZip, SEVEN_ZIP } from './seven-zip.ts'
import { filesInTar, isTar } from './tar.ts'
import { type Problem, readZip, type Zip } from './zip.ts'

export type { Problem } from './zip.ts'

/** The remaining limits of one message. */
export interface Budget {
  /** Octets of decompressed inner archives. */
  octets: number
}

/** Maximum nesting of archives. */
const LEVELS = 8
/** Compressed octets that identify a deflated file: its code tables and the following data. */
const HEAD = 1024
/** Files between two yields. */
const TURN = 200

const TOO_MUCH: Problem = { kind: 'oversize', name: 'Archive.TooLarge' }
const broken = (kind: string): Problem => ({ kind: 'unreadable', name: `${kind}.Broken` })

/** The caller finds out whether clamd opens RAR: `Rar` is the name of that problem. */
export const RAR: Problem = { kind: 'unreadable', name: 'Rar' }

/** The problems that keep clamd from scanning everything, each once. */
export async function problemsOf(octets: Buffer, budget: Budget): Promise<readonly Problem[]> {
  const found = new Map<string, Problem>()
  for await (const problem of eachProblem(octets, budget, 0)) found.set(problem.name, problem)
  return [...found.values()]
}

async function* eachProblem(octets: Buffer, budget: Budget, level: number): AsyncGenerator<Problem> {
  if (level > LEVELS) {
    yield TOO_MUCH
    return
  }
  const unknown = UNOPENED.find(([, at, start]) => octets.subarray(at, at + start.length).equals(start))
  if (unknown) yield { kind: 'unreadable', name: unknown[0] }
  else if (isRar(octets)) yield readRar(octets) ?? RAR
  else if (startsWith(octets, GZIP)) yield* inGzip(octets, budget, level)
  else if (startsWith(octets, SEVEN_ZIP)) yield* some(readSevenZip(octets))
  else if (startsWith(octets, XZ)) yield* endsAsXz(octets) ? [] : [broken('Xz')]
  else if (/^BZh[1-9]1AY&SY/.test(octets.toString('latin1', 0, 10))) yield* endsAsBzip(octets) ? [] : [broken('Bzip2')]
  else if (startsWith(octets, CAB)) yield* isWholeCab(octets) ? [] : [broken('Cab')]
  else {
    const zip = readZip(octets)
    if (zip) yield* inZip(zip, budget, level)
    if (isTar(octets)) yield* inTar(octets, budget, level)
    if (startsWith(octets, OLE) && octets.includes(ENCRYPTED_PACKAGE)) yield OFFICE
    if (PROGRAMS.some((start) => startsWith(octets, start))) yield* behindProgram(octets)
  }
}

/** Maximum possible starts of an archive inside a program, whose code can contain the same octets. */
const BEGINNINGS = 20

/** A self-extracting archive: its signature may be coincidence, an encrypted entry is not. */
function* behindProgram(octets: Buffer): Generator<Problem> {
  for (const [start, read] of [
    [RAR_ANY, readRar],
    [SEVEN_ZIP, readSevenZip],
  ] as const) {
    let at = octets.indexOf(start)
    for (let n = 0; n < BEGINNINGS && at >= 0; n++) {
      const problem = read(octets.subarray(at))
      if (problem?.kind === 'encrypted') yield problem
      at = octets.indexOf(start, at + start.length)
    }
  }
}

const some = (problem: Problem | undefined): readonly Problem[] => (problem ? [problem] : [])

// --- kinds -----------------------------------------------------------------------------------

const startsWith = (octets: Buffer, start: Buffer) => octets.subarray(0, start.length).equals(start)
const latin1 = (text: string) => Buffer.from(text, 'latin1')

const GZIP = latin1('\x1f\x8b\x08')
const XZ = latin1('\xfd7zXZ\0')
const PROGRAMS = [latin1('MZ'), latin1('\x7fELF')]
const RAR_ANY = latin1('Rar!\x1a\x07')
const CAB = latin1('MSCF\0\0\0\0')
const OLE = latin1('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1')
const ENCRYPTED_PACKAGE = Buffer.from('EncryptedPackage', 'utf16le')
const OFFICE: Problem = { kind: 'encrypted', name: 'Office.Encrypted' }

/** Formats that clamd 1.4 does not open, with their signatures. */
const UNOPENED: readonly [name: string, at: number, start: Buffer][] = [
  ['Zstandard', 0, latin1('\x28\xb5\x2f\xfd')],
  ['Lz4', 0, latin1('\x04\x22\x4d\x18')],
  ['Lzip', 0, latin1('LZIP\x01')],
  ['Lzop', 0, latin1('\x89LZO\0\r\n')],
  ['Lrzip', 0, latin1('LRZI\0')],
  ['Lzma', 0, latin1('\x5d\0\0')],
  ['Compress', 0, latin1('\x1f\x9d')],
  ['Ace', 7, latin1('**ACE**')],
  ['Wim', 0, latin1('MSWIM\0\0\0')],
  ['Vhdx', 0, latin1('vhdxfile')],
  ['Vhd', 0, latin1('conectix')],
  ['Rpm', 0, latin1('\xed\xab\xee\xdb')],
  ['Ar', 0, latin1('!<arch>\n')],
  ['Zpaq', 0, latin1('7kSt')],
  ['Zpaq', 0, latin1('zPQ\x01')],
  ['Zpaq', 0, latin1('zPQ\x02')],
  ['Squashfs', 0, latin1('hsqs')],
  ['Zoo', 20, latin1('\xdc\xa7\xc4\xfd')],
  ['StuffIt', 0, latin1('StuffIt ')],
  ['StuffIt', 10, latin1('rLau')],
  ['FreeArc', 0, latin1('ArC\x01')],
]

// --- zip and gzip: their contents are examined too ---

async function* inZip({ problems, entries }: Zip, budget: Budget, level: number): AsyncGenerator<Problem> {
  yield* problems
  let count = 0
  for (const { method, data } of entries) {
    if (++count % TURN === 0) await new Promise(setImmediate)
    if ((method !== 0 && method !== 8) || !isArchive(method === 0 ? data : headOf(data))) continue
    const inner = method === 0 ? data : await decompressed(inflated, data, budget)
    if (Buffer.isBuffer(inner)) yield* eachProblem(inner, budget, level + 1)
    else yield inner === 'too much' ? TOO_MUCH : broken('Zip')
  }
}

async function* inTar(octets: Buffer, budget: Budget, level: number): AsyncGenerator<Problem> {
  let count = 0
  for (const file of filesInTar(octets)) {
    if (++count % TURN === 0) await new Promise(setImmediate)
    if (file === 'cut off') yield broken('Tar')
    else if (isArchive(file.octets)) yield* eachProblem(file.octets, budget, level + 1)
  }
}

async function* inGzip(octets: Buffer, budget: Budget, level: number): AsyncGenerator<Problem> {
  const inner = await decompressed(unzipped, octets, budget)
  if (Buffer.isBuffer(inner)) yield* eachProblem(inner, budget, level + 1)
  else yield inner === 'too much' ? TOO_MUCH : broken('Gzip')
}

type Decompress = (octets: Buffer, options: { readonly maxOutputLength: number }) => Promise<Buffer>
const inflated: Decompress = promisify(inflateRaw)
const unzipped: Decompress = promisify(gunzip)

async function decompressed(by: Decompress, data: Buffer, budget: Budget): Promise<Buffer | 'too much' | 'broken'> {
  if (budget.octets <= 0) return 'too much'
  try {
    const inner = await by(data, { maxOutputLength: budget.octets })
    budget.octets -= inner.length
    return inner
  } catch (cause) {
    const isLarge = cause instanceof RangeError
    if (isLarge) budget.octets = 0
    return isLarge ? 'too much' : 'broken'
  }
}

/** The first deflated octets. */
function headOf(data: Buffer): Buffer {
  try {
    return inflateRawSync(data.subarray(0, HEAD), { finishFlush: constants.Z_SYNC_FLUSH })
  } catch {
    return Buffer.alloc(0)
  }
}

function isArchive(head: Buffer): boolean {
  const known = [GZIP, SEVEN_ZIP, XZ, CAB, OLE, latin1('PK\x03\x04'), latin1('PK\x07\x08'), latin1('BZh')]
  return (
    known.some((start) => startsWith(head, start)) ||
    isRar(head) ||
    isTar(head) ||
    UNOPENED.some(([, at, start]) => head.subarray(at, at + start.length).equals(start))
  )
}

// --- formats that are only examined from outside ---

/** Zeros may be padding. */
function endsAsXz(octets: Buffer): boolean {
  let end = octets.length
  while (end > 0 && octets[end - 1] === 0) end--
  return octets.toString('latin1', end - 2, end) === 'YZ'
}

/** Octets after the last stream that may be padding. */
const BEHIND = 64

/** The mark of the last block is not aligned to an octet. */
function endsAsBzip(octets: Buffer): boolean {
  let bits = 0n
  for (const octet of octets.subarray(-BEHIND)) {
    bits = ((bits << 8n) | BigInt(octet)) & 0xff_ff_ff_ff_ff_ff_ffn
    for (let shift = 0n; shift < 8n; shift++)
      if (((bits >> shift) & 0xff_ff_ff_ff_ff_ffn) === 0x17_72_45_38_50_90n) return true
  }
  return false
}

const isWholeCab = (octets: Buffer) => octets.length >= 12 && octets.readUInt32LE(8) <= octets.length
