/**
 * Files in other formats become MIME parts.
 *
 * Invariants: a format that is damaged stays as it is; text around and between files stays; the octets that are held in
 * memory for one message are bounded.
 */
import {
  createSources,
  decodeWrapped,
  type FileFacts,
  findWrapped,
  gather,
  joinYencParts,
  type MimePart,
  type NewPart,
  openWrapped,
  type PartChange,
  partBody,
  type Readable,
  type Rewritable,
  readApple,
  readBinhex,
  readTnef,
  type WrappedFile,
} from 'iems/mime'
import { inMemory, partOf } from './facts.ts'
import { formatOf, isApplePart, isBinhexPart, isPlainText, isTnefPart, textSource } from './found.ts'
import type { Options } from './options.ts'
import { bodyOf, tnefParts } from './tnef-parts.ts'
import { eachPart, isReachable, nameOfPath, type Placed, typeOf } from './walk.ts'

export type Changes = Map<string, PartChange>

/** How many times `limits.maxFile` the files in memory may have together. */
const TIMES = 2

interface Reading {
  readonly message: Rewritable
  readonly options: Pick<Options, 'read' | 'limits' | 'resourceForks'>
  readonly changes: Changes
  octets: number
}

/** Changes to the parts of a message, by their paths; empty for nearly every message. */
export async function readIn(message: Rewritable, root: MimePart, options: Reading['options']): Promise<Changes> {
  const reading: Reading = { message, options, changes: new Map(), octets: TIMES * options.limits.maxFile }
  const reads = (format: Options['read'][number]) => options.read.includes(format)
  for (const placed of eachPart(root)) {
    if (reading.changes.size > options.limits.maxParts) break
    const { part } = placed
    if (!isReachable(placed)) continue
    if (options.resourceForks === 'drop' && typeOf(part) === 'multipart/appledouble') await dropForks(reading, placed)
    else if (part.parts) continue
    else if (isPlainText(part)) await readText(reading, placed)
    else if (reads('tnef') && isTnefPart(part)) await readWinmail(reading, placed, root)
    else if (reads('binhex') && isBinhexPart(part)) await readBinhexPart(reading, placed)
    else if (reads('applesingle') && isApplePart(part)) await readAppleSingle(reading, placed)
  }
  return reading.changes
}

async function octetsOf(reading: Reading, part: MimePart): Promise<Buffer | undefined> {
  const { maxFile } = reading.options.limits
  const body = partBody(createSources(reading.message)(part), part)
  const most = Math.min(maxFile, reading.octets)
  const octets = body && (await gather(body, most + 1))
  if (!octets || octets.length > most) return undefined
  reading.octets -= octets.length
  return octets
}

/** Puts parts behind one, or behind the multipart/alternative or related that it belongs to. */
function addAfter({ changes }: Reading, { path, within }: Placed, after: readonly NewPart[]): void {
  let depth = within.length
  while (depth > 0 && /^(?:alternative|related|appledouble)$/.test(within[depth - 1]?.subtype ?? '')) depth--
  const name = nameOfPath(path.slice(0, depth))
  const known = changes.get(name)
  changes.set(name, { ...known, after: [...(known?.after ?? []), ...after] })
}

function change({ changes }: Reading, { path }: Placed, by: PartChange): void {
  const name = nameOfPath(path)
  changes.set(name, { ...changes.get(name), ...by })
}

// --- text ------------------------------------------------------------------------------------------

/** Files that are whole and do not overlap, of the formats that are read. */
function wanted(found: readonly WrappedFile[], { read }: Reading['options']): readonly WrappedFile[] {
  let end = 0
  return found.filter((file) => {
    const format = formatOf(file)
    const isWanted = file.isWhole && file.start >= end && (read as readonly string[]).includes(format)
    if (isWanted) end = file.end
    return isWanted
  })
}

async function readText(reading: Reading, placed: Placed): Promise<void> {
  const { part } = placed
  const { limits } = reading.options
  const text = await textSource(createSources(reading.message)(part), part, limits.maxFile)
  const found = text ? wanted(await findWrapped(text.open()), reading.options) : []
  if (!text || found.length === 0) return
  const taken: WrappedFile[] = []
  const files: NewPart[] = []
  const parts: { readonly file: WrappedFile; readonly octets: Buffer }[] = []
  for (const file of found) {
    if (file.part || file.kind === 'binhex') {
      const decoded = await decodeWrapped(file, text, Math.min(limits.maxFile, reading.octets))
      if (!decoded) continue
      reading.octets -= decoded.octets.length
      if (file.part) parts.push({ file, octets: decoded.octets })
      else {
        files.push(await partOf(decoded, inMemory(decoded.octets), reading.options.resourceForks))
        taken.push(file)
      }
      continue
    }
    const facts: FileFacts = { name: file.name, ...(file.mode === undefined ? {} : { mode: file.mode }) }
    files.push(await partOf(facts, { open: () => openWrapped(file, text) }))
    taken.push(file)
  }
  for (const { octets, name } of joinYencParts(parts)) {
    files.push(await partOf({ name }, inMemory(octets)))
    taken.push(...parts.filter(({ file }) => file.name === name).map(({ file }) => file))
  }
  if (files.length === 0) return
  const sorted = taken.toSorted((a, b) => a.start - b.start)
  change(reading, placed, { replace: textWithout(part, text, sorted) })
  addAfter(reading, placed, files)
}

/** A text part without some ranges of its octets. */
function textWithout(part: MimePart, text: Readable, files: readonly WrappedFile[]): NewPart {
  const { charset, ...others } = part.parameters
  return {
    type: 'text/plain',
    parameters: others,
    charset: charset ?? 'us-ascii',
    encoding: part.encoding === '8bit' ? '8bit' : '7bit',
    ...(part.disposition?.type === 'inline' ? { disposition: 'inline' as const } : {}),
    async *content() {
      let at = 0
      for (const { start, end } of files) {
        if (start > at) yield* text.open({ start: at, end: start })
        at = end
      }
      yield* text.open({ start: at, end: part.end - part.body })
    },
  }
}

// --- parts -----------------------------------------------------------------------------------------

async function readBinhexPart(reading: Reading, placed: Placed): Promise<void> {
  const octets = await octetsOf(reading, placed.part)
  const file = octets && readBinhex(octets, reading.options.limits.maxFile)
  if (file)
    change(reading, placed, { replace: await partOf(file, inMemory(file.octets), reading.options.resourceForks) })
}

async function readAppleSingle(reading: Reading, placed: Placed): Promise<void> {
  const octets = await octetsOf(reading, placed.part)
  const file = octets && readApple(octets)
  if (file?.data)
    change(reading, placed, { replace: await partOf(file, inMemory(file.data), reading.options.resourceForks) })
}

/** Of a multipart/appledouble (RFC 1740) the data alone, with type and creator. */
async function dropForks(reading: Reading, placed: Placed): Promise<void> {
  const [header, data] = placed.part.parts ?? []
  const octets = header && (await octetsOf(reading, header))
  const apple = octets && readApple(octets)
  if (!apple || !data || data.parts) return
  const source = createSources(reading.message)(data)
  const open = () => partBody(source, data) ?? source.open({ start: data.body, end: data.end })
  const type = typeOf(data)
  change(reading, placed, { replace: await partOf({ ...apple, type }, { open }, 'drop') })
}

/** The text/plain before a `winmail.dat`, which Outlook sends for programs without TNEF. */
function siblingText(root: MimePart, { path, within }: Placed): Placed | undefined {
  const parent = within.at(-1)
  if (parent?.subtype !== 'mixed') return undefined
  const index = (parent.parts ?? []).findIndex((one) => one.type === 'text' || one.type === 'multipart')
  const part = parent.parts?.[index]
  if (!part || root === part) return undefined
  return { part, path: [...path.slice(0, -1), index + 1], within }
}

async function readWinmail(reading: Reading, placed: Placed, root: MimePart): Promise<void> {
  const octets = await octetsOf(reading, placed.part)
  const parts = octets && (await tnefParts(octets))
  if (!octets || !parts) return
  const sibling = siblingText(root, placed)
  const body = sibling ? undefined : bodyOf(parts)
  const after = [...(body ? [body] : []), ...parts.files]
  // Appointments and contacts keep their data in properties that MIME cannot carry.
  if (parts.isOther) {
    if (after.length > 0) addAfter(reading, placed, after)
    return
  }
  const isShown = sibling !== undefined && isPlainText(sibling.part) && sibling.part.disposition?.type !== 'attachment'
  if (isShown && parts.html && !reading.changes.has(nameOfPath(sibling.path))) {
    const text = keptText(reading, sibling.part)
    if (text) change(reading, sibling, { replace: { type: 'multipart/alternative', content: [text, parts.html] } })
  }
  const isEmpty = after.length === 0 && !sibling && readTnef(octets)?.properties.list.length === 0
  if (isEmpty) return
  change(reading, placed, { remove: true })
  if (after.length > 0) addAfter(reading, placed, after)
}

/** A text part unchanged, for another multipart. */
function keptText({ message }: Reading, part: MimePart): NewPart | undefined {
  const source = createSources(message)(part)
  if (!partBody(source, part)) return undefined
  const { charset, ...others } = part.parameters
  return {
    type: 'text/plain',
    parameters: others,
    charset: charset ?? 'us-ascii',
    encoding: part.encoding === '8bit' ? '8bit' : '7bit',
    content: () => partBody(source, part) as AsyncIterable<Uint8Array>,
  }
}
