/**
 * Pages for people without an account: lists, subscribing, confirming, options, leaving; and one-click unsubscription.
 *
 * Invariants: GET changes nothing, because programs fetch links; a page reveals membership only to the member; only
 * links sent to an address change its membership.
 */
import * as z from 'zod'
import { Answer, type Html, type HttpApi, HttpProblem, html } from '../../web/http/api.ts'
import type { MailingList } from '../api.ts'
import type { Archive } from '../archive.ts'
import type { Membership } from '../membership.ts'
import { foldAddress } from '../records.ts'
import type { Tokens, Wish } from '../tokens.ts'
import { type AccessDeps, isModerator, isOwner, listIn, memberAddress } from './access.ts'
import { checkProof, proofFields } from './forms.ts'
import { page, pathOf, said, titleOf } from './layout.ts'
import { datesOf } from './post-row.ts'
import { type Phrase, wordsIn, wordsOf } from './words.ts'

export interface MemberPagesDeps extends AccessDeps {
  readonly http: HttpApi
  readonly membership: Membership
  readonly tokens: Tokens
  readonly archive: Archive | undefined
  readonly now: () => number
}

export const token = z.string().regex(/^[a-z2-7]{16,24}$/)
const list = z.string().max(254)
const address = z.string().max(254)
const form = z.object({ address, proof: z.string().max(200).optional(), website: z.string().max(200).optional() })
export const LIMIT = { perMinute: 20 }

/** Identical for any address. */
const SENT: Phrase = 'If the address can be used for this, a message with a link is on its way to it.'
export const GONE = 'This link has expired or was used already'

function given(text: string): string {
  const folded = foldAddress(text)
  if (folded === undefined) throw new HttpProblem(400, 'This is not an e-mail address')
  return folded
}

export function addMemberPages(deps: MemberPagesDeps): void {
  addListPages(deps)
  addConfirmPages(deps)
  addUnsubscribe(deps)
}

function addListPages(deps: MemberPagesDeps): void {
  const { http, roster, membership, now } = deps
  http.page({
    path: '/lists',
    who: 'anyone',
    summary: 'Public mailing lists',
    async run() {
      const all: MailingList[] = []
      for await (const one of roster.lists()) if (one.settings.advertised === 'yes') all.push(one)
      const row = (one: MailingList) =>
        html`<li><a href="${pathOf(one)}">${titleOf(one)}</a><span class="t3 sm">${one.settings.archive === 'public' ? 'Public archive' : ''}</span><span class="who">${one.address}</span></li>`
      const body =
        all.length === 0
          ? html`<p class="note">There are no public lists.</p>`
          : html`<ul class="rows">${all.map(row)}</ul>`
      return page({ title: 'Mailing lists', body })
    },
  })
  http.page({
    path: '/lists/:list',
    who: 'anyone',
    summary: 'A mailing list: about it, and its archive',
    params: z.object({ list }),
    async run({ params, login }) {
      const found = await listIn(deps, params.list)
      return listPage(deps, found, {
        secret: await roster.secret(),
        moderates: await isModerator(deps, found, login),
        owns: await isOwner(deps, found, login),
        account: login?.identity.account,
        isMember: (await memberAddress(deps, found, login)) !== undefined,
      })
    },
  })
  http.page({
    method: 'POST',
    path: '/lists/:list/subscribe',
    who: 'anyone',
    summary: 'Asks to join a mailing list',
    params: z.object({ list }),
    form,
    limit: LIMIT,
    async run({ params, body }) {
      const values = body as z.output<typeof form>
      const found = await listIn(deps, params.list)
      checkProof(await roster.secret(), 'join', now(), values)
      // Open lists too: only the owner of an address may use it on a page.
      const result = await membership.askToJoin(found, given(values.address), {}, { alwaysConfirms: true })
      if (result === 'closed') throw new HttpProblem(403, 'The list does not take new members')
      const t = wordsOf(found)
      return said(t('Nearly done'), t(result === 'waiting' ? 'A moderator decides about it.' : SENT), found)
    },
  })
  http.page({
    method: 'POST',
    path: '/lists/:list/options',
    who: 'anyone',
    summary: 'Sends a member a link to their options',
    params: z.object({ list }),
    form,
    limit: LIMIT,
    async run({ params, body }) {
      const values = body as z.output<typeof form>
      const found = await listIn(deps, params.list)
      checkProof(await roster.secret(), 'options', now(), values)
      await membership.sendOptions(found, given(values.address))
      const t = wordsOf(found)
      return said(t('Look into your mailbox'), t(SENT), found)
    },
  })
}

interface ListViewer {
  readonly secret: Buffer
  readonly moderates: boolean
  readonly owns: boolean
  readonly account: string | undefined
  readonly isMember: boolean
}

async function listPage({ archive, now }: MemberPagesDeps, found: MailingList, viewer: ListViewer): Promise<Html> {
  const { settings } = found
  const path = pathOf(found)
  const t = wordsOf(found)
  const months = settings.archive === 'none' ? [] : ((await archive?.months(found)) ?? [])
  const ask = (action: string, purpose: string, label: string, button: Html) =>
    html`<form class="form" method="post" action="${path}/${action}"><div class="field"><label for="${purpose}-address">${label}</label><input id="${purpose}-address" name="address" type="email" required maxlength="254" autocomplete="email" placeholder="name@example.org"></div>${proofFields(viewer.secret, purpose, now())}${button}</form>`
  const about = settings.info || t('Posts go to {}.', found.address)
  const own =
    viewer.account === undefined
      ? html`<a href="/lists/login?to=${encodeURIComponent(path)}">${t('Sign in with an account')}</a>`
      : html`<a href="${path}/membership">${t(viewer.isMember ? 'Your membership' : 'Join with your account')}</a>`
  const work = [
    ...(viewer.moderates
      ? [html`<li><a href="${path}/held">${t('Posts and requests that await a decision')}</a></li>`]
      : []),
    ...(viewer.owns
      ? [
          html`<li><a href="${path}/members">${t('Members')}</a></li><li><a href="${path}/settings">${t('Settings')}</a></li>`,
        ]
      : []),
  ]
  const body = html`<p class="text">${about}</p>
${work.length > 0 ? html`<section class="part" aria-label="${t('Moderation')}"><h2>${t('Moderation')}</h2><ul>${work}</ul></section>` : ''}
<section class="part" id="join" aria-label="${t('Join')}"><h2>${t('Subscribe')}</h2>${settings.subscribe === 'closed' ? html`<p class="note">${t('The owners add the members of this list.')}</p>` : ask('subscribe', 'join', t('Your e-mail address'), html`<button class="btn main">${t('Subscribe')}</button><p class="hint">${t('A message with a link to confirm is sent to the address. No account is needed.')}</p>`)}</section>
<section class="part" id="members" aria-label="${t('Members')}"><h2>${t('Change or leave')}</h2>${ask('options', 'options', t('Your e-mail address, for a link to your options'), html`<button class="btn">${t('Send the link')}</button>`)}<p class="sm">${own}</p></section>`
  return page({
    title: titleOf(found),
    list: found,
    isPrivate: settings.advertised === 'no',
    meta: found.address,
    body,
    aside:
      settings.archive === 'none'
        ? undefined
        : html`<section aria-label="${t('Archive')}"><h2>${t('Archive')}</h2><ul class="toc"><li><a href="${path}/recent">${t('Latest posts')}</a></li>${months.map(({ month, posts }) => html`<li><a href="${path}/month/${month}">${datesOf(found).month(month)}</a><span class="t3">${posts}</span></li>`)}</ul></section>`,
  })
}

function addConfirmPages({ http, tokens, membership, roster }: MemberPagesDeps): void {
  const ACTIONS = {
    subscribe: 'Join the list',
    unsubscribe: 'Leave the list',
    set: 'Change your options',
    resume: 'Get the posts again',
  } as const
  const known = (wish: Wish | undefined): wish is Wish & { readonly action: keyof typeof ACTIONS } =>
    wish !== undefined && wish.action in ACTIONS
  http.page({
    path: '/lists/confirm/:token',
    who: 'anyone',
    summary: 'Shows what a link confirms',
    params: z.object({ token }),
    limit: LIMIT,
    async run({ params }) {
      const wish = await tokens.look(params.token)
      if (!known(wish)) throw new HttpProblem(404, GONE)
      const list = await roster.list(wish.list)
      const title = wordsIn(list?.settings.language ?? 'en')(ACTIONS[wish.action])
      const body = html`<p>${wish.address}, ${wish.list}</p><form class="form" method="post" action="/lists/confirm/${params.token}"><button class="btn main">${title}</button></form>`
      return page({ title, list, isPrivate: true, body })
    },
  })
  http.page({
    method: 'POST',
    path: '/lists/confirm/:token',
    who: 'anyone',
    summary: 'Confirms what was asked by mail or on a page',
    params: z.object({ token }),
    limit: LIMIT,
    async run({ params }) {
      const wish = known(await tokens.look(params.token)) ? await tokens.use(params.token) : undefined
      if (!wish) throw new HttpProblem(404, GONE)
      const result = await membership.confirmed(wish)
      if (result === 'closed') throw new HttpProblem(403, 'The list does not offer this')
      const list = await roster.list(wish.list)
      const t = wordsIn(list?.settings.language ?? 'en')
      const text =
        result === 'waiting' ? t('A moderator decides about it.') : t('Done: {}', `${wish.address}, ${wish.list}`)
      return said(t('Confirmed'), text, list)
    },
  })
}

/** RFC 8058: a POST by a mail program, without cookies or further questions; people see a button. */
function addUnsubscribe({ http, roster, membership }: MemberPagesDeps): void {
  http.page({
    path: '/lists/unsubscribe/:token',
    who: 'anyone',
    summary: 'Shows a button to leave a mailing list',
    params: z.object({ token }),
    async run({ params }) {
      const named = await roster.byToken(params.token)
      if (!named) throw new HttpProblem(404, GONE)
      const t = wordsOf(named.list)
      const body = html`<p>${named.member.address}</p><form class="form" method="post" action="/lists/unsubscribe/${params.token}"><button class="btn main">${t('Leave {}', named.list.address)}</button></form>`
      return page({ title: t('Leave the list'), list: named.list, isPrivate: true, body })
    },
  })
  http.stream({
    method: 'POST',
    path: '/lists/unsubscribe/:token',
    who: 'anyone',
    summary: 'Leaves a mailing list with one click (RFC 8058)',
    params: z.object({ token }),
    limit: { body: 10_000, perMinute: 60 },
    async run({ params, body }) {
      for await (const _ of body) {
        // Mail programs always send the same body.
      }
      const named = await roster.byToken(params.token)
      if (named) await membership.leave(named.list, named.member.address)
      // Identical for former members: a program may repeat the request.
      return new Answer(200, { unsubscribed: true })
    },
  })
}
