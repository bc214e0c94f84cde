/**
 * Writes bodies and headers of changed and new parts.
 *
 * Invariants: a part that cannot be decoded without loss is not written; other fields stay unchanged.
 */
import { randomBytes } from 'node:crypto'
import { BrokenText, decoderFor } from '../charset.ts'
import { gather } from '../gather.ts'
import { boundaryOf } from '../open-part.ts'
import type { MimePart } from '../parts.ts'
import { partBody } from '../transfer.ts'
import type { NewPart, Rewritable, RewriteProblem } from './api.ts'
import { type Edited, isMultipart, partsIn } from './editing.ts'
import { isSound } from './encode.ts'
import {
  isContentField,
  joinFields,
  newPartFields,
  parametersText,
  type RawHeaderField,
  splitFields,
  withField,
  withoutField,
} from './header-edit.ts'
import { contentOf, type Piece } from './pieces.ts'
import { type WrittenBody, writtenComposite, writtenOctets, writtenText, writtenTextOctets } from './text-body.ts'

/** Leaves the whole message unchanged. */
export class RewriteFault extends Error {
  readonly problem: RewriteProblem

  constructor(path: readonly number[], what: RewriteProblem['what']) {
    super(what)
    this.problem = { path, what }
  }
}

/** The fields of a part, or its original header, and its body. */
export interface WrittenPart {
  readonly fields: readonly RawHeaderField[] | undefined
  readonly body: readonly Piece[]
}

/** Boundaries of the enclosing multiparts, which must not occur in a nested body. */
export const boundariesOf = (within: readonly MimePart[]): Buffer[] =>
  within.filter(isMultipart).flatMap((part) => boundaryOf(part) ?? [])

export async function fieldsOf(message: Rewritable, { header, body }: MimePart): Promise<RawHeaderField[]> {
  return splitFields(await gather(message.open({ start: header, end: body }), body - header))
}

export const delimiter = (boundary: string): Buffer => Buffer.from(`\r\n--${boundary}\r\n`)
export const lastDelimiter = (boundary: string): Buffer => Buffer.from(`\r\n--${boundary}--\r\n`)
/** No line of a message is that by chance. */
export const newBoundary = (): string => `=_${randomBytes(18).toString('base64url')}`

/** The body of a multipart. */
export function joinedParts(items: readonly (readonly Piece[])[], boundary: string): Piece[] {
  const body = items.flatMap((pieces, index) => [delimiter(boundary).subarray(index === 0 ? 2 : 0), ...pieces])
  return [...body, lastDelimiter(boundary)]
}

/** A part that the caller adds to a multipart. */
export async function newPart(part: NewPart, around: readonly Buffer[]): Promise<WrittenPart> {
  const { type, charset, content, encoding = '7bit' } = part
  if (isParts(content)) return newMultipart(part, content, around)
  const isText = /^text\//i.test(type)
  const octets = () => opened(content)
  let body: WrittenBody
  if (/^(?:multipart|message)\//i.test(type)) body = await writtenComposite(octets, around)
  else if (!isText && part.encoding === undefined) body = writtenOctets(octets)
  else if (typeof content === 'string')
    body = await writtenText(() => one(content), { charset: 'utf-8', encoding }, around)
  else body = { ...(await writtenTextOctets(octets, encoding, around)), charset: charset ?? 'utf-8' }
  return { fields: newPartFields(part, isText ? body.charset : undefined, body.encoding), body: [body.open] }
}

const isParts = (content: NewPart['content']): content is readonly NewPart[] => Array.isArray(content)

async function newMultipart(
  part: NewPart,
  content: readonly NewPart[],
  around: readonly Buffer[],
): Promise<WrittenPart> {
  if (!/^multipart\//i.test(part.type)) throw new TypeError(`parts of ${part.type}, which is no multipart`)
  const boundary = newBoundary()
  const items: Piece[][] = []
  for (const one of content.length > 0 ? content : [EMPTY]) items.push(piecesOf(await newPart(one, around)))
  const body = joinedParts(items, boundary)
  const isEightBit = items.flat().some((piece) => piece instanceof Uint8Array && EIGHT_BIT.test(piece.toString()))
  const fields = newPartFields(
    { ...part, parameters: { ...part.parameters, boundary } },
    undefined,
    isEightBit ? '8bit' : '7bit',
  )
  return { fields, body }
}

/** In the header of a part, which `newPart` has written. */
const EIGHT_BIT = /^content-transfer-encoding: 8bit\r?$/im

/**
 * A part with its header, as in a message, for content that is put together from parts, such as an attached message.
 * Throws TypeError as `rewriteMime` does.
 */
export async function writePart(part: NewPart): Promise<() => AsyncIterable<Uint8Array>> {
  return contentOf(NOTHING, piecesOf(await newPart(part, [])))
}

const NOTHING: Rewritable = { size: 0, async *open() {} }

export const EMPTY: NewPart = { type: 'text/plain', content: '' }

async function* one<Item>(item: Item): AsyncGenerator<Item> {
  yield item
}

function opened(content: Exclude<NewPart['content'], readonly NewPart[]>): AsyncIterable<Uint8Array> {
  if (typeof content === 'function') return content()
  return one(typeof content === 'string' ? Buffer.from(content) : content)
}

/** A message keeps its fields except those that describe its content. */
export async function replacedMessage(message: Rewritable, part: MimePart, by: WrittenPart): Promise<WrittenPart> {
  const fields = (await fieldsOf(message, part)).filter((field) => !isContentField(field))
  return { fields: withVersion([...fields, ...(by.fields ?? [])]), body: by.body }
}

export const withVersion = (fields: readonly RawHeaderField[]): readonly RawHeaderField[] =>
  fields.some(({ name }) => name === 'mime-version') ? fields : withField(fields, 'MIME-Version', '1.0')

/** A leaf with changed text or octets. Throws RewriteFault. */
export async function changedLeaf(message: Rewritable, node: Edited): Promise<WrittenPart> {
  const { part, path } = node
  if (partsIn(part).length > 0) throw new TypeError('text and octets can be changed in leaves only')
  const fields = await fieldsOf(message, part)
  for (const name of ['content-type', 'content-transfer-encoding'])
    if (fields.filter((field) => field.name === name).length > 1) throw new RewriteFault(path, 'ambiguous-header')
  const body = await changedBody(message, node)
  let edited = withoutField(withoutField(fields, 'content-md5'), 'content-length')
  if (body.charset !== undefined && body.charset !== charsetOf(part)) {
    const parameters = { ...withoutCharset(part.parameters), charset: body.charset }
    edited = withField(edited, 'Content-Type', `${part.type}/${part.subtype}${parametersText(parameters)}`)
  }
  if (body.encoding !== part.encoding) edited = withField(edited, 'Content-Transfer-Encoding', body.encoding)
  return { fields: edited, body: [body.open] }
}

const charsetOf = ({ parameters }: MimePart) => parameters.charset ?? 'us-ascii'

const withoutCharset = (parameters: MimePart['parameters']) =>
  Object.fromEntries(Object.entries(parameters).filter(([name]) => !/^charset(?:\*|$)/.test(name)))

async function changedBody(message: Rewritable, node: Edited): Promise<WrittenBody> {
  const { part, path, within, change } = node
  const octets = () => partBody(message, part) as AsyncIterable<Uint8Array>
  if (!octets()) throw new RewriteFault(path, 'unknown-encoding')
  if (!(await isSound(part.encoding, message.open({ start: part.body, end: part.end }))))
    throw new RewriteFault(path, 'broken-encoding')
  if (change?.octets) {
    const changed = change.octets
    return writtenOctets(() => changed(octets()))
  }
  if (part.type !== 'text')
    throw new TypeError(`the text of a part that is ${part.type}/${part.subtype} cannot be changed`)
  const charset = charsetOf(part)
  const decoder = decoderFor(charset)
  if (!decoder) throw new RewriteFault(path, 'unknown-charset')
  const changed = change?.text ?? ((text) => text)
  try {
    return await writtenText(
      () => changed(decoder(octets())),
      { charset, encoding: part.encoding },
      boundariesOf(within),
    )
  } catch (error) {
    throw error instanceof BrokenText ? new RewriteFault(path, 'broken-text') : error
  }
}

/** The pieces of a part, with its original header unless it has new fields. */
export function piecesOf({ fields, body }: WrittenPart, part?: MimePart): Piece[] {
  const header = fields ? joinFields(fields) : { start: part?.header ?? 0, end: part?.body ?? 0 }
  return [header, ...body]
}

/** Adds MIME-Version, unless the message has no Content- fields. */
export function messageFields(fields: readonly RawHeaderField[] | undefined): readonly RawHeaderField[] | undefined {
  return fields?.some(isContentField) ? withVersion(fields) : fields
}
