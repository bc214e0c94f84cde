/**
 * All pages of the lists.
 */
import { Download, type HttpApi } from '../../web/http/api.ts'
import type { Archive } from '../archive.ts'
import { addArchivePages, octets } from './archive-pages.ts'
import { addLoginPage } from './login-page.ts'
import { addMemberPages, type MemberPagesDeps } from './member-pages.ts'
import { addModerationPages, type ModerationPagesDeps } from './moderation-pages.ts'
import { addOptionPages } from './option-pages.ts'
import { addPostPages } from './post-pages.ts'
import { addRosterPages } from './roster-pages.ts'
import { addSettingsPages } from './settings-pages.ts'
import { STYLE } from './style.ts'

export type PagesDeps = Omit<MemberPagesDeps & ModerationPagesDeps, 'http'> & {
  readonly http: HttpApi
  readonly archive: Archive | undefined
  readonly site: string | undefined
}

const STYLE_AGE_S = 3600

/** Posts may be indexed where an archive is public; not searches, files, and pages that lead to forms. */
const ROBOTS = [
  'search',
  'mbox/',
  'message/*/file/',
  'message/*/reply',
  'held',
  'members',
  'settings',
  'membership',
  'starred',
]
  .map((path) => `Disallow: /lists/*/${path}`)
  .join('\n')

export function addPages(deps: PagesDeps): void {
  deps.http.stream({
    method: 'GET',
    path: '/lists-style.css',
    who: 'anyone',
    summary: 'The style of the pages of mailing lists',
    run: () => new Download({ type: 'text/css; charset=utf-8', maxAge: STYLE_AGE_S, open: () => octets(STYLE) }),
  })
  deps.http.stream({
    method: 'GET',
    path: '/robots.txt',
    who: 'anyone',
    summary: 'Rules for programs that index the pages of mailing lists',
    run: () =>
      new Download({
        type: 'text/plain; charset=utf-8',
        maxAge: STYLE_AGE_S,
        open: () => octets(`User-agent: *\nDisallow: /lists/confirm/\nDisallow: /lists/options/\n${ROBOTS}\n`),
      }),
  })
  addLoginPage(deps.http)
  addMemberPages(deps)
  addOptionPages(deps)
  addModerationPages(deps)
  addSettingsPages(deps)
  addRosterPages(deps)
  if (!deps.archive) return
  addArchivePages({ ...deps, archive: deps.archive })
  addPostPages({ ...deps, archive: deps.archive })
}
