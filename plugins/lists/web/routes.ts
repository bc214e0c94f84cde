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

export function addPages(deps: PagesDeps): void {
  deps.http.stream({
    method: 'GET',
    path: '/lists-style.css',
    who: 'anyone',
    summary: 'The style of the pages of mailing lists',
    run: () => new Download({ type: 'text/css; charset=utf-8', maxAge: STYLE_AGE_S, open: () => octets(STYLE) }),
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
