/**
 * The options of a member: by a link that was sent to the address, by a login whose account has it, and for owners.
 *
 * Invariants: the link stays valid until it expires; an account sees and changes only memberships of its own addresses.
 */
import * as z from 'zod'
import { type Call, type Html, HttpProblem, html, Redirect } from '../../web/http/api.ts'
import { DELIVERIES, LANGUAGES, type MailingList, type Member, type MemberOptions } from '../api.ts'
import { topicNames } from '../topics.ts'
import { addressesOf, inOwnLanguage, listIn, memberAddress } from './access.ts'
import { page, pathOf, said, titleOf } from './layout.ts'
import { GONE, LIMIT, type MemberPagesDeps, token } from './member-pages.ts'
import { wordsOf } from './words.ts'

export const DELIVERY = {
  post: 'Every post',
  mime: 'Digest (MIME)',
  plain: 'Digest (plain text)',
  none: 'No mail',
} as const
const LANGUAGE_NAMES = { en: 'English', de: 'Deutsch', fr: 'Français', es: 'Español' } as const
const list = z.string().max(254)
export const optionsForm = z
  .object({
    action: z.enum(['save', 'leave']),
    name: z.string().max(200).optional(),
    delivery: z.enum(DELIVERIES).optional(),
    language: z.union([z.literal(''), z.enum(LANGUAGES)]).optional(),
    own: z.literal('yes').optional(),
    duplicates: z.literal('yes').optional(),
    acknowledge: z.literal('yes').optional(),
    moderated: z.literal('yes').optional(),
    otherTopics: z.literal('yes').optional(),
    away: z.union([z.literal(''), z.iso.date()]).optional(),
  })
  .catchall(z.string().max(200))
export type OptionsForm = z.output<typeof optionsForm>

/** The options that a form holds. Topics are fields of their own, by number. */
export function optionsIn(form: OptionsForm, found: MailingList, member: Member): MemberOptions {
  const names = topicNames(found)
  const chosen = names.filter((_, index) => form[`topic-${index}`] === 'yes')
  return {
    ...(form.name === undefined ? {} : { name: form.name }),
    delivery: form.delivery ?? member.delivery,
    own: form.own === 'yes',
    duplicates: form.duplicates === 'yes',
    acknowledge: form.acknowledge === 'yes',
    awayUntil: form.away ? Date.parse(form.away) : 0,
    ...(form.language === undefined ? {} : { language: form.language === '' ? null : form.language }),
    ...(names.length === 0 ? {} : { topics: chosen, otherTopics: form.otherTopics === 'yes' }),
  }
}

/** The form fields of a member's options. Owners also see whether the member is moderated. */
export function optionFields(found: MailingList, member: Member, isOwner = false): Html {
  const { awayUntil = 0, topics = [] } = member
  const t = wordsOf(found)
  const box = (id: string, label: string, isOn: boolean) =>
    html`<label class="box"><input type="checkbox" name="${id}" value="yes"${isOn ? html` checked` : ''}> ${label}</label>`
  const option = (value: string, text: string, isOn: boolean) =>
    html`<option value="${value}"${isOn ? html` selected` : ''}>${text}</option>`
  const names = topicNames(found)
  return html`<div class="field"><label for="name">${t('Name')}</label><input id="name" name="name" maxlength="200" autocomplete="name" value="${member.name ?? ''}"></div>
<div class="field"><label for="delivery">${t('Mail')}</label><select id="delivery" name="delivery">${DELIVERIES.map((one) => option(one, t(DELIVERY[one]), member.delivery === one))}</select></div>
<div class="field"><label for="language">${t('Language of messages from the list')}</label><select id="language" name="language">${option('', t('As the list'), !member.language)}${LANGUAGES.map((one) => option(one, LANGUAGE_NAMES[one], member.language === one))}</select></div>
<div>${box('own', t('Copies of my own posts'), member.own)}${box('duplicates', t('Posts that name me in To or Cc'), member.duplicates)}${box('acknowledge', t('A note when my post was sent'), member.acknowledge)}${isOwner ? box('moderated', t('Posts wait for a moderator'), member.moderated) : ''}</div>
${names.length === 0 ? '' : html`<fieldset class="field"><legend class="lb">${t('Topics; none means all')}</legend>${names.map((name, index) => box(`topic-${index}`, name, topics.includes(name)))}${box('otherTopics', t('Posts without any of these topics'), member.otherTopics !== false)}</fieldset>`}
<div class="field"><label for="away">${t('No mail until')}</label><input id="away" name="away" type="date" value="${awayUntil > 0 ? new Date(awayUntil).toISOString().slice(0, 10) : ''}"></div>`
}

function optionsPage(action: string, found: MailingList, member: Member): Html {
  const t = wordsOf(found)
  const body = html`<form class="form" method="post" action="${action}">${optionFields(found, member)}<div class="acts"><button class="btn main" name="action" value="save">${t('Save')}</button><button class="btn danger" name="action" value="leave">${t('Leave the list')}</button></div></form>`
  return page({ title: t('Options: {}', titleOf(found)), list: found, isPrivate: true, meta: member.address, body })
}

export function addOptionPages(deps: MemberPagesDeps): void {
  addLinkPages(deps)
  addAccountPages(deps)
}

async function change(
  { membership }: MemberPagesDeps,
  found: MailingList,
  member: Member,
  form: OptionsForm,
): Promise<Html> {
  const title = wordsOf(found)(form.action === 'leave' ? 'You have left the list' : 'Saved')
  if (form.action === 'leave') await membership.leave(found, member.address)
  else await membership.set(found, member.address, optionsIn(form, found, member))
  return said(title, `${member.address}, ${found.address}`, found)
}

function addLinkPages(deps: MemberPagesDeps): void {
  const { http, tokens, roster } = deps
  /** The member of a link. */
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
      return optionsPage(`/lists/options/${params.token}`, found, member)
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
      return change(deps, found, member, body as OptionsForm)
    },
  })
}

function addAccountPages(deps: MemberPagesDeps): void {
  const { http, roster, membership } = deps
  async function open({ params, login }: Pick<Call<{ list: string }>, 'params' | 'login'>) {
    const found = await listIn(deps, params.list)
    const address = await memberAddress(deps, found, login)
    return { found, member: address === undefined ? undefined : await roster.member(found, address) }
  }
  http.page({
    path: '/lists/:list/membership',
    who: 'user',
    summary: 'The membership of an account in a mailing list',
    params: z.object({ list }),
    async run(call) {
      const { found: list, member } = await open(call)
      const found = await inOwnLanguage(deps, list, call.login)
      const action = `${pathOf(found)}/membership`
      if (member) return optionsPage(action, found, member)
      const addresses = await addressesOf(deps, call.login)
      if (addresses.length === 0) throw new HttpProblem(403, 'Your account has no address')
      const t = wordsOf(found)
      const body = html`<form class="form" method="post" action="${action}"><div class="field"><label for="address">${t('Your address')}</label><select id="address" name="address">${addresses.map((one) => html`<option>${one}</option>`)}</select></div><button class="btn main" name="action" value="join">${t('Subscribe')}</button></form>`
      return page({ title: t('Join: {}', titleOf(found)), list: found, isPrivate: true, body })
    },
  })
  http.page({
    method: 'POST',
    path: '/lists/:list/membership',
    who: 'user',
    summary: 'Joins a mailing list with an account, changes its options or leaves',
    params: z.object({ list }),
    form: z.union([z.object({ action: z.literal('join'), address: z.string().max(254) }), optionsForm]),
    limit: LIMIT,
    async run(call) {
      const { found, member } = await open(call)
      const body = call.body as OptionsForm | { readonly action: 'join'; readonly address: string }
      if (body.action !== 'join') {
        if (!member) throw new HttpProblem(404, 'You are not a member of this list')
        return change(deps, found, member, body)
      }
      if (!(await addressesOf(deps, call.login)).includes(body.address as string))
        throw new HttpProblem(403, 'This is not an address of your account')
      // The login has shown whose address it is: no confirmation by mail.
      const result = await membership.joinAs(found, body.address as string)
      if (result === 'closed') throw new HttpProblem(403, 'The list does not take new members')
      if (result === 'waiting')
        return said(wordsOf(found)('Nearly done'), wordsOf(found)('A moderator decides about it.'), found)
      return new Redirect(`${pathOf(found)}/membership`)
    },
  })
}
