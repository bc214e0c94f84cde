/**
 * The parts of a message as clients name them, and which of them are its text, its HTML and its attachments (RFC 8621
 * section 4.1.4).
 */
import { attachmentName, type MimePart } from 'iems/mime'
import { blobIdOfPart } from '../blob/ids.ts'

export interface BodyPart {
  /** `1`, `1.2`; null for a multipart. */
  readonly partId: string | null
  readonly part: MimePart
  readonly type: string
  readonly name: string | null
  readonly children: readonly BodyPart[] | undefined
}

const MAX_PARTS = 5000

/** A message's parts, numbered as IMAP numbers them. */
export function bodyParts(structure: MimePart): BodyPart {
  let left = MAX_PARTS
  function read(part: MimePart, place: string): BodyPart {
    left--
    const isMultipart = part.type === 'multipart'
    const children = isMultipart
      ? (part.parts ?? []).flatMap((one, index) =>
          left > 0 ? [read(one, place === '' ? String(index + 1) : `${place}.${index + 1}`)] : [],
        )
      : undefined
    return {
      partId: isMultipart ? null : place === '' ? '1' : place,
      part,
      type: `${part.type}/${part.subtype}`,
      name: attachmentName(part) || null,
      children,
    }
  }
  return read(structure, '')
}

export interface BodyLists {
  readonly textBody: readonly BodyPart[]
  readonly htmlBody: readonly BodyPart[]
  readonly attachments: readonly BodyPart[]
}

const isInlineMedia = (type: string) => /^(?:image|audio|video)\//.test(type)

interface Lists {
  text: BodyPart[] | null
  html: BodyPart[] | null
  readonly attachments: BodyPart[]
}

/** The algorithm of RFC 8621 section 4.1.4. */
export function bodyLists(root: BodyPart): BodyLists {
  const lists: Lists = { text: [], html: [], attachments: [] }
  walk([root], 'mixed', { inAlternative: false, lists })
  return { textBody: lists.text ?? [], htmlBody: lists.html ?? [], attachments: lists.attachments }
}

function walk(
  parts: readonly BodyPart[],
  multipart: string,
  { inAlternative, lists: given }: { inAlternative: boolean; lists: Lists },
): void {
  // Text that stands for no HTML (or the other way round) does so for the rest of its own multipart alone.
  const lists = { ...given }
  const textLength = lists.text?.length ?? -1
  const htmlLength = lists.html?.length ?? -1
  for (const [index, one] of parts.entries()) {
    if (one.children) {
      const subtype = one.part.subtype
      walk(one.children, subtype, { inAlternative: inAlternative || subtype === 'alternative', lists })
    } else place(one, { index, multipart, inAlternative, lists })
  }
  if (multipart !== 'alternative' || !inAlternative || !lists.text || !lists.html) return
  // Only one of the two was found, so it serves as both.
  if (textLength === lists.text.length && htmlLength !== lists.html.length)
    lists.text.push(...lists.html.slice(htmlLength))
  if (htmlLength === lists.html.length && textLength !== lists.text.length)
    lists.html.push(...lists.text.slice(textLength))
}

interface Place {
  readonly index: number
  readonly multipart: string
  readonly inAlternative: boolean
  readonly lists: Lists
}

function place(one: BodyPart, { index, multipart, inAlternative, lists }: Place): void {
  const isInline =
    one.part.disposition?.type !== 'attachment' &&
    (one.type === 'text/plain' || one.type === 'text/html' || isInlineMedia(one.type)) &&
    // A named part in a related or mixed body is an attachment unless it comes first.
    (index === 0 || (multipart !== 'related' && (isInlineMedia(one.type) || one.name === null)))
  if (!isInline) {
    lists.attachments.push(one)
    return
  }
  if (multipart === 'alternative') {
    if (one.type === 'text/plain') lists.text?.push(one)
    else if (one.type === 'text/html') lists.html?.push(one)
    else lists.attachments.push(one)
    return
  }
  if (inAlternative) {
    if (one.type === 'text/plain') lists.html = null
    if (one.type === 'text/html') lists.text = null
  }
  lists.text?.push(one)
  lists.html?.push(one)
  if ((!lists.text || !lists.html) && isInlineMedia(one.type)) lists.attachments.push(one)
}

export const PART_PROPERTIES = [
  'partId',
  'blobId',
  'size',
  'headers',
  'name',
  'type',
  'charset',
  'disposition',
  'cid',
  'language',
  'location',
  'subParts',
] as const

export const DEFAULT_PART_PROPERTIES = PART_PROPERTIES.filter((name) => name !== 'headers' && name !== 'subParts')

/** Decoded size of a part in octets, estimated from its encoding. */
function sizeOf({ encoding, body, end }: MimePart): number {
  const octets = end - body
  return encoding === 'base64' ? Math.floor((octets * 57) / 78) : octets
}

/** `size` may be exact from elsewhere. */
export function describePart(
  { partId, part, type, name, children }: BodyPart,
  { blob, properties, size }: { readonly blob: string; readonly properties: readonly string[]; readonly size?: number },
): Record<string, unknown> {
  const isText = part.type === 'text'
  const all: Record<string, unknown> = {
    partId,
    blobId: partId === null ? null : blobIdOfPart(blob, partId),
    size: partId === null ? 0 : (size ?? sizeOf(part)),
    name,
    type,
    charset: isText ? (part.parameters.charset ?? 'us-ascii') : null,
    disposition: part.disposition?.type ?? null,
    cid: part.id?.replace(/^<|>$/g, '') ?? null,
    language: part.languages ?? null,
    location: part.location ?? null,
  }
  const chosen: Record<string, unknown> = {}
  for (const property of properties) if (property in all) chosen[property] = all[property]
  if (properties.includes('subParts') && children)
    chosen.subParts = children.map((child) => describePart(child, { blob, properties }))
  return chosen
}

/** The part that a client means by an id. */
export function findPart(root: BodyPart, partId: string): BodyPart | undefined {
  if (root.partId === partId) return root
  for (const child of root.children ?? []) {
    const found = findPart(child, partId)
    if (found) return found
  }
  return undefined
}

/** Every part that is no multipart, in order. */
export function* leaves(root: BodyPart): Generator<BodyPart> {
  if (!root.children) yield root
  for (const child of root.children ?? []) yield* leaves(child)
}
