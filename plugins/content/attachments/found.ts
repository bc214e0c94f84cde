/**
 * The files of a message in any format: the one model that reading, rules, lists and saving use.
 *
 * Invariants: a part or a file in a text that is larger than `maxFile` is not taken apart; the number of files and the
 * octets of one file in memory are bounded; nothing is changed here.
 */
import {
  attachmentName,
  createSources,
  decodeWrapped,
  type FileFacts,
  findWrapped,
  gather,
  isApple,
  isTnef,
  type MimePart,
  openWrapped,
  partBody,
  type Readable,
  type Rewritable,
  readApple,
  readBinhex,
  readTnef,
  type WrappedFile,
} from 'iems/mime'
import { type FileContent, factsOf, inMemory } from './facts.ts'
import { eachPart, isSmime, nameOfPath, type Placed, typeOf } from './walk.ts'

export type Format = 'mime' | 'tnef' | 'uuencode' | 'yenc' | 'binhex' | 'applesingle'

export interface FoundFile extends FileContent {
  /** For people: `2`, or `2/1` for the first file within the second part. */
  readonly path: string
  readonly format: Format
  readonly facts: FileFacts
  /** The part that it is, or that holds it. */
  readonly placed: Placed
}

export interface FindLimits {
  readonly maxFile: number
  readonly maxParts: number
}

/** The text of a part, decoded, readable by range; undefined when it cannot be decoded in the memory there is. */
export async function textSource(source: Readable, part: MimePart, maxFile: number): Promise<Readable | undefined> {
  if (/^(?:7bit|8bit|binary)$/.test(part.encoding))
    return {
      open: (range) =>
        source.open({
          start: part.body + (range?.start ?? 0),
          end: Math.min(part.end, part.body + (range?.end ?? part.end)),
        }),
    }
  const body = part.end - part.body > 2 * maxFile ? undefined : partBody(source, part)
  if (!body) return undefined
  const octets = await gather(body, maxFile)
  return {
    async *open(range) {
      yield octets.subarray(range?.start ?? 0, range?.end ?? octets.length)
    },
  }
}

export const formatOf = ({ kind }: WrappedFile): Format => (kind === 'base64' ? 'uuencode' : kind)

export const isPlainText = (part: MimePart): boolean => typeOf(part) === 'text/plain'
export const isTnefPart = (part: MimePart): boolean =>
  /^application\/(?:vnd\.)?ms-tnef$/.test(typeOf(part)) || /^winmail.{0,50}\.dat$/i.test(attachmentName(part) ?? '')
export const isBinhexPart = (part: MimePart): boolean =>
  /^application\/(?:x-)?(?:mac-)?binhex(?:40)?$/.test(typeOf(part)) || /\.hqx$/i.test(attachmentName(part) ?? '')
export const isApplePart = (part: MimePart): boolean => typeOf(part) === 'application/applefile'

/** A leaf that is a file, or no text at all. */
export function isAttachment(part: MimePart): boolean {
  if (part.parts) return false
  return part.type !== 'text' || part.disposition?.type === 'attachment' || (attachmentName(part) ?? '') !== ''
}

/** Every file of a message, containers before what is in them. */
export async function* findFiles(
  message: Rewritable,
  root: MimePart,
  { maxFile, maxParts }: FindLimits,
): AsyncGenerator<FoundFile> {
  const sourceOf = createSources(message)
  let count = 0
  for (const placed of eachPart(root)) {
    if (++count > maxParts) return
    const { part } = placed
    if (part.parts || isSmime(part)) continue
    const source = sourceOf(part)
    const path = nameOfPath(placed.path) || '1'
    if (isAttachment(part))
      yield {
        path,
        format: 'mime',
        facts: factsOf(part),
        placed,
        open: () => partBody(source, part) ?? source.open({ start: part.body, end: part.end }),
      }
    let inner = 0
    for await (const file of filesWithin(source, part, maxFile)) {
      if (++count > maxParts) return
      yield { ...file, placed, path: `${path}/${++inner}` }
    }
  }
}

async function* filesWithin(
  source: Readable,
  part: MimePart,
  maxFile: number,
): AsyncGenerator<Omit<FoundFile, 'path' | 'placed'>> {
  if (isPlainText(part)) {
    const text = await textSource(source, part, maxFile)
    if (text) yield* filesInText(text, maxFile)
    return
  }
  if (!isTnefPart(part) && !isBinhexPart(part) && !isApplePart(part)) return
  const body = partBody(source, part)
  const octets = body && (await gather(body, maxFile + 1))
  if (octets && octets.length <= maxFile) yield* filesInOctets(octets, maxFile, 0)
}

async function* filesInText(text: Readable, maxFile: number): AsyncGenerator<Omit<FoundFile, 'path' | 'placed'>> {
  for (const file of await findWrapped(text.open())) {
    if (!file.isWhole) continue
    const format = formatOf(file)
    if (file.kind !== 'binhex') {
      const facts: FileFacts = { name: file.name, ...(file.mode === undefined ? {} : { mode: file.mode }) }
      yield { format, facts, open: () => openWrapped(file, text) }
      continue
    }
    const decoded = await decodeWrapped(file, text, maxFile)
    if (!decoded) continue
    const { octets, ...facts } = decoded
    yield { format, facts, ...inMemory(octets) }
  }
}

/** Messages within messages. */
const MAX_LEVELS = 10

async function* filesInOctets(
  octets: Buffer,
  maxFile: number,
  level: number,
): AsyncGenerator<Omit<FoundFile, 'path' | 'placed'>> {
  if (isTnef(octets)) {
    for (const { octets: data, isMessage, properties: _, isHidden: __, ...facts } of readTnef(octets)?.attachments ??
      []) {
      if (!isMessage) yield { format: 'tnef', facts, ...inMemory(data) }
      else if (level < MAX_LEVELS) yield* filesInOctets(data, maxFile, level + 1)
    }
  } else if (isApple(octets)) {
    const apple = readApple(octets)
    if (!apple?.data) return
    const { data, isSingle: _, ...facts } = apple
    yield { format: 'applesingle', facts, ...inMemory(data) }
  } else {
    const file = readBinhex(octets, maxFile)
    if (!file) return
    const { octets: data, ...facts } = file
    yield { format: 'binhex', facts, ...inMemory(data) }
  }
}
