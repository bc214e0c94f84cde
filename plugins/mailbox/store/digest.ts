/**
 * The digest of an email: what message lists, SORT and THREAD need of it, made of its content and kept as a record.
 *
 * Pure. Invariants: a digest depends on the content alone, so it is never stale; its size has a bound, whatever the
 * message. A change to what is computed here needs a new DIGEST_VERSION, and digests are then made again when needed.
 */
import { decodeWords, envelopeOf, type Fields, preview, readDate, readFields, readLong } from 'iems/mime'
import type { Digest, Email, Envelope, EnvelopeAddress, MimePart } from './api.ts'
import { collate } from './query/collation.ts'
import { baseSubject, isReply, messageIds } from './query/subject.ts'

export const DIGEST_VERSION = 1

/** Collated keys for sorting and threading (RFC 5256). */
export interface SortKeys {
  /** Of the Date field, ms since 1970, and midnight UTC of the day that it names. */
  readonly sent?: number
  readonly day?: number
  readonly subject: string
  readonly isReply: boolean
  readonly from: string
  readonly to: string
  readonly cc: string
  readonly displayFrom: string
  readonly displayTo: string
  readonly id?: string
  /** Of References, or else the first of In-Reply-To. */
  readonly references: readonly string[]
}

export interface DigestRecord {
  readonly v: number
  /** Absent when it would be longer than MAX_ENVELOPE. */
  readonly envelope?: Envelope
  readonly keys: SortKeys
  /** Absent until the body has been read. */
  readonly body?: Pick<Digest, 'preview' | 'hasAttachments'>
}

/** Maximum characters of a stored envelope; longer ones are read from the header. */
const MAX_ENVELOPE = 16_384
/** References of one message that are followed: the nearest. */
const MAX_REFERENCES = 100
/** Characters of all other texts that are compared. */
const MAX_TEXT = 1000

function display(one: EnvelopeAddress | undefined): string {
  return text(decodeWords(one?.name ?? (one?.mailbox ? `${one.mailbox}@${one.host ?? ''}` : '')))
}

const text = (value: string) => collate(value.slice(0, MAX_TEXT))

/** From the header alone. */
export async function digestHeader(email: Pick<Email, 'header' | 'structure'>): Promise<DigestRecord> {
  const header = await email.header()
  return header ? digestFields(readFields(header)) : digestEnvelope((await email.structure()).envelope ?? NO_ENVELOPE)
}

export const digestFields = (fields: Fields): DigestRecord =>
  digestEnvelope(envelopeOf(fields), fields.last('references'))

function digestEnvelope(envelope: Envelope, referred?: string): DigestRecord {
  const { date, subject = '', from, to, cc, inReplyTo, messageId } = envelope
  const decoded = decodeWords(subject)
  const sent = readDate(date)
  const references = messageIds(referred)
  const [id] = messageIds(messageId)
  const keys: SortKeys = {
    ...(sent ? { sent: sent.at, day: sent.day } : {}),
    subject: collate(baseSubject(decoded)),
    isReply: isReply(decoded),
    from: text(from[0]?.mailbox ?? ''),
    to: text(to[0]?.mailbox ?? ''),
    cc: text(cc[0]?.mailbox ?? ''),
    displayFrom: display(from[0]),
    displayTo: display(to[0]),
    ...(id === undefined ? {} : { id }),
    references: references.length > 0 ? references.slice(-MAX_REFERENCES) : messageIds(inReplyTo).slice(0, 1),
  }
  const isShort = JSON.stringify(envelope).length <= MAX_ENVELOPE
  return { v: DIGEST_VERSION, ...(isShort ? { envelope } : {}), keys }
}

/** The envelope of an email whose digest has none. */
export async function readEnvelope(email: Pick<Email, 'header' | 'structure'>): Promise<Envelope> {
  const header = await email.header()
  return header ? envelopeOf(readFields(header)) : ((await email.structure()).envelope ?? NO_ENVELOPE)
}

const NO_ENVELOPE: Envelope = { from: [], sender: [], replyTo: [], to: [], cc: [], bcc: [] }

/** From the body. */
export async function digestBody(email: Pick<Email, 'open' | 'structure'>): Promise<NonNullable<DigestRecord['body']>> {
  const structure = await email.structure()
  return { preview: await preview(email, structure), hasAttachments: hasAttachments(structure) }
}

/** Signatures, encrypted parts and images inside HTML are not attachments. */
function hasAttachments(structure: MimePart): boolean {
  const stack = [structure]
  for (let part = stack.pop(); part; part = stack.pop()) {
    if (part.type === 'multipart') {
      // RFC 1847: the second part of both is for programs, and the first of an encrypted one as well.
      const isWrapped = part.subtype === 'signed' || part.subtype === 'encrypted'
      stack.push(...(part.parts ?? []).slice(0, isWrapped ? 1 : undefined))
    } else if (isAttachment(part, structure)) return true
  }
  return false
}

function isAttachment(part: MimePart, structure: MimePart): boolean {
  const { type, subtype, disposition, id, parameters } = part
  if (disposition?.type === 'attachment') return true
  // RFC 8551, RFC 3156: a signature and the version of an encrypted message.
  if (type === 'application' && /^(?:x-)?(?:pkcs7-|pgp-)/.test(subtype)) return false
  if (type === 'message') return part !== structure && subtype !== 'delivery-status'
  const isNamed = (disposition && readLong(disposition.parameters, 'filename')) ?? readLong(parameters, 'name')
  if (isNamed === undefined) return type !== 'text' && disposition?.type !== 'inline' && id === undefined
  return !(type === 'image' && (id !== undefined || disposition?.type === 'inline'))
}

/** As the users of the store get it. */
export function digestOf({
  envelope,
  keys,
  body,
}: DigestRecord & Required<Pick<DigestRecord, 'body' | 'envelope'>>): Digest {
  const { id, sent, references } = keys
  return {
    envelope,
    ...body,
    ...(id === undefined ? {} : { messageId: id }),
    ...(sent === undefined ? {} : { sent }),
    references,
  }
}
