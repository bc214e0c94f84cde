/**
 * Pending decisions, for the owners and moderators of a list who have logged in.
 */
import { decodeWords } from 'iems/mime'
import * as z from 'zod'
import { type HttpApi, HttpProblem, html, Redirect } from '../../web/http/api.ts'
import { DECISIONS, type Moderation } from '../moderation.ts'
import type { Posting } from '../posting.ts'
import { type AccessDeps, isModerator, listIn } from './access.ts'
import { page, pathOf } from './layout.ts'
import { dayOf } from './post-row.ts'

export interface ModerationPagesDeps extends AccessDeps {
  readonly http: HttpApi
  readonly moderation: Moderation
  readonly posting: Posting
}

const list = z.string().max(254)
const form = z.object({ id: z.string().max(40), decision: z.enum(DECISIONS), text: z.string().max(10_000).optional() })
const MAX_HELD = 100

export function addModerationPages(deps: ModerationPagesDeps): void {
  const { http, moderation, posting } = deps
  http.page({
    path: '/lists/:list/held',
    who: 'user',
    summary: 'Posts and requests of a mailing list that await a decision',
    params: z.object({ list }),
    async run({ params, login }) {
      const found = await listIn(deps, params.list)
      if (!(await isModerator(deps, found, login)))
        throw new HttpProblem(403, 'This page is for moderators of the list')
      const rows = []
      for await (const one of posting.allHeld(found)) {
        rows.push(
          html`<article><h2>${one.kind === 'post' ? decodeWords(one.subject) || '(no subject)' : one.kind}</h2><p class="meta">${one.address}, ${dayOf(new Date(one.at))}. ${one.why}</p><form method="post" action="${pathOf(found)}/held"><input type="hidden" name="id" value="${one.id}"><label for="text-${one.id}">Reason for the author</label><input id="text-${one.id}" name="text" maxlength="1000"> ${DECISIONS.map((decision) => html`<button name="decision" value="${decision}">${decision}</button> `)}</form></article>`,
        )
        if (rows.length >= MAX_HELD) break
      }
      const body = rows.length === 0 ? html`<p>Nothing awaits a decision.</p>` : html`${rows}`
      return page({ title: `${found.address}: held`, list: found, isPrivate: true, body })
    },
  })
  http.page({
    method: 'POST',
    path: '/lists/:list/held',
    who: 'user',
    summary: 'Decides about a held post or request',
    params: z.object({ list }),
    form,
    async run({ params, login, body }) {
      const found = await listIn(deps, params.list)
      if (!(await isModerator(deps, found, login)))
        throw new HttpProblem(403, 'This page is for moderators of the list')
      const { id, decision, text } = body as z.output<typeof form>
      await moderation.decide(found, id, decision, text)
      return new Redirect(`${pathOf(found)}/held`)
    },
  })
}
