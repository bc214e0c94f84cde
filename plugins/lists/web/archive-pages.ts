/**
 * The archive in a browser: months, threads, posts, search, and files of them. Without script.
 *
 * Invariants: a post is shown as text; addresses are masked for everyone; a page shows a bounded number of posts.
 */
import { decodeCharset, fromHtml, gather } from 'iems/mime'
import * as z from 'zod'
import { type Call, Download, type Html, type HtmlValue, type HttpApi, HttpProblem, html } from '../../web/http/api.ts'
import type { MailingList } from '../api.ts'
import type { Archive } from '../archive.ts'
import { textPart } from '../digests.ts'
import { type AccessDeps, readable } from './access.ts'
import { atomFeed, mboxOf } from './archive-files.ts'
import { masked, page, pathOf } from './layout.ts'
import { dayOf, digestOf } from './post-row.ts'

export interface ArchivePagesDeps extends AccessDeps {
  readonly http: HttpApi
  readonly archive: Archive
  readonly site: string | undefined
}

const MAX_ROWS = 100
const MAX_THREAD = 100
const MAX_TEXT = 262_144
const month = z.string().regex(/^\d{4}-(?:0[1-9]|1[0-2])$/)
const hash = z.string().regex(/^[A-Za-z2-7]{32}$/)
const list = z.string().max(254)
const pageNumber = z.coerce.number().int().min(1).max(100_000).default(1)

interface Row {
  readonly email: string
  readonly thread: string
  readonly received: number
}

export function addArchivePages(deps: ArchivePagesDeps): void {
  const { http, archive, site } = deps
  const own = async (call: Call, address: string) => readable(deps, address, call)

  http.page({
    path: '/lists/:list/month/:month',
    who: 'anyone',
    summary: 'Threads of a month in the archive of a mailing list',
    params: z.object({ list, month }),
    query: z.object({ page: pageNumber }),
    async run(call) {
      const found = await own(call, call.params.list)
      return monthPage(archive, found, call.params.month, call.query.page)
    },
  })
  http.page({
    path: '/lists/:list/message/:hash',
    who: 'anyone',
    summary: 'A post in the archive of a mailing list',
    params: z.object({ list, hash }),
    run: async (call) => messagePage(archive, await own(call, call.params.list), call.params.hash),
  })
  http.page({
    path: '/lists/:list/thread/:hash',
    who: 'anyone',
    summary: 'A thread in the archive of a mailing list',
    params: z.object({ list, hash }),
    query: z.object({ page: pageNumber }),
    run: async (call) => threadPage(archive, await own(call, call.params.list), call.params.hash, call.query.page),
  })
  http.page({
    path: '/lists/:list/search',
    who: 'anyone',
    summary: 'Search in the archive of a mailing list',
    params: z.object({ list }),
    query: z.object({ q: z.string().max(200).default('') }),
    limit: { perMinute: 60 },
    run: async (call) => searchPage(archive, await own(call, call.params.list), call.query.q, call.signal),
  })
  http.stream({
    method: 'GET',
    path: '/lists/:list/atom',
    who: 'anyone',
    summary: 'The latest posts of a mailing list as an Atom feed',
    params: z.object({ list }),
    async run(call) {
      const found = await own(call, call.params.list)
      const feed = await atomFeed(archive, found, site ?? call.origin)
      return new Download({ type: 'application/atom+xml; charset=utf-8', open: () => octets(feed) })
    },
  })
  http.stream({
    method: 'GET',
    path: '/lists/:list/mbox/:month',
    who: 'anyone',
    summary: 'The posts of a month of a mailing list as a file',
    params: z.object({ list, month }),
    limit: { perMinute: 10 },
    async run(call) {
      const found = await own(call, call.params.list)
      const name = `${found.address.split('@')[0]}-${call.params.month}.mbox`
      return new Download({ type: 'application/mbox', name, open: () => mboxOf(archive, found, call.params.month) })
    },
  })
}

export async function* octets(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

const isPrivate = ({ settings }: MailingList) => settings.archive !== 'public'

/** Links to the pages before and after; nothing when there is one. */
function pager(path: string, current: number, isMore: boolean): HtmlValue {
  if (current === 1 && !isMore) return ''
  const link = (number: number, text: string) => html`<li><a href="${path}?page=${number}">${text}</a></li>`
  return html`<nav aria-label="Pages"><ul>${current > 1 ? link(current - 1, 'Previous') : ''}${isMore ? link(current + 1, 'Next') : ''}</ul></nav>`
}

async function rowsOf(
  archive: Archive,
  found: MailingList,
  rows: readonly (Row & { readonly replies?: number })[],
  to: 'thread' | 'message',
): Promise<HtmlValue> {
  const shown = await Promise.all(
    rows.map(async (row) => ({ ...(await digestOf(archive, row)), replies: row.replies })),
  )
  return html`<table><thead><tr><th scope="col">Subject</th><th scope="col">Author</th><th scope="col">Date</th></tr></thead><tbody>${shown.map(
    (one) =>
      html`<tr><td><a href="${pathOf(found)}/${to}/${one.hash}">${one.subject}</a>${one.replies ? html` <span class="meta">(${one.replies})</span>` : ''}</td><td>${one.author}</td><td><time datetime="${dayOf(one.at)}">${dayOf(one.at)}</time></td></tr>`,
  )}</tbody></table>`
}

async function monthPage(archive: Archive, found: MailingList, name: string, current: number): Promise<Html> {
  const threads = new Map<string, Row & { replies: number }>()
  for await (const entry of archive.month(found, name)) {
    const known = threads.get(entry.thread)
    if (known) known.replies++
    else threads.set(entry.thread, { email: entry.email, thread: entry.thread, received: entry.received, replies: 0 })
  }
  const all = [...threads.values()].reverse()
  const start = (current - 1) * MAX_ROWS
  const body = html`${await rowsOf(archive, found, all.slice(start, start + MAX_ROWS), 'thread')}${pager(`${pathOf(found)}/month/${name}`, current, all.length > start + MAX_ROWS)}<p><a href="${pathOf(found)}/mbox/${name}">Download as mbox</a></p>`
  return page({
    title: `${found.settings.description || found.address}: ${name}`,
    list: found,
    isPrivate: isPrivate(found),
    body,
  })
}

async function emailOf(archive: Archive, found: MailingList, name: string): Promise<string> {
  const email = await archive.byHash(found, name)
  if (email === 'removed') throw new HttpProblem(410, 'An owner of the list has removed this post')
  if (email === undefined) throw new HttpProblem(404, 'There is no such post')
  return email
}

async function postHtml(
  archive: Archive,
  found: MailingList,
  row: Pick<Row, 'email' | 'received'>,
): Promise<HtmlValue> {
  const email = await archive.email(row.email)
  if (!email) return ''
  const { subject, author, at, hash: name } = await digestOf(archive, row)
  const part = textPart(await email.structure())
  const decoded = part && email.decoded(part)
  const text = decoded ? decodeCharset(await gather(decoded, MAX_TEXT), part.parameters.charset ?? '') : ''
  const shown = part?.subtype === 'html' ? fromHtml(text) : text
  const { attachments } = await email.text(1)
  const files =
    attachments.length === 0
      ? ''
      : html`<p class="meta">Attachments: ${attachments.map((name) => masked(name)).join(', ')}</p>`
  return html`<article id="${name}"><h2>${subject}</h2><p class="meta">${author}, <a href="${pathOf(found)}/message/${name}"><time datetime="${dayOf(at)}">${dayOf(at)}</time></a></p><pre>${masked(shown)}</pre>${files}</article>`
}

async function messagePage(archive: Archive, found: MailingList, name: string): Promise<Html> {
  const email = await emailOf(archive, found, name)
  const { subject } = await digestOf(archive, { email, received: 0 })
  const body = html`${await postHtml(archive, found, { email, received: 0 })}<p><a href="${pathOf(found)}/thread/${name}">Whole thread</a> · <a href="mailto:${found.address}?subject=${encodeURIComponent(`Re: ${subject}`)}">Reply to the list</a></p>`
  return page({ title: subject, list: found, isPrivate: isPrivate(found), body })
}

async function threadPage(archive: Archive, found: MailingList, name: string, current: number): Promise<Html> {
  const email = await emailOf(archive, found, name)
  const posts = await archive.threadOf(found, email)
  const { subject } = await digestOf(archive, { email: posts[0]?.id ?? email, received: 0 })
  const start = (current - 1) * MAX_THREAD
  const shown: HtmlValue[] = []
  for (const { id, received } of posts.slice(start, start + MAX_THREAD))
    shown.push(await postHtml(archive, found, { email: id, received }))
  const body = html`<p class="meta">${posts.length} posts</p>${shown}${pager(`${pathOf(found)}/thread/${name}`, current, posts.length > start + MAX_THREAD)}`
  return page({ title: subject, list: found, isPrivate: isPrivate(found), body })
}

async function searchPage(archive: Archive, found: MailingList, text: string, signal: AbortSignal): Promise<Html> {
  const results = text.trim() === '' ? [] : await archive.search(found, text, signal)
  const rows = results.slice(0, MAX_ROWS).map(({ id, thread, received }) => ({ email: id, thread, received }))
  const form = html`<form method="get" action="${pathOf(found)}/search" role="search"><label for="q">Words in author, subject and text</label><input id="q" name="q" type="search" maxlength="200" value="${text}"> <button>Search</button></form>`
  const body = html`${form}${text.trim() === '' ? '' : html`<p role="status">${results.length} posts${results.length > MAX_ROWS ? `, the latest ${MAX_ROWS} are shown` : ''}</p>`}${rows.length > 0 ? await rowsOf(archive, found, rows, 'message') : ''}`
  return page({ title: `Search ${found.settings.description || found.address}`, list: found, isPrivate: true, body })
}
