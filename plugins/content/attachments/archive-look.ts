/**
 * The contents of an archive: names and kinds of its files, and whether it is encrypted or unreadable.
 *
 * Invariants: levels, files and octets are bounded, whatever sizes an archive states; an archive that was not read to
 * its end is `isUnreadable`.
 */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { readZip } from 'iems'
import { archiveProblems, filesInTar, gather, isTar } from 'iems/mime'
import { HEAD, type Kind, kindOf } from './kinds.ts'

/** Archives within archives. */
const MAX_LEVELS = 4
/** Files of an archive and of those in it. */
const MAX_FILES = 2000

export interface ArchiveLook {
  readonly entries: readonly { readonly name: string; readonly kind: Kind | undefined }[]
  readonly isEncrypted: boolean
  readonly isUnreadable: boolean
}

interface Looking {
  readonly entries: { name: string; kind: Kind | undefined }[]
  octets: number
  isUnreadable: boolean
}

const unzipped = promisify(gunzip)
/** Kinds that archives and encrypted documents are known by; zip documents too. */
const ARCHIVES = new Set(['zip', 'gz', 'tar', 'rar', '7z', 'cab', 'xz', 'bz2', 'zst', 'lz', 'ace', 'arj', 'cfb', 'lzh'])
const isZip = (octets: Buffer) =>
  octets.subarray(0, 4).equals(Buffer.from('PK\x03\x04')) || octets.subarray(0, 4).equals(Buffer.from('PK\x05\x06'))

const isGzip = (octets: Buffer) => octets[0] === 0x1f && octets[1] === 0x8b

export const mayBeArchive = (kind: Kind | undefined, head: Buffer): boolean =>
  isZip(head) || isTar(head) || isGzip(head) || (kind !== undefined && ARCHIVES.has(kind.extension))

/** Looks through an archive in memory; `most` octets of files may be expanded. */
export async function lookInto(octets: Buffer, most: number): Promise<ArchiveLook> {
  const looking: Looking = { entries: [], octets: most, isUnreadable: false }
  const problems = await archiveProblems(octets, { octets: most })
  await look(octets, looking, 0)
  const isEncrypted = problems.some(({ kind }) => kind === 'encrypted')
  const isClosed = problems.some(({ kind, name }) => kind !== 'encrypted' && !name.startsWith('Zip.Method'))
  return { entries: looking.entries, isEncrypted, isUnreadable: looking.isUnreadable || isClosed }
}

async function look(octets: Buffer, looking: Looking, level: number): Promise<void> {
  if (level > MAX_LEVELS) looking.isUnreadable = true
  else if (isZip(octets)) await lookIntoZip(octets, looking, level)
  else if (isGzip(octets)) await lookIntoGzip(octets, looking, level)
  else if (isTar(octets)) await lookIntoTar(octets, looking, level)
  else {
    const kind = await kindOf(octets)
    // Of these the files have no names here.
    if (kind && ['rar', '7z', 'cab', 'ace', 'arj', 'lzh', 'xz', 'bz2', 'zst'].includes(kind.extension))
      looking.isUnreadable = true
  }
}

async function add(name: string, octets: Buffer | undefined, looking: Looking, level: number): Promise<void> {
  const kind = octets && (await kindOf(octets))
  looking.entries.push({ name, kind })
  if (looking.entries.length >= MAX_FILES) looking.isUnreadable = true
  if (octets && mayBeArchive(kind, octets)) await look(octets, looking, level + 1)
}

async function lookIntoZip(octets: Buffer, looking: Looking, level: number): Promise<void> {
  try {
    for await (const file of readZip(octets, { files: MAX_FILES, size: looking.octets + 1, unreadable: true })) {
      if (looking.entries.length >= MAX_FILES) return
      const content = await contentOf(file, looking)
      await add(file.name, content, looking, level)
    }
  } catch {
    looking.isUnreadable = true
  }
}

/** A file's first octets, or all of it where it is an archive; undefined for one that cannot be read. */
async function contentOf(file: { open(): AsyncIterable<Uint8Array> }, looking: Looking): Promise<Buffer | undefined> {
  try {
    const head = await gather(file.open(), HEAD)
    if (!mayBeArchive(await kindOf(head), head)) return head
    const whole = await gather(file.open(), looking.octets + 1)
    if (whole.length > looking.octets) {
      looking.isUnreadable = true
      return head
    }
    looking.octets -= whole.length
    return whole
  } catch {
    return undefined
  }
}

async function lookIntoGzip(octets: Buffer, looking: Looking, level: number): Promise<void> {
  try {
    const inner = await unzipped(octets, { maxOutputLength: Math.max(1, looking.octets) })
    looking.octets -= inner.length
    const kind = await kindOf(inner)
    if (mayBeArchive(kind, inner)) await look(inner, looking, level + 1)
    else looking.entries.push({ name: '', kind })
  } catch {
    looking.isUnreadable = true
  }
}

async function lookIntoTar(octets: Buffer, looking: Looking, level: number): Promise<void> {
  for (const file of filesInTar(octets)) {
    if (file === 'cut off') looking.isUnreadable = true
    else await add(file.name, file.octets, looking, level)
    if (looking.entries.length >= MAX_FILES) return
  }
}
