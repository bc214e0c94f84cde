/**
 * The content of a post as the list sends it: parts removed, a footer added, the header written, or the whole wrapped.
 *
 * Invariants: a signed or encrypted body keeps every octet; parts that cannot be changed without loss stay unchanged;
 * content is a stream.
 */
import { createHash, randomUUID } from 'node:crypto'
import { type Dns, type ReadableMessage, splitContent } from 'iems'
import { dateText, type MimePart, type PartEditor, readStructure, rewriteMime } from 'iems/mime'
import type { MailingList } from './api.ts'
import { changesSigned, needsRewriting } from './dmarc.ts'
import { listFields, type PostFacts, pageOf, postHeader, subjectWith } from './fields.ts'
import { mailbox } from './letters.ts'
import { roleAddress } from './records.ts'
import { matches } from './roster.ts'
import type { Author } from './rules.ts'

/** Octets of a header; longer ones are refused. */
const MAX_HEADER = 512 * 1024

type Readable = Pick<ReadableMessage, 'open' | 'size' | 'headers' | 'findings'>

/** Signed or encrypted as a whole, or by PGP within its text. */
function isSealed({ type, subtype }: MimePart, start: string): boolean {
  if (type === 'multipart' && (subtype === 'signed' || subtype === 'encrypted')) return true
  if (type === 'application' && /^(?:x-)?pkcs7-|^pgp-/.test(subtype)) return true
  return type === 'text' && /^-----BEGIN PGP /m.test(start)
}

const START = 16_384

async function startOf(message: Readable, { body, end }: MimePart): Promise<string> {
  let text = ''
  for await (const chunk of message.open({ start: body, end: Math.min(end, body + START) }))
    text += Buffer.from(chunk).toString('latin1')
  return text
}

export function expandText(text: string, list: MailingList, site: string | undefined): string {
  const { address } = list
  return text
    .replaceAll('%list', address)
    .replaceAll('%page', site === undefined ? '' : pageOf(list, site))
    .replaceAll('%leave', roleAddress(address, 'leave'))
    .replaceAll('\\n', '\n')
}

async function* appended(text: AsyncIterable<string>, footer: string): AsyncGenerator<string> {
  let last = ''
  for await (const piece of text) {
    if (piece !== '') last = piece.at(-1) ?? ''
    yield piece
  }
  yield `${last === '' || last === '\n' ? '' : '\r\n'}-- \r\n${footer.replace(/\r?\n/g, '\r\n')}\r\n`
}

function editorFor(root: MimePart, removeTypes: readonly string[], footer: string): PartEditor {
  const last = root.type === 'multipart' && root.subtype === 'mixed' ? (root.parts?.length ?? 0) : 0
  const isFlowed = root.parameters.format?.toLowerCase() === 'flowed'
  return ({ part, path }) => {
    const isLeaf = part.type !== 'multipart'
    const isRemoved =
      isLeaf && path.length > 0 && removeTypes.some((one) => matches(one.toLowerCase(), `${part.type}/${part.subtype}`))
    const removal = isRemoved ? { remove: true as const } : undefined
    if (footer === '') return removal
    const below = [
      { type: 'text/plain', disposition: 'inline' as const, content: `-- \r\n${footer.replace(/\r?\n/g, '\r\n')}\r\n` },
    ]
    if (path.length === 0 && part.type === 'text' && part.subtype === 'plain' && !isFlowed)
      return { text: (text) => appended(text, footer) }
    if (path.length === 0 && last === 0) return { after: below }
    return path.length === 1 && path[0] === last ? { ...removal, after: below } : removal
  }
}

export interface Prepared {
  readonly open: () => AsyncIterable<Uint8Array>
  /** Base32 of the SHA-1 of the Message-ID, as Mailman has it. */
  readonly hash: string
  readonly messageId: string
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** RFC 4648 base32 of the SHA-1 of a Message-ID without its brackets: X-Message-ID-Hash. */
export function messageIdHash(messageId: string): string {
  const digest = createHash('sha1')
    .update(messageId.replace(/^\s*<|>\s*$/g, ''))
    .digest()
  let text = ''
  for (let bit = 0; bit < digest.length * 8; bit += 5) {
    const pair = ((digest[bit >> 3] as number) << 8) | (digest[(bit >> 3) + 1] ?? 0)
    text += ALPHABET[(pair >> (11 - (bit & 7))) & 31]
  }
  return text
}

export interface PrepareDeps {
  readonly dns: Dns
  readonly site: string | undefined
  readonly now: () => number
}

/** Everything but sending. Throws when the author's domain cannot be asked now. */
export async function preparePost(
  { dns, site, now }: PrepareDeps,
  given: {
    readonly list: MailingList
    readonly message: Readable
    readonly author: Author
    readonly number: number
    /** Lines of the header that are added above the others. */
    readonly seals?: readonly string[]
  },
): Promise<Prepared> {
  const { list, message, author, number, seals = [] } = given
  const { settings, address } = list
  const root = await readStructure((range) => message.open(range), message.size)
  const sealed = isSealed(root, await startOf(message, root))
  const footer = sealed ? '' : expandText(settings.footer, list, site)
  const removeTypes = sealed ? [] : settings.removeTypes
  const rewritten =
    footer === '' && removeTypes.length === 0
      ? undefined
      : await rewriteMime(message, editorFor(root, removeTypes, footer), { filter: { containers: true } })
  const open = rewritten?.content ?? (() => message.open())
  const [givenId] = message.headers.get('message-id')
  const messageId = givenId ?? `<${randomUUID()}@${address.slice(address.lastIndexOf('@') + 1)}>`
  const hash = messageIdHash(messageId)
  const facts: PostFacts = {
    list,
    site,
    number,
    author,
    messageId,
    seals,
    hash: settings.archive === 'none' ? undefined : hash,
    isRewritten: false,
    date: dateText({ at: now() }),
  }
  const isChanged = rewritten?.content !== undefined || (await breaksSignature(open, facts))
  const isStrict = settings.dmarc !== 'none' && (await needsRewriting(dns, message, author.address, isChanged))
  const final = { ...facts, isRewritten: isStrict && settings.dmarc === 'rewrite' }
  return {
    hash,
    messageId,
    open: () => (isStrict && settings.dmarc === 'wrap' ? wrapped(open, final, message) : written(open, final)),
  }
}

/** Whether the new header differs in what the author's signature covers. */
async function breaksSignature(open: () => AsyncIterable<Uint8Array>, facts: PostFacts): Promise<boolean> {
  const split = await splitContent(open(), MAX_HEADER)
  if (!split) return true
  const after = await splitContent(one(Buffer.from(postHeader(split.fields, facts), 'latin1')), 2 * MAX_HEADER)
  return !after || changesSigned(facts.author.address, split.fields, after.fields)
}

async function* one(octets: Uint8Array): AsyncGenerator<Uint8Array> {
  yield octets
}

async function* written(open: () => AsyncIterable<Uint8Array>, facts: PostFacts): AsyncGenerator<Uint8Array> {
  const split = await splitContent(open(), MAX_HEADER)
  if (!split) throw new Error(`the header of a post has more than ${MAX_HEADER} octets`)
  yield Buffer.from(postHeader(split.fields, facts), 'latin1')
  yield* split.body
}

/** The post as it came, within a message of the list. */
async function* wrapped(
  open: () => AsyncIterable<Uint8Array>,
  facts: PostFacts,
  { headers }: Readable,
): AsyncGenerator<Uint8Array> {
  const { list, author, number, date, messageId } = facts
  const { settings, address } = list
  const [subject = '(no subject)'] = headers.get('subject')
  const fields = [
    ...listFields(facts),
    `Sender: ${roleAddress(address, 'bounces')}`,
    `From: ${mailbox(`${author.name || author.address.split('@')[0]} via ${settings.description || address}`, address)}`,
    `To: ${address}`,
    `Reply-To: ${settings.replyTo === 'list' ? address : mailbox(author.name, author.address)}`,
    `Subject: ${subjectWith(settings.subjectPrefix, number, Buffer.from(subject).toString('latin1'))}`,
    `Message-ID: ${messageId}`,
    `Date: ${date}`,
    'MIME-Version: 1.0',
    'Content-Type: message/rfc822',
    'Content-Disposition: inline',
  ]
  yield Buffer.from(`${fields.join('\r\n')}\r\n\r\n`, 'latin1')
  yield* open()
}
