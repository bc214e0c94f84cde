/**
 * The files of a message as mail programs show them, decoded by the parser that also serves IMAP and web mail,
 * including files in S/MIME signatures and `winmail.dat`.
 *
 * clamd's own parser gets the original message; where the two differ, both readings are scanned. Invariants: a file is
 * extracted completely or its message is not clean; files, levels and octets are limited; memory holds one file at a
 * time.
 */
import type { ByteRange } from 'iems'
import {
  type ArchiveBudget,
  type ArchiveProblem,
  archiveProblems,
  binariesOf,
  createSources,
  decodeWrapped,
  eachPart,
  findWrapped,
  gather,
  isApple,
  isTnef,
  joinYencParts,
  MAX_WRAPPED,
  type MimePart,
  partBody,
  readApple,
  readFields,
  readStructure,
  readTnef,
  type WrappedFile,
} from 'iems/mime'
import { namesFragment } from '../extraction/fields.ts'
import { Unscannable } from '../extraction/missed.ts'
import { readCms } from './cms.ts'
import { isAmbiguous, lastCounts } from './last.ts'

export interface Source {
  readonly size: number
  open(range?: ByteRange): AsyncIterable<Uint8Array>
}

export interface ShownLimits {
  /** Maximum number of files. */
  readonly parts: number
  /** Maximum octets of one file, and of a message. */
  readonly maxSize: number
}

/** Maximum nesting of signed messages and files. */
const LEVELS = 10
/** Maximum octets of a parsed header; the rest could say anything. */
const HEADER = 262_144
/** Maximum total size of all files, in multiples of the largest message. */
const TIMES = 3

type Readable = Pick<Source, 'open'>

interface Way {
  readonly limits: ShownLimits
  readonly report: (problem: ArchiveProblem) => void
  readonly budget: ArchiveBudget
  files: number
  /** Remaining octets for all files. */
  octets: number
}

export interface ShownDeps {
  readonly limits: ShownLimits
  /** Reports a problem that keeps clamd from scanning a file. */
  readonly report: (problem: ArchiveProblem) => void
}

const wayOf = ({ limits, report }: ShownDeps): Way => ({
  limits,
  report,
  budget: { octets: TIMES * limits.maxSize },
  files: 0,
  octets: TIMES * limits.maxSize,
})

/** The files of a message; none when clamd's reading cannot differ. Throws `Unscannable`. */
export async function* filesShown(message: Source, parts: ShownDeps): AsyncGenerator<Buffer> {
  yield* inMessage(message, wayOf(parts), 0)
}

/** A file and the files inside it. */
export async function* filesOf(file: Source, parts: ShownDeps): AsyncGenerator<Buffer> {
  yield* inFile(await gather(file.open(), parts.limits.maxSize), wayOf(parts), 0)
}

/** Which of duplicate fields is used. */
type Reading = 'first' | 'last'

async function* inMessage(
  message: Source,
  way: Way,
  level: number,
  reading: Reading = 'first',
): AsyncGenerator<Buffer> {
  if (level > LEVELS) throw new Unscannable(`more than ${LEVELS} messages within files`)
  const open = (range?: ByteRange) => (reading === 'last' ? lastCounts(message.open(range)) : message.open(range))
  const structure = await readStructure(open, message.size)
  const sourceOf = createSources(message)
  let hasOther = false
  for (const part of eachPart(structure)) {
    const source = sourceOf(part)
    const header = await headerOf(part, source)
    hasOther ||= isAmbiguous(header.toString('latin1'))
    if (part.type === 'multipart' && part.subtype === 'encrypted') way.report(PGP)
    if (part.parts !== undefined) continue
    if (level === 0 && part === structure && isPlain(part, header)) {
      const text = await gather(source.open({ start: part.body, end: part.end }), way.limits.maxSize)
      if (isPgp(text)) way.report(PGP)
      yield* wrappedIn(text, way, level)
      continue
    }
    for (const encoding of encodingsOf(part, header)) {
      const body = partBody(source, { ...part, encoding }) ?? []
      yield* inFile(await gather(body, way.limits.maxSize), way, level, isCms(part))
    }
  }
  if (hasOther && reading === 'first') yield* inMessage(message, way, level, 'last')
}

/** Throws `Unscannable` for a header that declares unscannable content or is too long. */
async function headerOf({ header: start, body: end, ...part }: MimePart, source: Readable): Promise<Buffer> {
  if (end - start > HEADER) throw new Unscannable(`a header of more than ${HEADER} octets`)
  const header = await gather(source.open({ start, end }), HEADER)
  const types = [`${part.type}/${part.subtype}`, ...readFields(header).all('content-type')]
  if (namesFragment(types)) throw new Unscannable('a fragment of a message')
  return header
}

const IDENTITY = /^(?:7bit|8bit|binary)$/
const isCms = ({ type, subtype }: MimePart) => type === 'application' && /^(?:x-)?pkcs7-mime$/.test(subtype)

/** A plain text message, which clamd reads like every program. */
function isPlain({ type, encoding }: MimePart, header: Buffer): boolean {
  const hasOddLine = /^[ \t\r]+$/m.test(header.toString('latin1').trimEnd())
  return type === 'text' && IDENTITY.test(encoding) && !hasOddLine && encodingsNamed(header).length < 2
}

const encodingsNamed = (header: Buffer) => readFields(header).all('content-transfer-encoding')

/** The encoding as read here, and other encodings that lenient programs might read. */
function encodingsOf(part: MimePart, header: Buffer): ReadonlySet<string> {
  const encodings = new Set([partBody(NOTHING, part) === undefined ? 'binary' : part.encoding])
  for (const field of encodingsNamed(header)) {
    const text = field.toLowerCase()
    if (text.includes('base64') || text.includes('base-64')) encodings.add('base64')
    if (text.includes('quoted')) encodings.add('quoted-printable')
    if (text.includes('uu')) encodings.add('x-uuencode')
  }
  return encodings
}

const NOTHING = { open: async function* () {} }

const PGP: ArchiveProblem = { kind: 'encrypted', name: 'OpenPGP' }
/** Possibly only signed, which also requires an OpenPGP program. */
const isPgp = (file: Buffer) => {
  const at = file.indexOf('-----BEGIN PGP MESSAGE-----')
  return at === 0 || (at > 0 && file.includes('\n-----BEGIN PGP MESSAGE-----'))
}

async function* inFile(file: Buffer, way: Way, level: number, isSaidCms = false): AsyncGenerator<Buffer> {
  if (file.length === 0) return
  if (++way.files > way.limits.parts) throw new Unscannable(`more than ${way.limits.parts} parts`)
  if (level > LEVELS) throw new Unscannable(`more than ${LEVELS} files within files`)
  way.octets -= file.length
  if (way.octets < 0) {
    way.report(TOO_LARGE)
    return
  }
  yield file
  for (const problem of await archiveProblems(file, way.budget)) way.report(problem)
  if (isPgp(file)) way.report(PGP)
  yield* wrappedIn(file, way, level)
  if (isTnef(file)) yield* inTnef(file, way, level)
  else if (isApple(file)) yield* inApple(file, way, level)
  else yield* inCms(file, way, level, isSaidCms)
}

async function* inTnef(file: Buffer, way: Way, level: number): AsyncGenerator<Buffer> {
  const tnef = readTnef(file)
  if (!tnef) return
  for (const value of binariesOf(tnef)) yield* inFile(value, way, level + 1)
  if (tnef.problem !== undefined) way.report({ kind: 'unreadable', name: 'Tnef.Broken' })
}

async function* inApple(file: Buffer, way: Way, level: number): AsyncGenerator<Buffer> {
  const apple = readApple(file)
  if (!apple) way.report({ kind: 'unreadable', name: 'Apple.Broken' })
  for (const fork of [apple?.data, apple?.mac.resource]) if (fork) yield* inFile(fork, way, level + 1)
}

/** Markers of files embedded in text. */
const MARKS = ['begin', '=ybegin ', '(This file must be converted']

/** Files in text as uuencode, yEnc or BinHex, if a mail program might decode them. */
async function* wrappedIn(file: Buffer, way: Way, level: number): AsyncGenerator<Buffer> {
  if (!MARKS.some((mark) => file.includes(mark))) return
  const text: Readable = {
    async *open(range) {
      yield file.subarray(range?.start ?? 0, range?.end ?? file.length)
    },
  }
  const parts: { readonly file: WrappedFile; readonly octets: Buffer }[] = []
  const found = await findWrapped(text.open())
  if (found.length >= MAX_WRAPPED) throw new Unscannable(`more than ${MAX_WRAPPED} files in a text`)
  for (const one of found) {
    const decoded = await decodeWrapped(one, text, Math.min(way.limits.maxSize, Math.max(0, way.octets)))
    if (decoded) yield* inFile(decoded.octets, way, level + 1)
    else if (one.kind === 'binhex') way.report({ kind: 'unreadable', name: 'Binhex.Broken' })
    else way.report(TOO_LARGE)
    if (decoded?.mac?.resource) yield* inFile(decoded.mac.resource, way, level + 1)
    if (decoded && one.part) parts.push({ file: one, octets: decoded.octets })
  }
  for (const { octets } of joinYencParts(parts)) yield* inFile(octets, way, level + 1)
}

const TOO_LARGE: ArchiveProblem = { kind: 'oversize', name: 'Message.TooLarge' }

/** Makes clamd recognize a message. */
const TOP = Buffer.from('Received: by antivirus\r\n')

async function* inCms(file: Buffer, way: Way, level: number, isSaidCms: boolean): AsyncGenerator<Buffer> {
  const cms = readCms(file, Math.max(1, Math.min(way.octets, way.limits.maxSize)))
  if (cms?.kind === 'encrypted') way.report({ kind: 'encrypted', name: 'Smime.Encrypted' })
  else if (cms?.kind === 'unreadable' || (cms === undefined && isSaidCms))
    way.report({ kind: 'unreadable', name: 'Smime.Broken' })
  if (cms?.kind !== 'content' || cms.octets.length === 0) return
  const { octets } = cms
  yield* inFile(Buffer.concat([TOP, octets]), way, level + 1)
  const open = async function* ({ start, end }: ByteRange = { start: 0, end: octets.length }) {
    yield octets.subarray(start, end)
  }
  yield* inMessage({ size: octets.length, open }, way, level + 1)
}
