/**
 * Pages for people without an account: lists, subscribing, confirming, options, leaving; and one-click unsubscription.
 *
 * Invariants: GET changes nothing, because programs fetch links; a page reveals membership only to the member; only
 * links sent to an address change its membership.
 */
import * as z from 'zod'
import { Answer, type Html, type HttpApi, HttpProblem, html } from '../../web/http/api.ts'
import { DELIVERIES, type MailingList, type Member } from '../api.ts'
import type { Archive } from '../archive.ts'
import type { Membership } from '../membership.ts'
import { foldAddress } from '../records.ts'
import type { Tokens, Wish } from '../tokens.ts'
import { type AccessDeps, isModerator, listIn } from './access.ts'
import { checkProof, proofFields } from './forms.ts'
import { page, pathOf } from './layout.ts'

export interface MemberPagesDeps extends AccessDeps {
  readonly http: HttpApi
  readonly membership: Membership
  readonly tokens: Tokens
  readonly archive: Archive | undefined
  readonly now: () => number
}

const token = z.string().regex(/^[a-z2-7]{16,24}$/)
const list = z.string().max(254)
const address = z.string().max(254)
const form = z.object({ address, proof: z.string().max(200).optional(), website: z.string().max(200).optional() })
const LIMIT = { perMinute: 20 }

const said = (title: string, text: string, about?: MailingList): Html =>
  page({ title, list: about, isPrivate: true, body: html`<p role="status">${text}</p>` })
/** Identical for any address. */
const SENT = 'If the address can be used for this, a message with a link is on its way to it.'
const GONE = 'This link has expired or was used already'

function given(text: string): string {
  const folded = foldAddress(text)
  if (folded === undefined) throw new HttpProblem(400, 'This is not an e-mail address')
  return folded
}

export function addMemberPages(deps: MemberPagesDeps): void {
  addListPages(deps)
  addConfirmPages(deps)
  addOptionPages(deps)
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
      const body =
        all.length === 0
          ? html`<p>There are no public lists.</p>`
          : html`<table><thead><tr><th scope="col">List</th><th scope="col">About</th></tr></thead><tbody>${all.map((one) => html`<tr><td><a href="${pathOf(one)}">${one.address}</a></td><td>${one.settings.description}</td></tr>`)}</tbody></table>`
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
      return listPage(deps, found, await roster.secret(), await isModerator(deps, found, login))
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
      return said('Nearly done', result === 'waiting' ? 'A moderator decides about it.' : SENT, found)
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
      return said('Look into your mailbox', SENT, found)
    },
  })
}

async function listPage(
  { archive, now }: MemberPagesDeps,
  found: MailingList,
  secret: Buffer,
  moderates: boolean,
): Promise<Html> {
  const { settings } = found
  const months = settings.archive === 'none' ? [] : ((await archive?.months(found)) ?? [])
  const ask = (action: string, purpose: string, label: string, button: string) =>
    html`<form method="post" action="${pathOf(found)}/${action}"><label for="${purpose}">${label}</label><input id="${purpose}" name="address" type="email" required maxlength="254" autocomplete="email">${proofFields(secret, purpose, now())} <button>${button}</button></form>`
  const body = html`<p>${settings.info || `Write to ${found.address}`}</p>
${moderates ? html`<p><a href="${pathOf(found)}/held">Posts and requests that await a decision</a></p>` : ''}
${settings.subscribe === 'closed' ? '' : html`<section aria-label="Join"><h2>Join</h2>${ask('subscribe', 'join', 'Your e-mail address', 'Join')}</section>`}
<section aria-label="Members"><h2>Members</h2>${ask('options', 'options', 'Your e-mail address, for a link to your options', 'Send the link')}</section>
${months.length === 0 ? '' : html`<section aria-label="Archive"><h2>Archive</h2><ul>${months.map(({ month, posts }) => html`<li><a href="${pathOf(found)}/month/${month}">${month}</a> <span class="meta">${posts}</span></li>`)}</ul></section>`}`
  return page({
    title: settings.description || found.address,
    list: found,
    isPrivate: settings.advertised === 'no',
    body,
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
      const body = html`<p>${wish.address}, ${wish.list}</p><form method="post" action="/lists/confirm/${params.token}"><button>${ACTIONS[wish.action]}</button></form>`
      return page({ title: ACTIONS[wish.action], isPrivate: true, body })
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
      const text = result === 'waiting' ? 'A moderator decides about it.' : `Done: ${wish.address}, ${wish.list}`
      return said('Confirmed', text, await roster.list(wish.list))
    },
  })
}

const DELIVERY = { post: 'Every post', mime: 'Digest (MIME)', plain: 'Digest (plain text)', none: 'No mail' } as const
const optionsForm = z.object({
  action: z.enum(['save', 'leave']),
  delivery: z.enum(DELIVERIES).optional(),
  own: z.literal('yes').optional(),
  duplicates: z.literal('yes').optional(),
  acknowledge: z.literal('yes').optional(),
  away: z.union([z.literal(''), z.iso.date()]).optional(),
})

function addOptionPages({ http, tokens, roster, membership }: MemberPagesDeps): void {
  /** The member of a link, which stays valid until it expires. */
  async function memberOf(name: string): Promise<{ readonly list: MailingList; readonly member: Member }> {
    const wish = await tokens.look(name)
    const found = wish?.action === 'options' ? await roster.list(wish.list) : undefined
    const member = found && wish && (await roster.member(found, wish.address))
    if (!found || !member) throw new HttpProblem(404, GONE)
    return { list: found, member }
  }
  http.page({
    path: '/lists/options/:token',
    who: 'anyone',
    summary: 'The options of a member',
    params: z.object({ token }),
    limit: LIMIT,
    async run({ params }) {
      const { list: found, member } = await memberOf(params.token)
      return optionsPage(params.token, found, member)
    },
  })
  http.page({
    method: 'POST',
    path: '/lists/options/:token',
    who: 'anyone',
    summary: 'Changes the options of a member',
    params: z.object({ token }),
    form: optionsForm,
    limit: LIMIT,
    async run({ params, body }) {
      const { list: found, member } = await memberOf(params.token)
      const { action, delivery = member.delivery, away, ...flags } = body as z.output<typeof optionsForm>
      if (action === 'leave') {
        await membership.leave(found, member.address)
        return said('You have left the list', `${member.address}, ${found.address}`, found)
      }
      await membership.set(found, member.address, {
        delivery,
        own: flags.own === 'yes',
        duplicates: flags.duplicates === 'yes',
        acknowledge: flags.acknowledge === 'yes',
        awayUntil: away ? Date.parse(away) : 0,
      })
      return said('Saved', `${member.address}, ${found.address}`, found)
    },
  })
}

function optionsPage(name: string, found: MailingList, member: Member): Html {
  const { awayUntil = 0 } = member
  const box = (id: 'own' | 'duplicates' | 'acknowledge', label: string) =>
    html`<label><input type="checkbox" name="${id}" value="yes"${member[id] ? html` checked` : ''}> ${label}</label>`
  const body = html`<p>${member.address}</p><form method="post" action="/lists/options/${name}">
<label for="delivery">Mail</label><select id="delivery" name="delivery">${DELIVERIES.map((one) => html`<option value="${one}"${member.delivery === one ? html` selected` : ''}>${DELIVERY[one]}</option>`)}</select>
${box('own', 'Copies of my own posts')}${box('duplicates', 'Posts that name me in To or Cc')}${box('acknowledge', 'A note when my post was sent')}
<label for="away">No mail until</label><input id="away" name="away" type="date" value="${awayUntil > 0 ? new Date(awayUntil).toISOString().slice(0, 10) : ''}">
<p><button name="action" value="save">Save</button> <button name="action" value="leave">Leave the list</button></p></form>`
  return page({ title: `Options: ${found.settings.description || found.address}`, list: found, isPrivate: true, body })
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
      const body = html`<p>${named.member.address}</p><form method="post" action="/lists/unsubscribe/${params.token}"><button>Leave ${named.list.address}</button></form>`
      return page({ title: 'Leave the list', isPrivate: true, body })
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
