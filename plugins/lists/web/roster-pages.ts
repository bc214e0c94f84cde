/**
 * The members of a list for its owners: looking through them, one member's options, and many at once.
 *
 * Invariants: a page shows a bounded number of members; a form for many members applies the valid lines and reports
 * each of the others.
 */
import { counted } from 'iems'
import * as z from 'zod'
import { type Html, HttpProblem, html, Redirect } from '../../web/http/api.ts'
import type { MailingList, ManyResult, Member } from '../api.ts'
import { changeMany } from '../many.ts'
import { foldAddress } from '../records.ts'
import { mustOwn } from './access.ts'
import { page, pathOf } from './layout.ts'
import type { MemberPagesDeps } from './member-pages.ts'
import { DELIVERY, type OptionsForm, optionFields, optionsForm, optionsIn } from './option-pages.ts'

const MAX_ROWS = 100
const MAX_FAULTS = 500
/** Octets of a form: some 100,000 members. */
const MAX_FORM = 8_000_000
const list = z.string().max(254)
const address = z.string().max(254)
const manyForm = z.object({
  action: z.enum(['add', 'set', 'remove']),
  members: z.string().max(MAX_FORM),
  welcome: z.literal('yes').optional(),
})

export function addRosterPages(deps: MemberPagesDeps): void {
  addMany(deps)
  addOne(deps)
}

const row = (found: MailingList, { address: one, name, delivery, bounce, moderated }: Member) =>
  html`<li><a href="${pathOf(found)}/members/${encodeURIComponent(one)}">${one}</a><span class="t3 sm">${DELIVERY[delivery]}</span><span class="who">${[name, moderated ? 'moderated' : '', bounce && bounce.state !== 'counting' ? bounce.state : ''].filter(Boolean).join(', ')}</span></li>`

async function membersPage({ roster }: MemberPagesDeps, found: MailingList, from: string): Promise<Html> {
  const members: Member[] = []
  for await (const member of roster.members(found, from)) {
    members.push(member)
    if (members.length > MAX_ROWS) break
  }
  const shown = members.slice(0, MAX_ROWS)
  const next = members.length > MAX_ROWS ? shown.at(-1)?.address : undefined
  const path = `${pathOf(found)}/members`
  const body = html`<form class="form" method="get" action="${path}" role="search"><div class="field"><label for="from">Members from</label><input id="from" name="from" maxlength="254" value="${from}" placeholder="ann@"></div><button class="btn">Show</button></form>
${shown.length === 0 ? html`<p class="note">No members from here on.</p>` : html`<ul class="rows">${shown.map((member) => row(found, member))}</ul>`}${next === undefined ? '' : html`<nav class="acts foot" aria-label="Pages"><a class="btn" href="${path}?from=${encodeURIComponent(next)}">Next</a></nav>`}
<section class="part"><h2>Many at once</h2><form class="form" method="post" action="${path}"><div class="field"><label for="action">Action</label><select id="action" name="action"><option value="add">Add</option><option value="set">Set options</option><option value="remove">Remove</option></select></div><div class="field"><label for="text">Members</label><textarea id="text" name="members" rows="8" required aria-describedby="h-text"></textarea><p class="hint" id="h-text">One address on each line, CSV with a header, or the export of Mailman, Sympa or LISTSERV.</p></div><label class="box"><input type="checkbox" name="welcome" value="yes"> Send the welcome text to new members</label><button class="btn main">Change</button></form></section>`
  return page({ title: 'Members', list: found, language: 'en', isPrivate: true, meta: found.address, body })
}

function addMany(deps: MemberPagesDeps): void {
  const { http } = deps
  http.page({
    path: '/lists/:list/members',
    who: 'user',
    summary: 'The members of a mailing list, for its owners',
    params: z.object({ list }),
    query: z.object({ from: z.string().max(254).default('') }),
    run: async ({ params, login, query }) => membersPage(deps, await mustOwn(deps, params.list, login), query.from),
  })
  http.page({
    method: 'POST',
    path: '/lists/:list/members',
    who: 'user',
    summary: 'Adds, sets or removes many members of a mailing list',
    params: z.object({ list }),
    form: manyForm,
    limit: { body: MAX_FORM, perMinute: 10 },
    async run({ params, login, body, signal }) {
      const found = await mustOwn(deps, params.list, login)
      const { action, members, welcome } = body as z.output<typeof manyForm>
      const faults: string[] = []
      let done = 0
      const many = { list: found.address, action, welcome: welcome === 'yes' }
      for await (const one of changeMany(deps, many, octets(members), signal)) {
        if (one.kind === 'fault' && faults.length < MAX_FAULTS) faults.push(faultLine(one))
        if (one.kind === 'end') done = one.done
      }
      const text = html`<p class="note" role="status">${counted(done, 'member')} done, ${counted(faults.length, 'fault')}</p>${faults.length === 0 ? '' : html`<ul class="rows">${faults.map((fault) => html`<li>${fault}</li>`)}</ul>`}<p class="foot"><a href="${pathOf(found)}/members">Members</a></p>`
      return page({ title: 'Members changed', list: found, language: 'en', isPrivate: true, body: text })
    },
  })
}

const faultLine = ({ line, address: one, fault }: ManyResult & { readonly kind: 'fault' }) =>
  `Line ${line}${one === undefined ? '' : `, ${one}`}: ${fault}`

async function* octets(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

function addOne(deps: MemberPagesDeps): void {
  const { http, roster, membership } = deps
  async function open(found: MailingList, name: string): Promise<Member> {
    const member = await roster.member(found, foldAddress(name) ?? '')
    if (!member) throw new HttpProblem(404, 'There is no such member')
    return member
  }
  http.page({
    path: '/lists/:list/members/:address',
    who: 'user',
    summary: 'The options of a member of a mailing list, for its owners',
    params: z.object({ list, address }),
    async run({ params, login }) {
      const found = await mustOwn(deps, params.list, login)
      const member = await open(found, params.address)
      const path = `${pathOf(found)}/members/${encodeURIComponent(member.address)}`
      const body = html`<form class="form" method="post" action="${path}">${optionFields(found, member, true)}<div class="acts"><button class="btn main" name="action" value="save">Save</button><button class="btn danger" name="action" value="leave">Remove the member</button></div></form>`
      return page({
        title: member.address,
        list: found,
        isPrivate: true,
        crumbs: [[`${pathOf(found)}/members`, 'Members']],
        body,
      })
    },
  })
  http.page({
    method: 'POST',
    path: '/lists/:list/members/:address',
    who: 'user',
    summary: 'Changes the options of a member of a mailing list, or removes the member',
    params: z.object({ list, address }),
    form: optionsForm,
    async run({ params, login, body }) {
      const found = await mustOwn(deps, params.list, login)
      const member = await open(found, params.address)
      const given = body as OptionsForm
      if (given.action === 'leave') await membership.leave(found, member.address)
      else
        await membership.set(found, member.address, {
          ...optionsIn(given, found, member),
          moderated: given.moderated === 'yes',
        })
      return new Redirect(`${pathOf(found)}/members`)
    },
  })
}
