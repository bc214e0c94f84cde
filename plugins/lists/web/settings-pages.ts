/**
 * The settings of a list as a form, for its owners. The form is made from the schema that commands use.
 *
 * Invariants: settings that are not in the form stay unchanged; an invalid value changes nothing.
 */
import * as z from 'zod'
import { type Html, type HttpApi, HttpProblem, html, Redirect } from '../../web/http/api.ts'
import type { MailingList } from '../api.ts'
import { merged, SETTINGS } from '../settings.ts'
import { type AccessDeps, mustOwn } from './access.ts'
import { page, pathOf } from './layout.ts'

export interface SettingsPagesDeps extends AccessDeps {
  readonly http: HttpApi
}

type Name = keyof typeof SETTINGS
const NAMES = Object.keys(SETTINGS) as Name[]
const LONG = new Set<Name>(['info', 'footer', 'welcome', 'goodbye'])
const MAX_FORM = 1_000_000
/** The first setting of each group, with the group's name. */
const GROUPS: Partial<Record<Name, string>> = {
  description: 'About the list',
  post: 'Posts',
  subjectPrefix: 'What members get',
  subscribe: 'Members',
  verpEvery: 'Delivery',
  owners: 'Owners and moderators',
}
const list = z.string().max(254)
const form = z.record(z.string(), z.string().max(MAX_FORM))

/** `maxSize` as `Max size`. */
const labelOf = (name: Name) => {
  const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
  return words.charAt(0).toUpperCase() + words.slice(1)
}

function field(name: Name, value: unknown): Html {
  const schema = SETTINGS[name] as z.ZodType
  const choices = schema instanceof z.ZodEnum ? (schema.options as string[]) : undefined
  const shown = Array.isArray(value) ? value.join('\n') : String(value)
  const hint = html`<p class="hint" id="h-${name}">${schema.description ?? ''}${Array.isArray(value) ? ' One on each line.' : ''}</p>`
  const ids = html`id="${name}" name="${name}" aria-describedby="h-${name}"`
  const control = choices
    ? html`<select ${ids}>${choices.map((one) => html`<option${one === value ? html` selected` : ''}>${one}</option>`)}</select>`
    : Array.isArray(value) || LONG.has(name)
      ? html`<textarea ${ids} rows="4">${shown}</textarea>`
      : html`<input ${ids} value="${shown}">`
  return html`<div class="field"><label for="${name}">${labelOf(name)}</label>${control}${hint}</div>`
}

function settingsPage(found: MailingList): Html {
  const fields = NAMES.map(
    (name) => html`${GROUPS[name] ? html`<h2>${GROUPS[name]}</h2>` : ''}${field(name, found.settings[name])}`,
  )
  const body = html`<form class="form" method="post" action="${pathOf(found)}/settings">${fields}<div class="acts"><button class="btn main">Save</button><a class="btn" href="${pathOf(found)}">Back</a></div></form>`
  return page({ title: 'Settings', list: found, language: 'en', isPrivate: true, meta: found.address, body })
}

/** The settings that a form holds. Throws a problem that names each invalid one. */
function settingsIn(fields: Readonly<Record<string, string>>, before: MailingList): MailingList['settings'] {
  const given: Record<string, unknown> = {}
  const faults: string[] = []
  for (const name of NAMES) {
    const text = fields[name]
    if (text === undefined) continue
    const value = Array.isArray(before.settings[name])
      ? text.split(/\r?\n/).filter((line) => line.trim() !== '')
      : text.replace(/\r\n/g, '\n')
    // Values as the form showed them are valid.
    if (String(value) === String(before.settings[name])) continue
    const read = (SETTINGS[name] as z.ZodType).safeParse(value)
    if (read.success) given[name] = read.data
    else faults.push(`${labelOf(name)}: ${read.error.issues[0]?.message ?? 'cannot be used'}`)
  }
  if (faults.length > 0) throw new HttpProblem(400, faults.join('. '))
  return merged(before.settings, given)
}

export function addSettingsPages(deps: SettingsPagesDeps): void {
  const { http, roster } = deps
  http.page({
    path: '/lists/:list/settings',
    who: 'user',
    summary: 'The settings of a mailing list, for its owners',
    params: z.object({ list }),
    run: async ({ params, login }) => settingsPage(await mustOwn(deps, params.list, login)),
  })
  http.page({
    method: 'POST',
    path: '/lists/:list/settings',
    who: 'user',
    summary: 'Changes the settings of a mailing list',
    params: z.object({ list }),
    form,
    limit: { body: MAX_FORM },
    async run({ params, login, body }) {
      const found = await mustOwn(deps, params.list, login)
      const settings = settingsIn(body as Record<string, string>, found)
      await roster.setList(found.address, (before) => ({ ...before, settings }))
      return new Redirect(pathOf(found))
    },
  })
}
