/**
 * The views of an archive: months, threads, posts, authors, the latest and the starred posts, and search.
 *
 * Invariants: a view shows a bounded number of posts; text of senders is escaped.
 */
import { formatSize } from 'iems'
import { type Html, HttpProblem, html } from '../../web/http/api.ts'
import type { MailingList } from '../api.ts'
import type { Archive, Found } from '../archive.ts'
import { page, pager, pathOf, titleOf } from './layout.ts'
import {
  type Digest,
  datesOf,
  dayOf,
  digestOf,
  filesOf,
  type Row,
  rowsOf,
  shownText,
  subjectOf,
  textOf,
} from './post-row.ts'
import { wordsOf } from './words.ts'

export const MAX_ROWS = 100
const MAX_THREAD = 100
const MAX_DEPTH = 4
/** Authors of a month that have a heading. */
const MAX_AUTHORS = 500

/** The person who looks. */
export interface Viewer {
  readonly account: string | undefined
  readonly isMember: boolean
  readonly moderates: boolean
}

const isPrivate = ({ settings }: MailingList) => settings.archive !== 'public'
const countOf = (list: MailingList, count: number) => wordsOf(list)(count === 1 ? '{} post' : '{} posts', count)

export const VIEWS = ['threads', 'authors', 'dates'] as const

function views(list: MailingList, month: string, current: (typeof VIEWS)[number]): Html {
  const t = wordsOf(list)
  const names = { threads: t('Threads'), authors: t('Authors'), dates: t('Dates') }
  return html`<nav class="views" aria-label="${t('Views')}">${VIEWS.map((view) => html`<a href="${pathOf(list)}/month/${month}?by=${view}"${view === current ? html` aria-current="page"` : ''}>${names[view]}</a>`)}</nav>`
}

/** Months beside every view. */
async function monthsAside(archive: Archive, list: MailingList, viewer: Viewer): Promise<Html> {
  const months = await archive.months(list)
  const path = pathOf(list)
  const t = wordsOf(list)
  const dates = datesOf(list)
  return html`<section><h2>${t('Archive')}</h2><ul class="toc"><li><a href="${path}/recent">${t('Latest posts')}</a></li>${viewer.account === undefined ? '' : html`<li><a href="${path}/starred">${t('Starred posts')}</a></li>`}${months.map(({ month, posts }) => html`<li><a href="${path}/month/${month}">${dates.month(month)}</a><span class="t3">${posts}</span></li>`)}</ul></section>`
}

export async function monthPage(
  archive: Archive,
  list: MailingList,
  { month, by, current, viewer }: { month: string; by: (typeof VIEWS)[number]; current: number; viewer: Viewer },
): Promise<Html> {
  const t = wordsOf(list)
  const start = (current - 1) * MAX_ROWS
  let count = 0
  const threads = new Map<string, Row & { replies: number }>()
  for await (const entry of archive.month(list, month)) {
    count++
    const known = by === 'threads' ? threads.get(entry.thread) : undefined
    if (known) known.replies++
    else threads.set(by === 'threads' ? entry.thread : entry.email, { ...entry, replies: 0 })
  }
  const all = [...threads.values()].reverse()
  const shown = by === 'authors' ? all.slice(0, MAX_ROWS * 10) : all.slice(start, start + MAX_ROWS)
  const rows = await Promise.all(shown.map(async (row) => withLink(list, row, await digestOf(archive, row), by)))
  const path = `${pathOf(list)}/month/${month}`
  const body = html`${views(list, month, by)}${by === 'authors' ? byAuthor(list, rows) : rowsOf(list, rows)}${by === 'authors' ? '' : pager(list, `${path}?by=${by}`, current, all.length > start + MAX_ROWS)}<p class="foot">${t('Addresses are hidden from programs that collect them.')} <a href="${pathOf(list)}/atom">Atom</a> · <a href="${pathOf(list)}/mbox/${month}">${t('Month as mbox')}</a></p>`
  return page({
    title: datesOf(list).month(month),
    list,
    isPrivate: isPrivate(list),
    meta: `${countOf(list, count)}${by === 'threads' ? ` ${t(all.length === 1 ? 'in {} thread' : 'in {} threads', all.length)}` : ''}`,
    body,
    aside: await monthsAside(archive, list, viewer),
  })
}

type Linked = Digest & { readonly href: string; readonly replies: number }

const withLink = (list: MailingList, row: { replies?: number }, digest: Digest, by: string): Linked => ({
  ...digest,
  replies: row.replies ?? 0,
  href: `${pathOf(list)}/${by === 'threads' ? 'thread' : 'message'}/${digest.hash}`,
})

function byAuthor(list: MailingList, rows: readonly Linked[]): Html {
  const authors = Object.entries(Object.groupBy(rows, ({ author }) => author))
    .sort(([a], [b]) => a.localeCompare(b, 'en'))
    .slice(0, MAX_AUTHORS)
  return html`${authors.map(([author, posts = []]) => html`<section class="part"><h2>${author} <span class="t3">${posts.length}</span></h2>${rowsOf(list, posts)}</section>`)}`
}

/** The latest posts, or those that a person has starred. */
export async function postsPage(
  archive: Archive,
  list: MailingList,
  { title, rows, viewer, empty }: { title: string; rows: readonly Row[]; viewer: Viewer; empty: string },
): Promise<Html> {
  const shown = await Promise.all(rows.map(async (row) => withLink(list, {}, await digestOf(archive, row), 'dates')))
  return page({
    title,
    list,
    isPrivate: true,
    meta: countOf(list, rows.length),
    body: rows.length === 0 ? html`<p class="note">${empty}</p>` : rowsOf(list, shown),
    aside: await monthsAside(archive, list, viewer),
  })
}

export async function searchPage(
  archive: Archive,
  list: MailingList,
  { text, viewer, signal }: { text: string; viewer: Viewer; signal: AbortSignal },
): Promise<Html> {
  const t = wordsOf(list)
  const isAsked = text.trim() !== ''
  const { posts: results, isAll } = isAsked ? await archive.search(list, text, signal) : { posts: [], isAll: true }
  const rows = results.slice(0, MAX_ROWS).map(({ id, received }) => ({ email: id, received }))
  const shown = await Promise.all(rows.map(async (row) => withLink(list, {}, await digestOf(archive, row), 'dates')))
  const count = html`<p class="meta" role="status">${isAll ? countOf(list, results.length) : t('More than {} posts', results.length)}${results.length > MAX_ROWS ? `, ${t('the latest {} are shown', MAX_ROWS)}` : ''}</p>`
  const body = isAsked
    ? html`${count}${rows.length > 0 ? rowsOf(list, shown) : html`<p class="note">${t('No post has all these words. Search for fewer words, or for the beginning of a word.')}</p>`}`
    : html`<p class="note">${t('Enter words of the author, the subject or the text above.')}</p>`
  const title = isAsked ? t('Search: {}', text.trim()) : t('Search')
  return page({ title, list, isPrivate: true, body, query: text, aside: await monthsAside(archive, list, viewer) })
}

export async function foundPost(archive: Archive, list: MailingList, hash: string): Promise<Found> {
  const found = await archive.byHash(list, hash)
  if (found === 'removed') throw new HttpProblem(410, 'An owner of the list has removed this post')
  if (found === undefined) throw new HttpProblem(404, 'There is no such post')
  return found
}

interface Shown {
  readonly digest: Digest
  readonly email: string
  readonly depth: number
  /** The author that it answers. */
  readonly answers?: string
  readonly redacted?: Found['redacted']
}

async function article(archive: Archive, list: MailingList, post: Shown, viewer: Viewer): Promise<Html> {
  const { digest, email, depth, answers, redacted } = post
  const t = wordsOf(list)
  const link = `${pathOf(list)}/message/${digest.hash}`
  const structure = await (await archive.email(email))?.structure()
  const files = structure ? filesOf(structure) : []
  const starred = viewer.account !== undefined && (await archive.isStarred(list, viewer.account, digest.hash))
  const reply = `mailto:${list.address}?subject=${encodeURIComponent(`Re: ${digest.subject.replace(/^re:\s*/i, '')}`)}&in-reply-to=${encodeURIComponent(`<${digest.messageId}>`)}`
  return html`<article id="m-${digest.hash}" class="post d${depth}"><header><h2>${digest.author}</h2>${answers === undefined ? '' : html`<span class="t3">${t('answers {}', answers)}</span>`}<a href="${link}">${datesOf(list).time(digest.at)}</a></header>
${redacted ? html`<p class="note">${t('An owner of the list changed the text of this post on {}.', dayOf(new Date(redacted.at)))}</p>` : ''}${shownText(await textOf(archive, email))}
${files.map(({ index, name, part }) => html`<p class="file"><a href="${link}/file/${index}" download>${name}</a> <span class="t3">${formatSize(Math.round((part.end - part.body) * (part.encoding === 'base64' ? 0.73 : 1)))}</span></p>`)}
<footer>${list.settings.post === 'moderators' ? '' : html`<a href="${reply}">${t('Reply by mail')}</a>`}${viewer.isMember ? html`<a href="${link}/reply">${t('Reply here')}</a>` : ''}<a href="${link}">${t('Permanent link')}</a>${viewer.account === undefined ? '' : html`<form method="post" action="${link}/star"><button class="link" name="star" value="${starred ? 'no' : 'yes'}">${t(starred ? 'Remove the star' : 'Star')}</button></form>`}${viewer.moderates ? html`<a href="${link}/edit">${t('Remove or redact')}</a>` : ''}</footer></article>`
}

export async function messagePage(
  archive: Archive,
  list: MailingList,
  { hash, viewer }: { hash: string; viewer: Viewer },
): Promise<Html> {
  const found = await foundPost(archive, list, hash)
  const digest = await digestOf(archive, found)
  const month = new Date(found.received).toISOString().slice(0, 7)
  return page({
    title: subjectOf(list, digest),
    list,
    isPrivate: isPrivate(list),
    crumbs: [[`${pathOf(list)}/month/${month}`, datesOf(list).month(month)]],
    meta: html`<a href="${pathOf(list)}/thread/${hash}#m-${hash}">${wordsOf(list)('Whole thread')}</a>`,
    body: await article(archive, list, { digest, email: found.email, depth: 0, redacted: found.redacted }, viewer),
    aside: await monthsAside(archive, list, viewer),
  })
}

/** Posts below the post that they answer, by References. */
function inTree(posts: readonly (Row & { readonly digest: Digest })[]): readonly (Shown & Row)[] {
  const places = new Map(posts.map((post, index) => [post.digest.messageId, index]))
  const children = new Map<number, number[]>()
  for (const [index, { digest }] of posts.entries()) {
    const answered = digest.references.findLast((id) => id !== digest.messageId && places.has(id))
    const parent = answered === undefined ? -1 : (places.get(answered) ?? -1)
    // Only what came before can be answered: no loops.
    const at = parent < index ? parent : -1
    children.set(at, [...(children.get(at) ?? []), index])
  }
  const shown: (Shown & Row)[] = []
  const stack = (children.get(-1) ?? [])
    .map((index) => ({ index, depth: 0, answers: undefined as string | undefined }))
    .reverse()
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { index, depth, answers } = next
    const post = posts[index] as (typeof posts)[number]
    shown.push({ ...post, depth: Math.min(depth, MAX_DEPTH), ...(answers === undefined ? {} : { answers }) })
    const below = (children.get(index) ?? []).map((child) => ({
      index: child,
      depth: depth + 1,
      answers: post.digest.author,
    }))
    stack.push(...below.reverse())
  }
  return shown
}

export async function threadPage(
  archive: Archive,
  list: MailingList,
  { hash, current, viewer }: { hash: string; current: number; viewer: Viewer },
): Promise<Html> {
  const { email } = await foundPost(archive, list, hash)
  const emails = await archive.threadOf(list, email)
  const posts = await Promise.all(
    emails.map(async ({ id, received }) => ({
      email: id,
      received,
      digest: await digestOf(archive, { email: id, received }),
    })),
  )
  const all = inTree(posts)
  const start = (current - 1) * MAX_THREAD
  const shown = all.slice(start, start + MAX_THREAD)
  const articles: Html[] = []
  for (const post of shown) {
    const place = await archive.byHash(list, post.digest.hash)
    const redacted = place && place !== 'removed' ? place.redacted : undefined
    articles.push(await article(archive, list, { ...post, redacted }, viewer))
  }
  const t = wordsOf(list)
  const [first] = all
  const path = `${pathOf(list)}/thread/${hash}`
  const month = new Date(first?.received ?? 0).toISOString().slice(0, 7)
  const people = new Set(all.map(({ digest }) => digest.author)).size
  return page({
    title: first ? subjectOf(list, first.digest) : titleOf(list),
    list,
    isPrivate: isPrivate(list),
    crumbs: [[`${pathOf(list)}/month/${month}`, datesOf(list).month(month)]],
    meta: `${countOf(list, all.length)} ${t(people === 1 ? 'of {} person' : 'of {} people', people)}`,
    body: html`${articles}${pager(list, path, current, all.length > start + MAX_THREAD)}`,
    aside: html`<section><h2>${t('In this thread')}</h2><ol class="toc">${shown.map(({ digest, depth }) => html`<li class="d${depth}"><a href="#m-${digest.hash}">${digest.author}</a><span class="t3">${digest.at.getUTCDate() || ''}</span></li>`)}</ol></section><section><h2>${t('About the list')}</h2><p class="t2">${titleOf(list)}</p><p><a href="${pathOf(list)}">${t('Subscribe, change or leave')}</a></p></section>`,
  })
}
