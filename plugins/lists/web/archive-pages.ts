/**
 * Routes of the archive for readers. Without script.
 *
 * Invariants: a private archive is only for members; nothing here changes anything.
 */
import * as z from 'zod'
import { type Call, Download, type HttpApi, HttpProblem } from '../../web/http/api.ts'
import type { MailingList } from '../api.ts'
import type { Archive } from '../archive.ts'
import { type AccessDeps, isModerator, memberAddress, readable } from './access.ts'
import { atomFeed, mboxOf } from './archive-files.ts'
import {
  foundPost,
  MAX_ROWS,
  messagePage,
  monthPage,
  postsPage,
  searchPage,
  threadPage,
  VIEWS,
  type Viewer,
} from './archive-views.ts'
import { filesOf } from './post-row.ts'
import { wordsOf } from './words.ts'

export interface ArchivePagesDeps extends AccessDeps {
  readonly http: HttpApi
  readonly archive: Archive
  readonly site: string | undefined
}

export const month = z.string().regex(/^\d{4}-(?:0[1-9]|1[0-2])$/)
export const hash = z.string().regex(/^[A-Za-z2-7]{32}$/)
export const list = z.string().max(254)
const pageNumber = z.coerce.number().int().min(1).max(100_000).default(1)

async function viewerOf(deps: AccessDeps, found: MailingList, { login }: Pick<Call, 'login'>): Promise<Viewer> {
  return {
    account: login?.identity.account,
    isMember: (await memberAddress(deps, found, login)) !== undefined,
    moderates: await isModerator(deps, found, login),
  }
}

export function addArchivePages(deps: ArchivePagesDeps): void {
  addLists(deps)
  addPosts(deps)
  addFiles(deps)
}

function addLists(deps: ArchivePagesDeps): void {
  const { http, archive } = deps
  http.page({
    path: '/lists/:list/month/:month',
    who: 'anyone',
    summary: 'A month in the archive of a mailing list: threads, authors or dates',
    params: z.object({ list, month }),
    query: z.object({ page: pageNumber, by: z.enum(VIEWS).default('threads') }),
    async run(call) {
      const found = await readable(deps, call.params.list, call)
      const { page: current, by } = call.query
      const viewer = await viewerOf(deps, found, call)
      return monthPage(archive, found, { month: call.params.month, by, current, viewer })
    },
  })
  http.page({
    path: '/lists/:list/recent',
    who: 'anyone',
    summary: 'The latest posts in the archive of a mailing list',
    params: z.object({ list }),
    async run(call) {
      const found = await readable(deps, call.params.list, call)
      const t = wordsOf(found)
      const rows = await archive.latest(found, MAX_ROWS)
      const viewer = await viewerOf(deps, found, call)
      return postsPage(archive, found, {
        title: t('Latest posts'),
        rows,
        viewer,
        empty: t('The archive has no posts yet.'),
      })
    },
  })
  http.page({
    path: '/lists/:list/starred',
    who: 'user',
    summary: 'The posts that a reader has starred in the archive of a mailing list',
    params: z.object({ list }),
    async run(call) {
      const found = await readable(deps, call.params.list, call)
      const viewer = await viewerOf(deps, found, call)
      const rows = await archive.starred(found, viewer.account ?? '', MAX_ROWS)
      const t = wordsOf(found)
      const empty = t('You have starred no posts here. The button "Star" is below each post.')
      return postsPage(archive, found, { title: t('Starred posts'), rows, viewer, empty })
    },
  })
  http.page({
    path: '/lists/:list/search',
    who: 'anyone',
    summary: 'Search in the archive of a mailing list',
    params: z.object({ list }),
    query: z.object({ q: z.string().max(200).default('') }),
    limit: { perMinute: 60 },
    async run(call) {
      const found = await readable(deps, call.params.list, call)
      const viewer = await viewerOf(deps, found, call)
      return searchPage(archive, found, { text: call.query.q, viewer, signal: call.signal })
    },
  })
}

function addPosts(deps: ArchivePagesDeps): void {
  const { http, archive } = deps
  http.page({
    path: '/lists/:list/message/:hash',
    who: 'anyone',
    summary: 'A post in the archive of a mailing list',
    params: z.object({ list, hash }),
    async run(call) {
      const found = await readable(deps, call.params.list, call)
      return messagePage(archive, found, { hash: call.params.hash, viewer: await viewerOf(deps, found, call) })
    },
  })
  http.page({
    path: '/lists/:list/thread/:hash',
    who: 'anyone',
    summary: 'A thread in the archive of a mailing list',
    params: z.object({ list, hash }),
    query: z.object({ page: pageNumber }),
    async run(call) {
      const found = await readable(deps, call.params.list, call)
      const viewer = await viewerOf(deps, found, call)
      return threadPage(archive, found, { hash: call.params.hash, current: call.query.page, viewer })
    },
  })
}

/** Types that no program runs; every other file is octets. */
const SAFE_TYPES = /^(?:image\/(?:png|jpeg|gif|webp)|application\/pdf|text\/plain|audio\/\w{1,20}|video\/\w{1,20})$/

function addFiles(deps: ArchivePagesDeps): void {
  const { http, archive, site } = deps
  http.stream({
    method: 'GET',
    path: '/lists/:list/message/:hash/file/:file',
    who: 'anyone',
    summary: 'A file of a post of a mailing list, as a download',
    params: z.object({ list, hash, file: z.coerce.number().int().min(0).max(1000) }),
    limit: { perMinute: 120 },
    async run(call) {
      const found = await readable(deps, call.params.list, call)
      const post = await foundPost(archive, found, call.params.hash)
      const email = await archive.email(post.email)
      const file = email && filesOf(await email.structure())[call.params.file]
      const content = file && email.decoded(file.part)
      if (!file || !content) throw new HttpProblem(404, 'There is no such file')
      const type = `${file.part.type}/${file.part.subtype}`
      return new Download({
        type: SAFE_TYPES.test(type) ? type : 'application/octet-stream',
        name: file.name,
        open: () => content,
      })
    },
  })
  http.stream({
    method: 'GET',
    path: '/lists/:list/atom',
    who: 'anyone',
    summary: 'The latest posts of a mailing list as an Atom feed',
    params: z.object({ list }),
    async run(call) {
      const found = await readable(deps, call.params.list, call)
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
      const found = await readable(deps, call.params.list, call)
      const name = `${found.address.split('@')[0]}-${call.params.month}.mbox`
      return new Download({ type: 'application/mbox', name, open: () => mboxOf(archive, found, call.params.month) })
    },
  })
}

export async function* octets(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
