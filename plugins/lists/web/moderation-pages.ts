/**
 * Pending decisions, for the owners and moderators of a list who have logged in.
 */
import { formatSize } from 'iems'
import { decodeCharset, decodeWords, fromHtml, gather, partBody, readStructure } from 'iems/mime'
import * as z from 'zod'
import { type Html, type HtmlValue, type HttpApi, html, Redirect } from '../../web/http/api.ts'
import { DECISIONS, type MailingList } from '../api.ts'
import { textPart } from '../digests.ts'
import type { Moderation } from '../moderation.ts'
import type { Posting } from '../posting.ts'
import type { Held } from '../records.ts'
import { type AccessDeps, mustModerate } from './access.ts'
import { page, pathOf } from './layout.ts'
import { datesOf, shownText } from './post-row.ts'

export interface ModerationPagesDeps extends AccessDeps {
  readonly http: HttpApi
  readonly moderation: Moderation
  readonly posting: Posting
}

const list = z.string().max(254)
const form = z.object({ id: z.string().max(40), decision: z.enum(DECISIONS), text: z.string().max(10_000).optional() })
const MAX_HELD = 100
/** Octets of a held post that the page shows. */
const MAX_SHOWN = 4000

export function addModerationPages(deps: ModerationPagesDeps): void {
  const { http, moderation, posting } = deps
  http.page({
    path: '/lists/:list/held',
    who: 'user',
    summary: 'Posts and requests of a mailing list that await a decision',
    params: z.object({ list }),
    async run({ params, login }) {
      const found = await mustModerate(deps, params.list, login)
      const rows = []
      for await (const one of posting.allHeld(found)) {
        if (one.approved) continue
        rows.push(heldArticle(found, one, one.content ? await beginning(deps, one) : ''))
        if (rows.length >= MAX_HELD) break
      }
      const body = rows.length === 0 ? html`<p class="note">Nothing awaits a decision.</p>` : html`${rows}`
      return page({ title: 'Held', list: found, language: 'en', isPrivate: true, meta: found.address, body })
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
      const found = await mustModerate(deps, params.list, login)
      const { id, decision, text } = body as z.output<typeof form>
      await moderation.decide(found, id, decision, text)
      return new Redirect(`${pathOf(found)}/held`)
    },
  })
}

const NAMES = { approve: 'Approve', reject: 'Reject', discard: 'Discard', allow: 'Allow the author' } as const

function heldArticle(found: MailingList, one: Held, text: HtmlValue): Html {
  const subject = one.kind === 'post' ? decodeWords(one.subject) || '(no subject)' : `Asks to ${one.kind}`
  const size = one.content ? html`, ${formatSize(one.content.size)}` : ''
  return html`<article class="post d0"><header><h2>${subject}</h2></header><p class="t3 sm">${one.address}, ${datesOf(found).time(new Date(one.at))}${size}</p><p class="note warn">${one.why}</p>${text}<form class="form" method="post" action="${pathOf(found)}/held"><input type="hidden" name="id" value="${one.id}"><div class="field"><label for="text-${one.id}">Reason for the author, if you reject</label><input id="text-${one.id}" name="text" maxlength="1000"></div><div class="acts">${DECISIONS.map((decision) => html`<button class="btn${decision === 'approve' ? ' main' : ''}" name="decision" value="${decision}">${NAMES[decision]}</button>`)}</div></form></article>`
}

/** The first lines of a held post; empty when it cannot be read. */
async function beginning({ posting }: ModerationPagesDeps, { content }: Held): Promise<HtmlValue> {
  if (!content) return ''
  const message = {
    open: (range?: { start: number; end: number }) => posting.contentOf(content, range),
    size: content.size,
  }
  const part = textPart(await readStructure((range) => message.open(range), message.size))
  const octets = part ? await gather(partBody(message, part) ?? [], MAX_SHOWN) : Buffer.alloc(0)
  const text = decodeCharset(octets, part?.parameters.charset ?? '')
  return shownText((part?.subtype === 'html' ? fromHtml(text) : text).replace(/\r\n?/g, '\n'))
}
