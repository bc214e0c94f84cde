/**
 * The header of a post as the list sends it on, field by field. Pure.
 *
 * Fields that are not named here stay octet for octet and in order.
 */
import type { RawField } from 'iems'
import { decodeWords } from 'iems/mime'
import type { MailingList } from './api.ts'
import { encodeText, mailbox } from './letters.ts'
import { listIdOf, roleAddress } from './records.ts'

/** Fields that the list sets itself, or that must not reach all members: receipts, passwords, what others say of a list. */
const DROPPED =
  /^(?:list-.*|x-loop|return-path|delivered-to|x-original-to|archived-at|sender|errors-to|precedence|disposition-notification-to|return-receipt-to|x-confirm-reading-to|x-pmrqc|approved|x-approved|approve|bcc|x-message-id-hash)$/i

export interface PostFacts {
  readonly list: MailingList
  readonly site: string | undefined
  readonly number: number
  /** Lines above all others. */
  readonly seals?: readonly string[]
  /** Base32 of the SHA-1 of the Message-ID, when the list has an archive. */
  readonly hash: string | undefined
  readonly author: { readonly address: string; readonly name: string }
  /** The author's domain asks receivers to reject modified mail. */
  readonly isRewritten: boolean
  readonly messageId: string
  readonly date: string
}

export const pageOf = (list: MailingList, site: string): string => `${site}/lists/${encodeURIComponent(list.address)}`
export const permalinkOf = (list: MailingList, site: string, hash: string): string =>
  `${pageOf(list, site)}/message/${hash}`

/** RFC 2369, 2919 and 5064: fields common to all members. */
export function listFields({ list, site, hash }: Pick<PostFacts, 'list' | 'site' | 'hash'>): string[] {
  const { address, settings } = list
  const page = site === undefined ? undefined : pageOf(list, site)
  const description = settings.description === '' ? '' : `${phrase(settings.description)} `
  const leave = `<mailto:${roleAddress(address, 'leave')}>`
  const archive = settings.archive === 'none' || page === undefined ? [] : [`List-Archive: <${page}>`]
  return [
    `List-Id: ${description}<${listIdOf(address)}>`,
    `List-Help: <mailto:${roleAddress(address, 'request')}?subject=help>`,
    `List-Owner: <mailto:${roleAddress(address, 'owner')}>`,
    `List-Post: ${settings.post === 'moderators' ? 'NO' : `<mailto:${address}>`}`,
    `List-Subscribe: <mailto:${roleAddress(address, 'join')}>`,
    `List-Unsubscribe: ${leave}`,
    ...archive,
    ...(archive.length > 0 && hash !== undefined && site !== undefined
      ? [`Archived-At: <${permalinkOf(list, site, hash)}>`]
      : []),
    'Precedence: list',
    `X-Loop: ${address}`,
  ]
}

/** A display name: quoted or encoded. */
function phrase(text: string): string {
  return /^[ -~]*$/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : encodeText(text)
}

/** The prefix, once, before the subject without earlier prefixes. Encoded words stay as they are where nothing is removed. */
export function subjectWith(prefix: string, number: number, raw: string): string {
  if (prefix === '') return raw
  const shown = prefix.replaceAll('%d', String(number))
  const text = decodeWords(Buffer.from(raw, 'latin1').toString()).replace(/\s+/g, ' ').trim()
  const [before = '', after = ''] = prefix.split('%d').map((one) => one.trim())
  const bare = withoutPrefix(text, before, prefix.includes('%d') ? after : undefined)
  if (bare === text && isAscii(raw) && isAscii(shown)) return `${shown} ${raw.trim()}`
  return encodeText(`${shown} ${bare}`)
}

const isAscii = (text: string) => /^[\t\r\n -~]*$/.test(text)

/** Earlier prefixes with whatever number go. */
function withoutPrefix(text: string, before: string, after: string | undefined): string {
  let rest = text
  for (let found = rest.indexOf(before); before !== '' && found >= 0; ) {
    let end = found + before.length
    if (after !== undefined) {
      const [digits = ''] = /^\s{0,5}\d{1,10}/.exec(rest.slice(end, end + 16)) ?? []
      if (digits === '' || !rest.startsWith(after, end + digits.length)) {
        found = rest.indexOf(before, end)
        continue
      }
      end += digits.length + after.length
    }
    rest = `${rest.slice(0, found)}${rest.slice(end).replace(/^ /, '')}`
    found = rest.indexOf(before, found)
  }
  return rest.trim()
}

/** The header of the post, with its blank line, as octets one character each. */
export function postHeader(fields: readonly RawField[], facts: PostFacts): string {
  const { list, author, isRewritten, number } = facts
  const { settings, address } = list
  const has = (name: string) => fields.some((one) => one.name.toLowerCase() === name)
  const repliesToList = settings.replyTo === 'list'
  const kept = fields.flatMap(({ name, value }) => {
    const known = name.toLowerCase()
    if (DROPPED.test(name)) return []
    if (known === 'subject') return [`${name}: ${subjectWith(settings.subjectPrefix, number, value.trim())}`]
    if (isRewritten && (known === 'from' || known === 'dkim-signature')) return []
    if (known === 'reply-to' && (repliesToList || isRewritten)) return []
    return [`${name}:${value}`]
  })
  const replies = [
    ...(repliesToList ? [address] : []),
    // Keeps an author reachable who is no longer in From.
    ...(isRewritten && !repliesToList ? [givenReplyTo(fields) ?? mailbox(author.name, author.address)] : []),
  ]
  const own = [
    ...listFields(facts),
    `Sender: ${roleAddress(address, 'bounces')}`,
    ...(isRewritten ? [`From: ${mailbox(viaName(author, list), address)}`, `X-Original-From: ${author.address}`] : []),
    ...(replies.length > 0 ? [`Reply-To: ${replies.join(', ')}`] : []),
    ...(isRewritten && repliesToList && !has('cc') ? [`Cc: ${mailbox(author.name, author.address)}`] : []),
    ...(has('subject') ? [] : [`Subject: ${subjectWith(settings.subjectPrefix, number, '(no subject)')}`]),
    ...(has('message-id') ? [] : [`Message-ID: ${facts.messageId}`]),
    ...(has('date') ? [] : [`Date: ${facts.date}`]),
  ]
  return `${[...(facts.seals ?? []), ...own, ...kept].join('\r\n')}\r\n\r\n`
}

function givenReplyTo(fields: readonly RawField[]): string | undefined {
  return fields.find(({ name }) => name.toLowerCase() === 'reply-to')?.value.trim()
}

function viaName({ name, address }: PostFacts['author'], { address: list, settings }: MailingList): string {
  const shown = name === '' ? address.slice(0, address.lastIndexOf('@')) : name
  return `${shown} via ${settings.description === '' ? list.slice(0, list.lastIndexOf('@')) : settings.description}`
}
