/**
 * Posts of the archive as pages show them: a row, the text with its quotations, and the files.
 *
 * Invariants: addresses are masked; text is bounded, and never markup; a file is offered for download and never shown.
 */
import { attachmentName, baseName, decodeCharset, decodeWords, fromHtml, gather, type MimePart } from 'iems/mime'
import { type Html, type HtmlValue, html } from '../../web/http/api.ts'
import type { MailingList } from '../api.ts'
import type { Archive } from '../archive.ts'
import { messageIdHash } from '../content.ts'
import { textPart } from '../digests.ts'
import { masked } from './layout.ts'
import { pageLanguage, wordsOf } from './words.ts'

const MAX_TEXT = 262_144
const MAX_PARTS = 200
const MAX_LINK = 2000

export interface Row {
  readonly email: string
  readonly received: number
}

/** The row of a post. */
export async function digestOf(archive: Archive, { email, received }: Row) {
  const digest = await (await archive.email(email))?.digest()
  const [from] = digest?.envelope.from ?? []
  const name = from?.name ? decodeWords(from.name) : `${from?.mailbox ?? ''}@…`
  const messageId = digest?.messageId ?? ''
  return {
    subject: masked(decodeWords(digest?.envelope.subject ?? '')),
    author: masked(name),
    at: new Date(digest?.sent ?? received),
    hash: messageIdHash(messageId),
    messageId,
    references: digest?.references ?? [],
    preview: masked(digest?.preview ?? ''),
  }
}
export type Digest = Awaited<ReturnType<typeof digestOf>>

export const dayOf = (at: Date): string =>
  Number.isNaN(at.getTime()) ? '' : at.toISOString().slice(0, 16).replace('T', ' ')

const LOCALES = { en: 'en-GB', de: 'de', fr: 'en-GB', es: 'en-GB' } as const
const shownBy = (list: MailingList, options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat(LOCALES[pageLanguage(list.settings.language)], { timeZone: 'UTC', ...options })
const DAY = { day: 'numeric', month: 'long', year: 'numeric' } as const
const TIME = { hour: '2-digit', minute: '2-digit' } as const

/** Texts of dates in UTC, in the language of a list. */
export function datesOf(list: MailingList) {
  const time = shownBy(list, { ...DAY, ...TIME })
  const month = shownBy(list, { month: 'long', year: 'numeric' })
  return {
    /** For people and for programs. */
    time: (at: Date): HtmlValue =>
      Number.isNaN(at.getTime()) ? '' : html`<time datetime="${at.toISOString()}">${time.format(at)}</time>`,
    /** `2026-11` as `November 2026`. */
    month: (of: string): string => month.format(new Date(`${of}-01T00:00:00Z`)),
  }
}

export interface PostFile {
  readonly index: number
  readonly name: string
  readonly part: MimePart
}

/** Leaves but the text that the page shows, in order of the message. */
export function filesOf(root: MimePart): readonly PostFile[] {
  const text = textPart(root)
  const stack = [root]
  const files: PostFile[] = []
  for (let count = 0; count < MAX_PARTS; count++) {
    const part = stack.pop()
    if (!part) break
    if (part.type === 'multipart') stack.push(...[...(part.parts ?? [])].reverse())
    else if (part !== text && !isAlternative(part)) {
      const given = attachmentName(part)
      files.push({ index: files.length, part, name: baseName(given ?? `${part.type}.${part.subtype}`) })
    }
  }
  return files
}

/** Other forms of the text, and seals that only programs read. */
const isAlternative = ({ type, subtype, disposition }: MimePart) =>
  disposition?.type !== 'attachment' &&
  ((type === 'text' && (subtype === 'plain' || subtype === 'html')) ||
    /^(?:pgp|pkcs7|x-pkcs7)-signature$/.test(subtype))

/** The visible text of a post, its addresses as they are. */
export async function textOf(archive: Archive, id: string): Promise<string> {
  const email = await archive.email(id)
  const part = email && textPart(await email.structure())
  const decoded = part && email.decoded(part)
  const text = decoded ? decodeCharset(await gather(decoded, MAX_TEXT), part.parameters.charset ?? '') : ''
  return (part?.subtype === 'html' ? fromHtml(text) : text).replace(/\r\n?/g, '\n').trimEnd()
}

/** Text with links, and quoted lines as quotations. */
export function shownText(text: string): HtmlValue {
  const runs: { isQuoted: boolean; lines: string[] }[] = []
  for (const line of masked(text).split('\n')) {
    const isQuoted = line.startsWith('>')
    if (runs.at(-1)?.isQuoted !== isQuoted) runs.push({ isQuoted, lines: [] })
    runs.at(-1)?.lines.push(isQuoted ? line.replace(/^> ?/, '') : line)
  }
  return runs.map(({ isQuoted, lines }) => {
    const first = lines.findIndex((line) => line !== '')
    if (first < 0) return ''
    const shown = lines.slice(first, lines.findLastIndex((line) => line !== '') + 1).join('\n')
    return isQuoted ? html`<blockquote>${linked(shown)}</blockquote>` : html`<div class="text">${linked(shown)}</div>`
  })
}

function linked(text: string): HtmlValue {
  const parts: HtmlValue[] = []
  let end = 0
  for (const found of text.matchAll(/\bhttps?:\/\/[^\s<>"']+/g)) {
    const url = found[0].replace(/[.,;:!?)\]]$/, '')
    if (url.length > MAX_LINK || !URL.canParse(url)) continue
    parts.push(text.slice(end, found.index), html`<a href="${url}" rel="nofollow noopener ugc">${url}</a>`)
    end = found.index + url.length
  }
  return [...parts, text.slice(end)]
}

/** The subject, or words in its place. */
export const subjectOf = (list: MailingList, { subject }: Pick<Digest, 'subject'>): string =>
  subject || wordsOf(list)('(no subject)')

/** Rows of a list of posts: subject, author, date, and the answers to it. */
export function rowsOf(
  list: MailingList,
  rows: readonly (Digest & { readonly href: string; readonly replies?: number })[],
): Html {
  const t = wordsOf(list)
  const dates = datesOf(list)
  const answers = (count: number) => (count > 0 ? `, ${t(count === 1 ? '{} answer' : '{} answers', count)}` : '')
  return html`<ul class="rows">${rows.map(
    (row) =>
      html`<li><a href="${row.href}">${subjectOf(list, row)}</a>${dates.time(row.at)}<span class="who">${row.author}${answers(row.replies ?? 0)}</span></li>`,
  )}</ul>`
}
