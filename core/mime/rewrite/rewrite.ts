/**
 * Rewrites a message part by part, as a stream.
 *
 * The content is read once for its structure, and once more when the new content is read. Invariants: every octet
 * outside a change stays unchanged and in place; memory is bounded by the structure, whose parts are limited, and by
 * one chunk; a message is rewritten completely or not at all, and every obstacle is found before the first octet of new
 * content is returned.
 */
import { gather } from '../gather.ts'
import { boundaryOf } from '../open-part.ts'
import { readStructure } from '../structure.ts'
import type { NewPart, PartEditor, Rewritable, RewriteOptions, Rewritten } from './api.ts'
import { type Edited, editPart, isMultipart, structureProblem } from './editing.ts'
import { isContentField, type RawHeaderField, withField } from './header-edit.ts'
import { contentOf, type Piece } from './pieces.ts'
import {
  boundariesOf,
  changedLeaf,
  delimiter,
  EMPTY,
  fieldsOf,
  joinedParts,
  lastDelimiter,
  messageFields,
  newBoundary,
  newPart,
  piecesOf,
  RewriteFault,
  replacedMessage,
  type WrittenPart,
  withVersion,
} from './writing.ts'

/**
 * Calls `edit` for the leaves of a message, from the top, and returns the new content. Each leaf can be read decoded,
 * changed, replaced, removed, or surrounded by new parts. Works on any content: if a message exceeds the limits, or a
 * part to be changed cannot be decoded without loss, the whole message stays unchanged and `problem` names the reason.
 * Throws what the content's source or `edit` throws, and TypeError for an invalid change.
 *
 * @example
 * const { content, problem } = await rewriteMime(message, ({ part }) =>
 *   part.subtype === 'x-msdownload' ? { remove: true } : undefined)
 * if (content) await message.replaceContent(content())
 */
export async function rewriteMime(
  message: Rewritable,
  edit: PartEditor,
  options: RewriteOptions = {},
): Promise<Rewritten> {
  const root = options.structure ?? (await readStructure((range) => message.open(range), message.size))
  const problem = structureProblem(root, options)
  if (problem) return { content: undefined, problem }
  const edited = await editPart(message, edit, options.filter ?? {}, { part: root, path: [], within: [] })
  if (!edited.isChanged) return { content: undefined }
  try {
    return { content: contentOf(message, await messagePieces(message, edited)) }
  } catch (error) {
    if (error instanceof RewriteFault) return { content: undefined, problem: error.problem }
    throw error
  }
}

const CRLF = Buffer.from('\r\n')

/** A message or nested message. */
async function messagePieces(message: Rewritable, node: Edited): Promise<Piece[]> {
  const { part, change, isChanged } = node
  if (!isChanged) return [{ start: part.header, end: part.end }]
  const { before = [], after = [], remove } = change ?? {}
  const around = boundariesOf(node.within)
  if (before.length + after.length > 0) return wrapped(message, node, 'mixed')
  if (change?.related && !remove) return wrapped(message, node, 'related')
  if (remove) return piecesOf(await replacedMessage(message, part, await newPart(EMPTY, around)))
  if (change?.replace) return piecesOf(await replacedMessage(message, part, await newPart(change.replace, around)))
  const { fields, body } = await writtenPart(message, node)
  return piecesOf({ fields: messageFields(fields), body }, part)
}

/** A message whose body becomes one part of a new multipart. */
async function wrapped(message: Rewritable, node: Edited, kind: 'mixed' | 'related'): Promise<Piece[]> {
  const { part, change } = node
  const around = boundariesOf(node.within)
  const made = (parts: readonly Parameters<typeof newPart>[0][] = []) =>
    Promise.all(parts.map(async (one) => piecesOf(await newPart(one, around))))
  const kept = change?.replace ? await newPart(change.replace, around) : await writtenPart(message, node)
  const related = change?.related ?? []
  const all = await fieldsOf(message, part)
  const inner = (kept.fields ?? all).filter(isContentField)
  const items: readonly (readonly Piece[])[] = [
    ...(await made(change?.before)),
    ...(change?.remove
      ? []
      : [await withRelated(piecesOf({ fields: inner, body: kept.body }), kind === 'mixed' ? related : [], around)]),
    ...(await made(kind === 'mixed' ? change?.after : related)),
  ]
  const boundary = newBoundary()
  const outer: readonly RawHeaderField[] = withVersion(all.filter((field) => !isContentField(field)))
  const fields = withField(outer, 'Content-Type', `multipart/${kind};\r\n boundary="${boundary}"`)
  return piecesOf({ fields, body: joinedParts(items, boundary) })
}

/** A part with those that it shows, in a multipart/related of their own. */
async function withRelated(
  pieces: readonly Piece[],
  related: readonly NewPart[],
  around: readonly Buffer[],
): Promise<readonly Piece[]> {
  if (related.length === 0) return pieces
  const boundary = newBoundary()
  const items = [pieces]
  for (const one of related) items.push(piecesOf(await newPart(one, around)))
  const field = {
    name: 'content-type',
    raw: `Content-Type: multipart/related; type="text/html";\r\n boundary="${boundary}"\r\n`,
  }
  return piecesOf({ fields: [field], body: joinedParts(items, boundary) })
}

/** A part that stays, with its own changes and those of its subparts. */
async function writtenPart(message: Rewritable, node: Edited): Promise<WrittenPart> {
  const { part, parts, change } = node
  if (change?.text || change?.octets) return changedLeaf(message, node)
  const [inner] = parts
  const body: readonly Piece[] =
    !node.isChanged || !inner
      ? [{ start: part.body, end: part.end }]
      : isMultipart(part)
        ? await multipartBody(message, node)
        : [...(await messagePieces(message, inner)), { start: inner.part.end, end: part.end }]
  return { fields: undefined, body }
}

/** A part of the new multipart. */
interface Item {
  readonly pieces: readonly Piece[]
  /** Its index among the original parts; undefined for a new one. */
  readonly index?: number
  /** Unchanged, so the following original octets fit. */
  readonly isKept: boolean
}

async function itemsOf(message: Rewritable, node: Edited): Promise<Item[]> {
  const around = boundariesOf([...node.within, node.part])
  const made = async (one: Parameters<typeof newPart>[0], index?: number): Promise<Item> => ({
    pieces: piecesOf(await newPart(one, around)),
    isKept: false,
    ...(index === undefined ? {} : { index }),
  })
  const items: Item[] = []
  for (const [index, child] of node.parts.entries()) {
    const { change, part, isChanged } = child
    for (const one of change?.before ?? []) items.push(await made(one))
    const related = node.part.subtype === 'related' ? [] : (change?.related ?? [])
    if (change?.replace) items.push(await made(change.replace, index))
    else if (!change?.remove) {
      const written = isChanged
        ? piecesOf(await writtenPart(message, child), part)
        : [{ start: part.header, end: part.end }]
      items.push({ pieces: await withRelated(written, related, around), index, isKept: !isChanged })
    }
    if (related.length === 0) for (const one of change?.related ?? []) items.push(await made(one))
    for (const one of change?.after ?? []) items.push(await made(one))
  }
  return items.length > 0 ? items : [await made(EMPTY)]
}

/** Preamble, delimiters and epilogue stay unchanged next to unchanged parts. */
async function multipartBody(message: Rewritable, node: Edited): Promise<Piece[]> {
  const { part, parts } = node
  const boundary = (boundaryOf(part) as Buffer).toString()
  const originals = parts.map((one) => one.part)
  const pieces: Piece[] = [{ start: part.body, end: originals[0]?.header ?? part.body }]
  let last: Item | undefined
  for (const item of await itemsOf(message, node)) {
    if (last) pieces.push(...(await between(message, originals, boundary, last, item)))
    pieces.push(...item.pieces)
    last = item
  }
  const end = originals.at(-1)?.end ?? part.end
  const isLastKept = last?.isKept && last.index === originals.length - 1
  if (isLastKept) pieces.push({ start: end, end: part.end })
  else if (end === part.end) pieces.push(lastDelimiter(boundary))
  else pieces.push(...(await afterBreak(message, end, part.end)))
  return pieces
}

async function between(
  message: Rewritable,
  originals: readonly Edited['part'][],
  boundary: string,
  last: Item,
  next: Item,
): Promise<readonly Piece[]> {
  const before = next.index === undefined ? undefined : originals[next.index - 1]
  const after = next.index === undefined ? undefined : originals[next.index]
  if (!before || !after) return [delimiter(boundary)]
  if (last.isKept && last.index === (next.index as number) - 1) return [{ start: before.end, end: after.header }]
  return afterBreak(message, before.end, after.header)
}

/** An original delimiter, preceded by a line break if the part before it ended with its own. */
async function afterBreak(message: Rewritable, start: number, end: number): Promise<readonly Piece[]> {
  const [octet] = await gather(message.open({ start, end: start + 1 }), 1)
  const range = { start, end }
  return octet === 13 || octet === 10 ? [range] : [CRLF, range]
}
