/**
 * Attachments written in the form that the far side of a channel needs.
 *
 * Invariants: names, octets and the attributes that a form has a place for survive; a file larger than `maxFile` stays a
 * MIME part in the forms of the Macintosh; TNEF is never written.
 */
import {
  attachmentName,
  createSources,
  decodeCharset,
  type FileFacts,
  fromHtml,
  gather,
  type MimePart,
  type NewPart,
  partBody,
  type Readable,
  type Rewritable,
  readApple,
  writeAppleDouble,
  writeAppleSingle,
  writeBinhex,
  writeUuencode,
} from 'iems/mime'
import { factsOf } from './facts.ts'
import { isAttachment } from './found.ts'
import type { Form } from './options.ts'
import type { Changes } from './read-in.ts'
import { eachPart, isReachable, nameOfPath, type Placed, typeOf } from './walk.ts'

type MacForm = Exclude<Form, 'mime' | 'uuencode'>

export async function writeOut(message: Rewritable, root: MimePart, form: Form, maxFile: number): Promise<Changes> {
  if (form === 'mime') return new Map()
  return form === 'uuencode' ? flattened(message, root, maxFile) : macParts(message, root, form, maxFile)
}

const openPart = (source: Readable, part: MimePart): AsyncIterable<Uint8Array> =>
  partBody(source, part) ?? source.open({ start: part.body, end: part.end })

/** A multipart/appledouble and its two parts, as one file. */
async function doubleOf(
  source: Readable,
  part: MimePart,
  maxFile: number,
): Promise<{ readonly facts: FileFacts; readonly data: MimePart } | undefined> {
  const [header, data] = part.parts ?? []
  if (typeOf(part) !== 'multipart/appledouble' || !header || !data || data.parts) return undefined
  const apple = readApple(await gather(openPart(source, header), maxFile))
  if (!apple) return undefined
  const { data: _, isSingle: __, ...facts } = apple
  return { facts: { ...factsOf(data), ...facts, name: attachmentName(data) ?? facts.name }, data }
}

// --- uuencode -------------------------------------------------------------------------------------------

/** Files in order; those inside an attached message or an appledouble stay there. */
function* outermost(root: MimePart): Generator<Placed> {
  for (const placed of eachPart(root)) {
    const isFile = isAttachment(placed.part) || placed.part.type === 'message' || placed.part.subtype === 'appledouble'
    const isInside = placed.within.some(({ type, subtype }) => type === 'message' || subtype === 'appledouble')
    if (isFile && !isInside) yield placed
  }
}

async function flattened(message: Rewritable, root: MimePart, maxFile: number): Promise<Changes> {
  const source = createSources(message)(root)
  const files = [...outermost(root)]
  if (files.length === 0) return new Map()
  const text = textOf(root)
  const charset = text?.subtype === 'html' ? 'utf-8' : (text?.parameters.charset ?? 'us-ascii')
  const body = text && (await bodyText(source, text, maxFile))
  const facts = await Promise.all(files.map(async ({ part }) => doubleOf(source, part, maxFile)))
  const isWide = files.some(({ part }) => /[^\x20-\x7e]/.test(nameOf(part)))
  const replace: NewPart = {
    type: 'text/plain',
    charset: isWide && charset === 'us-ascii' ? 'utf-8' : charset,
    encoding: '8bit',
    async *content() {
      if (body) yield* withEnd(body())
      for (const [index, { part }] of files.entries()) {
        const double = facts[index]
        const name = nameOf(part)
        yield* writeUuencode({ ...(double?.facts ?? factsOf(part)), name }, openPart(source, double?.data ?? part))
        yield Buffer.from('\r\n')
      }
    },
  }
  return new Map([['', { replace }]])
}

function nameOf(part: MimePart): string {
  const { name } = factsOf(part)
  if (name !== '') return name
  if (part.subtype === 'appledouble')
    return part.parts?.map((one) => factsOf(one).name).findLast((one) => one !== '') ?? 'file'
  return part.type === 'message' ? 'message.eml' : 'file'
}

/** The text to be read: plain where there is one. */
function textOf(root: MimePart): MimePart | undefined {
  const texts = [...eachPart(root)]
    .filter((placed) => isReachable(placed) && placed.part.type === 'text' && !isAttachment(placed.part))
    .map(({ part }) => part)
  return texts.find(({ subtype }) => subtype === 'plain') ?? texts.find(({ subtype }) => subtype === 'html')
}

async function bodyText(source: Readable, text: MimePart, maxFile: number): Promise<() => AsyncIterable<Uint8Array>> {
  if (text.subtype !== 'html') return () => openPart(source, text)
  const html = decodeCharset(await gather(openPart(source, text), maxFile), text.parameters.charset ?? '')
  const octets = Buffer.from(fromHtml(html).replace(/\r\n?|\n/g, '\r\n'))
  return async function* () {
    yield octets
  }
}

/** With a line end at its end, and an empty line behind it. */
async function* withEnd(text: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let last = 10
  for await (const chunk of text) {
    last = chunk.at(-1) ?? last
    yield chunk
  }
  yield Buffer.from(last === 10 ? '\r\n' : '\r\n\r\n')
}

// --- forms of the Macintosh -------------------------------------------------------------------------------

async function macParts(message: Rewritable, root: MimePart, form: MacForm, maxFile: number): Promise<Changes> {
  const changes: Changes = new Map()
  const sourceOf = createSources(message)
  for (const placed of outermost(root)) {
    const { part } = placed
    const isImage = placed.within.some(({ subtype }) => subtype === 'related') && part.id !== undefined
    if (!isReachable(placed) || part.type === 'message' || part.subtype === 'applefile' || isImage) continue
    const double = await doubleOf(sourceOf(part), part, maxFile)
    if (part.parts && !double) continue
    if (double && form === 'appledouble') continue
    const octets = await gather(openPart(sourceOf(part), double?.data ?? part), maxFile + 1)
    if (octets.length > maxFile) continue
    const facts = { ...(double?.facts ?? factsOf(part)), name: nameOf(part) }
    changes.set(nameOfPath(placed.path), { replace: macPart(facts, octets, form, double?.data ?? part) })
  }
  return changes
}

function macPart(facts: FileFacts, octets: Buffer, form: MacForm, part: MimePart): NewPart {
  const { name } = facts
  if (form === 'binhex')
    return {
      type: 'application/mac-binhex40',
      name,
      encoding: '7bit',
      content: writeBinhex(facts, octets).toString('latin1'),
    }
  if (form === 'applesingle')
    return { type: 'application/applefile', name, disposition: 'attachment', content: writeAppleSingle(facts, octets) }
  const data: NewPart = { type: typeOf(part), name, disposition: 'attachment', content: octets }
  return {
    type: 'multipart/appledouble',
    name,
    content: [{ type: 'application/applefile', name, content: writeAppleDouble(facts) }, data],
  }
}
