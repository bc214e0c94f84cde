/**
 * Builds a message from the properties of a new email (RFC 8621 section 4.6). The only file that imports nodemailer.
 *
 * Invariants: no value of a client breaks out of its field, and none names a file or URL to fetch.
 */
import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import MimeNode from 'nodemailer/lib/mime-node'
import * as z from 'zod'
import { invalidProperties } from '../errors.ts'
import { addressList, fieldsGiven, fieldsOf, type NewField } from './header-values.ts'
import { PART_PROPERTIES } from './parts.ts'

const addresses = addressList.nullish()
const ids = z.array(z.string().max(998)).max(1000).nullish()
const part: z.ZodType<NewPart> = z.lazy(() =>
  z.looseObject({
    partId: z.string().max(255).nullish(),
    blobId: z.string().max(255).nullish(),
    size: z.int().min(0).nullish(),
    name: z.string().max(1000).nullish(),
    // With the method of a calendar part (RFC 6047 section 2.4), by which mail programs know an answer.
    type: z
      .string()
      .regex(/^[a-z0-9!#$&^_.+-]{1,100}\/[a-z0-9!#$&^_.+-]{1,100}(?:; method=[a-z]{1,20})?$/i)
      .nullish(),
    charset: z.string().max(50).nullish(),
    disposition: z.string().max(50).nullish(),
    cid: z.string().max(500).nullish(),
    language: z.array(z.string().max(50)).max(20).nullish(),
    location: z.string().max(1000).nullish(),
    subParts: z.array(part).max(500).nullish(),
  }),
)
export interface NewPart {
  readonly partId?: string | null | undefined
  readonly blobId?: string | null | undefined
  readonly size?: number | null | undefined
  readonly name?: string | null | undefined
  readonly type?: string | null | undefined
  readonly charset?: string | null | undefined
  readonly disposition?: string | null | undefined
  readonly cid?: string | null | undefined
  readonly language?: readonly string[] | null | undefined
  readonly location?: string | null | undefined
  readonly subParts?: readonly NewPart[] | null | undefined
  /** `header:` properties. */
  readonly [property: string]: unknown
}
/** `headers` is only read: a client sets fields one by one. */
const NEW_PART_PROPERTIES: readonly string[] = PART_PROPERTIES.filter((name) => name !== 'headers')

const newEmail = z.looseObject({
  mailboxIds: z.record(z.string(), z.literal(true)),
  keywords: z.record(z.string(), z.literal(true)).default({}),
  receivedAt: z.iso.datetime().optional(),
  messageId: ids,
  inReplyTo: ids,
  references: ids,
  sender: addresses,
  from: addresses,
  to: addresses,
  cc: addresses,
  bcc: addresses,
  replyTo: addresses,
  subject: z.string().max(10_000).nullish(),
  sentAt: z.string().max(100).nullish(),
  bodyStructure: part.optional(),
  textBody: z.array(part).length(1).nullish(),
  htmlBody: z.array(part).length(1).nullish(),
  attachments: z.array(part).max(500).nullish(),
  bodyValues: z
    .record(
      z.string(),
      z.strictObject({
        value: z.string(),
        isEncodingProblem: z.literal(false).optional(),
        isTruncated: z.literal(false).optional(),
      }),
    )
    .default({}),
})
export type NewEmail = z.output<typeof newEmail>

const FIXED = ['id', 'blobId', 'threadId', 'size', 'hasAttachment', 'preview', 'headers']

/** Throws invalidProperties. */
export function readNewEmail(given: unknown): NewEmail {
  const read = newEmail.safeParse(given)
  if (!read.success)
    throw invalidProperties(
      [...new Set(read.error.issues.map(({ path }) => String(path[0])))],
      read.error.issues[0]?.message,
    )
  const known = Object.keys(newEmail.shape)
  const unknown = Object.keys(read.data).filter((name) => !known.includes(name) && !name.startsWith('header:'))
  if (unknown.length > 0 || FIXED.some((name) => name in read.data)) throw invalidProperties([...unknown])
  if (Object.keys(read.data.mailboxIds).length === 0)
    throw invalidProperties(['mailboxIds'], 'An email is in a mailbox')
  if (read.data.bodyStructure && (read.data.textBody || read.data.htmlBody || read.data.attachments))
    throw invalidProperties(['bodyStructure'], 'Give the structure or the lists of parts, not both')
  checkParts(read.data)
  return read.data
}

/** RFC 8621 section 4.6: what the parts of a new email may say. */
function checkParts({ bodyStructure, textBody, htmlBody, attachments, bodyValues }: NewEmail): void {
  const check = (property: string, one: NewPart, type?: string) => {
    const refuse = (why: string, name = property) => {
      throw invalidProperties([name], why)
    }
    const unknown = Object.keys(one).find((name) => !NEW_PART_PROPERTIES.includes(name) && !name.startsWith('header:'))
    if (unknown !== undefined) refuse(`A part cannot have ${unknown}`, `${property}/${unknown}`)
    if (type && one.type && one.type.toLowerCase() !== type) refuse(`The part must be ${type}`)
    if (one.partId && one.blobId) refuse('A part has a partId or a blobId, not both')
    if (one.partId && (one.charset || one.size)) refuse('A part with a partId has neither charset nor size')
    if (one.partId && !Object.hasOwn(bodyValues, one.partId))
      refuse(`There is no value for the part ${one.partId}`, 'bodyValues')
    for (const below of one.subParts ?? []) check(property, below)
  }
  if (bodyStructure) check('bodyStructure', bodyStructure)
  for (const one of textBody ?? []) check('textBody', one, 'text/plain')
  for (const one of htmlBody ?? []) check('htmlBody', one, 'text/html')
  for (const one of attachments ?? []) check('attachments', one)
}

export type OpenBlob = (blobId: string) => Promise<() => AsyncIterable<Uint8Array>>

interface Composing {
  readonly email: NewEmail
  readonly openBlob: OpenBlob
  readonly hostname: string
  readonly now: number
}

/** The message, octet by octet. Throws `ObjectError`. */
export async function compose(parts: Composing): Promise<AsyncIterable<Uint8Array>> {
  const { email, hostname, now } = parts
  const structure = email.bodyStructure ?? structureOf(email)
  const own = fieldsOf(email)
  const given = fieldsGiven(email)
  const root = await node(structure, undefined, { ...parts, given })
  const sent = email.sentAt ? new Date(email.sentAt) : new Date(now)
  if (Number.isNaN(sent.getTime())) throw invalidProperties(['sentAt'], 'A date such as 2026-01-01T10:00:00Z')
  const isGiven = (field: string) => given.has(field) || root.getHeader(field) !== undefined
  const [id = `${randomUUID()}@${hostname}`] = email.messageId ?? []
  if (email.sentAt || !isGiven('date')) root.setHeader('Date', sent)
  if (email.messageId?.length || !isGiven('message-id')) root.setHeader('Message-ID', `<${id}>`)
  setFields(root, email)
  addFields(root, own)
  return root.createReadStream() as Readable
}

const plain = (text: string) => text.replace(/[\r\n\0]+/g, ' ')
const idList = (given: readonly string[]) => given.map((id) => `<${plain(id).replace(/[<>]/g, '')}>`).join(' ')

function setFields(root: MimeNode, email: NewEmail): void {
  const lists = {
    From: email.from,
    Sender: email.sender,
    To: email.to,
    Cc: email.cc,
    Bcc: email.bcc,
    'Reply-To': email.replyTo,
  }
  for (const [name, given] of Object.entries(lists))
    if (given && given.length > 0)
      root.setHeader(
        name,
        given.map(({ name: display, email: mailbox }) => ({ name: plain(display ?? ''), address: plain(mailbox) })),
      )
  if (email.subject) root.setHeader('Subject', plain(email.subject))
  if (email.inReplyTo)
    root.setHeader('In-Reply-To', { prepared: true, foldLines: true, value: idList(email.inReplyTo) })
  // The library formats and folds this field itself; of an object it would write "[object Object]".
  if (email.references) root.setHeader('References', idList(email.references))
}

/** Fields that the library formats itself. */
const FORMATTED = /^(?:from|sender|reply-to|to|cc|bcc|references)$/i

function addFields(to: MimeNode, fields: readonly NewField[]): void {
  for (const { name, value } of fields)
    to.addHeader(name, FORMATTED.test(name) ? value : { prepared: true, foldLines: true, value })
}

/** The usual tree for text, HTML and attachments; inline parts are siblings of the HTML that shows them. */
function structureOf({ textBody, htmlBody, attachments }: NewEmail): NewPart {
  const all = attachments ?? []
  const inline = htmlBody?.length ? all.filter(({ cid, disposition }) => cid && disposition !== 'attachment') : []
  const others = all.filter((one) => !inline.includes(one))
  const html = htmlBody?.map((one) => ({ ...one, type: 'text/html' })) ?? []
  const related: NewPart[] = inline.length > 0 ? [{ type: 'multipart/related', subParts: [...html, ...inline] }] : html
  const texts: NewPart[] = [...(textBody?.map((one) => ({ ...one, type: 'text/plain' })) ?? []), ...related]
  const body: NewPart =
    texts.length > 1 ? { type: 'multipart/alternative', subParts: texts } : (texts[0] ?? { type: 'text/plain' })
  return others.length > 0 ? { type: 'multipart/mixed', subParts: [body, ...others] } : body
}

const MAX_DEPTH = 20

/** `given`: fields that the email's own properties give; the outermost part must not repeat them. */
type Composed = Composing & { readonly given: ReadonlySet<string> }

async function node(one: NewPart, parent: MimeNode | undefined, parts: Composed, depth = 0): Promise<MimeNode> {
  if (depth > MAX_DEPTH) throw invalidProperties(['bodyStructure'], 'The structure is too deep')
  const given = one.type ?? (one.partId ? 'text/plain' : 'application/octet-stream')
  const type = given.replace(/^[^;]{1,201}/, (essence) => essence.toLowerCase())
  const options = {
    disableFileAccess: true,
    disableUrlAccess: true,
    keepBcc: true,
    newline: 'win',
    ...(one.name ? { filename: plain(one.name) } : {}),
  }
  const made = parent ? parent.createChild(type, options) : new MimeNode(type, options)
  if (one.disposition && one.name === undefined) made.setHeader('Content-Disposition', plain(one.disposition))
  if (one.disposition && one.name) made.setHeader('Content-Disposition', dispositionOf(one.disposition))
  if (one.cid) made.setHeader('Content-ID', `<${plain(one.cid).replace(/[<>]/g, '')}>`)
  if (one.language?.length) made.setHeader('Content-Language', plain(one.language.join(', ')))
  if (one.location) made.setHeader('Content-Location', plain(one.location))
  addFields(made, fieldsOf(one, { isPart: true, ...(parent ? {} : { taken: parts.given }) }))
  if (type.startsWith('multipart/')) {
    for (const child of one.subParts ?? []) await node(child, made, parts, depth + 1)
    return made
  }
  await fill(made, one, parts)
  return made
}

/** The file name comes from the node. */
const dispositionOf = (given: string) => (given === 'inline' ? 'inline' : 'attachment')

async function fill(made: MimeNode, one: NewPart, { email, openBlob }: Composing): Promise<void> {
  if (one.blobId) {
    const open = await openBlob(one.blobId)
    made.setContent(Readable.from(open()))
    if (!one.type?.startsWith('text/')) made.setHeader('Content-Transfer-Encoding', 'base64')
    return
  }
  const value = one.partId ? email.bodyValues[one.partId]?.value : ''
  if (value === undefined) throw invalidProperties(['bodyValues'], `There is no value for the part ${one.partId}`)
  made.setContent(value)
}
