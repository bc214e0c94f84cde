/**
 * Properties of emails (RFC 8621 section 4.1): which there are, and their values from the digest, the header and the
 * parts.
 *
 * Invariant: only requested properties are read.
 */
import { createSources, decodePart, gather, partBody, preview, readStructure } from 'iems/mime'
import type { AccountEmail, Email } from '../../../mailbox/store/api.ts'
import type { JmapObject } from '../api.ts'
import { blobIdOfEmail } from '../blob/ids.ts'
import { MethodError } from '../errors.ts'
import {
  type Form,
  formed,
  headerValue,
  type RawHeaderField,
  rawValues,
  readHeaderProperty,
  readRawFields,
} from './header-forms.ts'
import {
  type BodyLists,
  type BodyPart,
  bodyLists,
  bodyParts,
  DEFAULT_PART_PROPERTIES,
  describePart,
  leaves,
} from './parts.ts'

export const DEFAULT_PROPERTIES = [
  'id',
  'blobId',
  'threadId',
  'mailboxIds',
  'keywords',
  'size',
  'receivedAt',
  'messageId',
  'inReplyTo',
  'references',
  'sender',
  'from',
  'to',
  'cc',
  'bcc',
  'replyTo',
  'subject',
  'sentAt',
  'hasAttachment',
  'preview',
  'bodyValues',
  'textBody',
  'htmlBody',
  'attachments',
] as const
const OTHERS = ['headers', 'bodyStructure']

/** Convenience properties: a field in a form. */
const FIELDS: Readonly<Record<string, readonly [field: string, form: Form]>> = {
  messageId: ['message-id', 'MessageIds'],
  inReplyTo: ['in-reply-to', 'MessageIds'],
  references: ['references', 'MessageIds'],
  sender: ['sender', 'Addresses'],
  from: ['from', 'Addresses'],
  to: ['to', 'Addresses'],
  cc: ['cc', 'Addresses'],
  bcc: ['bcc', 'Addresses'],
  replyTo: ['reply-to', 'Addresses'],
  subject: ['subject', 'Text'],
  sentAt: ['date', 'Date'],
}

export interface BodyWishes {
  readonly bodyProperties?: readonly string[] | undefined
  readonly fetchTextBodyValues?: boolean | undefined
  readonly fetchHTMLBodyValues?: boolean | undefined
  readonly fetchAllBodyValues?: boolean | undefined
  readonly maxBodyValueBytes?: number | undefined
}

/** Throws invalidArguments for a property that there is not. */
export function checkProperties(properties: readonly string[]): void {
  for (const name of properties) {
    if (name.startsWith('header:')) readHeaderProperty(name)
    else if (!(DEFAULT_PROPERTIES as readonly string[]).includes(name) && !OTHERS.includes(name))
      throw new MethodError('invalidArguments', `no property ${name.slice(0, 300)}`)
  }
}

const needsHeader = (name: string) => name in FIELDS || name === 'headers' || name.startsWith('header:')
const BODY = new Set(['bodyStructure', 'bodyValues', 'textBody', 'htmlBody', 'attachments'])

/** Facts of the store. */
export function factsOf({ id, thread, places, keywords, size, received }: AccountEmail): Record<string, unknown> {
  return {
    id,
    blobId: blobIdOfEmail(id),
    threadId: thread,
    mailboxIds: Object.fromEntries(places.map(({ mailbox }) => [mailbox, true])),
    keywords: Object.fromEntries(keywords.map((keyword) => [keyword, true])),
    size,
    receivedAt: `${new Date(received).toISOString().slice(0, 19)}Z`,
  }
}

export interface ReadEmail {
  /** As the parts' blob ids name it. */
  readonly blob: string
  readonly facts: Readonly<Record<string, unknown>>
  readonly content: Email | ParsedContent
}

/** A message that no mailbox holds, as Email/parse reads it. */
export interface ParsedContent extends Pick<Email, 'open' | 'header' | 'structure'> {
  digest(): Promise<{ readonly preview: string; readonly hasAttachments: boolean }>
}

const MAX_HEADER = 1024 * 1024

export function parsedContent(octets: Buffer): ParsedContent {
  const open: ParsedContent['open'] = async function* (range = { start: 0, end: octets.length }) {
    yield octets.subarray(range.start, range.end)
  }
  const structure = readStructure(open, octets.length)
  return {
    open,
    structure: () => structure,
    async header() {
      const { body } = await structure
      return octets.subarray(0, Math.min(body, MAX_HEADER))
    },
    async digest() {
      const found = await structure
      return {
        preview: await preview({ open }, found),
        hasAttachments: bodyLists(bodyParts(found)).attachments.length > 0,
      }
    },
  }
}

export async function readProperties(
  { blob, facts, content }: ReadEmail,
  properties: readonly string[],
  wishes: BodyWishes,
): Promise<JmapObject> {
  const found: Record<string, unknown> = { id: facts.id }
  const fields = properties.some(needsHeader) ? readRawFields((await content.header()) ?? new Uint8Array()) : []
  if (properties.includes('preview') || properties.includes('hasAttachment')) {
    const { preview, hasAttachments } = await content.digest()
    found.preview = preview
    found.hasAttachment = hasAttachments
  }
  if (properties.some((name) => BODY.has(name)))
    Object.assign(found, await bodyProperties({ blob, content }, properties, wishes))
  for (const name of properties) {
    if (name in facts) found[name] = facts[name]
    else if (needsHeader(name)) found[name] = headerProperty(name, fields)
  }
  const chosen = Object.fromEntries(properties.flatMap((name) => (name in found ? [[name, found[name]]] : [])))
  return { ...chosen, id: found.id } as JmapObject
}

function headerProperty(name: string, fields: readonly RawHeaderField[]): unknown {
  if (name === 'headers') return fields.map(({ name: field, value }) => ({ name: field, value }))
  if (name.startsWith('header:')) return headerValue(readHeaderProperty(name), fields)
  const [field = '', form = 'Raw'] = FIELDS[name] ?? []
  const last = rawValues(fields, field).at(-1)
  return last === undefined ? null : formed(last, form)
}

async function bodyProperties(
  { blob, content }: Pick<ReadEmail, 'blob' | 'content'>,
  properties: readonly string[],
  wishes: BodyWishes,
): Promise<Record<string, unknown>> {
  const root = bodyParts(await content.structure())
  const lists = bodyLists(root)
  const given = wishes.bodyProperties ?? DEFAULT_PART_PROPERTIES
  const described = async (part: BodyPart) => {
    const plain = describePart(part, { blob, properties: given })
    const wanted = given.filter((name) => name === 'headers' || name.startsWith('header:'))
    return wanted.length === 0 ? plain : { ...plain, ...(await partHeaders(content, part, wanted)) }
  }
  const all = (parts: readonly BodyPart[]) => Promise.all(parts.map(described))
  return {
    bodyStructure: properties.includes('bodyStructure')
      ? describePart(root, { blob, properties: [...given, 'subParts'] })
      : undefined,
    bodyValues: await bodyValues(content, valuesWanted(root, lists, wishes), wishes.maxBodyValueBytes ?? 0),
    textBody: await all(lists.textBody),
    htmlBody: await all(lists.htmlBody),
    attachments: await all(lists.attachments),
  }
}

async function partHeaders(content: ParsedContent, { part }: BodyPart, wanted: readonly string[]) {
  const source = createSources(content)(part)
  const octets = await gather(source.open({ start: part.header, end: part.body }), MAX_PART_HEADER)
  const fields = readRawFields(octets)
  return Object.fromEntries(wanted.map((name) => [name, headerProperty(name, fields)]))
}

const MAX_PART_HEADER = 65_536
/** Octets of all body values of an email, whatever a client asks for. */
const MAX_VALUES = 8 * 1024 * 1024

function valuesWanted(root: BodyPart, lists: BodyLists, wishes: BodyWishes): readonly BodyPart[] {
  const isText = ({ part }: BodyPart) => part.type === 'text'
  if (wishes.fetchAllBodyValues) return [...leaves(root)].filter(isText)
  const wanted = new Set<BodyPart>()
  if (wishes.fetchTextBodyValues) for (const part of lists.textBody) wanted.add(part)
  if (wishes.fetchHTMLBodyValues) for (const part of lists.htmlBody) wanted.add(part)
  return [...wanted].filter(isText)
}

async function bodyValues(content: ParsedContent, parts: readonly BodyPart[], most: number) {
  const values: Record<string, object> = {}
  const sourceOf = createSources(content)
  let left = MAX_VALUES
  for (const { partId, part } of parts) {
    const decoded = partBody(sourceOf(part), part)
    // An encoding that is not known is mostly none: what is there can be read.
    const source = decoded ?? sourceOf(part).open({ start: part.body, end: part.end })
    const limit = most > 0 ? Math.min(most, left) : left
    // A character has at most four octets, and none is to be cut.
    const octets = await gather(source, limit + 4)
    left = Math.max(0, left - octets.length)
    const text = decodePart(octets, part).replace(/\r\n?/g, '\n')
    const isTruncated = Buffer.byteLength(text) > limit
    values[partId as string] = {
      value: isTruncated ? cutAt(text, limit) : text,
      isEncodingProblem: decoded === undefined || text.includes('\ufffd'),
      isTruncated,
    }
  }
  return values
}

/** The beginning of a text, in octets of UTF-8, without half a character. */
function cutAt(text: string, octets: number): string {
  const bytes = Buffer.from(text)
  let end = Math.min(octets, bytes.length)
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.subarray(0, end).toString()
}
