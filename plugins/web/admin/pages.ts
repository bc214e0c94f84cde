/**
 * Pages that plugins add: their list for the navigation, the values of declared pages, and the modules.
 *
 * Invariants: a page is reached by the logins it names; input is validated by the page's schemas; a plugin's fault
 * reaches only its own page.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import { Download, HttpProblem, type Login, requireFresh } from '../http/api.ts'
import type { AdminApi, AdminPage, PageSchema } from './api.ts'
import type { Audit } from './audit.ts'
import { outputOf } from './resources/commands.ts'
import { type AdminCall, type AdminRoutes, lines } from './routes.ts'

const ID = /^[a-z0-9][a-z0-9-]{0,63}$/
const DAY_S = 86_400
const MAX_IDS = 10_000

export class Pages implements AdminApi {
  readonly all: AdminPage[] = []

  page: AdminApi['page'] = (given) => {
    const page = given as unknown as AdminPage
    if (!ID.test(page.id)) throw new Error(`the page ${page.id} needs an id of lower-case letters, digits and dashes`)
    if (this.all.some(({ id }) => id === page.id))
      throw new Error(`two pages of the administration are called ${page.id}`)
    this.all.push(page)
  }

  /** Throws 404 for a page that the login may not see. */
  get(id: string, login: Login): AdminPage {
    const page = this.all.find((one) => one.id === id)
    if (!page || !login.may(page.who ?? 'admin')) throw new HttpProblem(404, 'There is no such page')
    return page
  }
}

const schemaOf = (schema: PageSchema, side: 'input' | 'output') =>
  schema['~standard'].jsonSchema[side]({ target: 'draft-2020-12', libraryOptions: { unrepresentable: 'any' } })

async function read(schema: PageSchema | undefined, value: unknown): Promise<unknown> {
  if (!schema) return {}
  const result = await schema['~standard'].validate(value)
  if (!result.issues) return result.value
  const errors = result.issues.map(({ path = [], message }) => ({
    at: path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.'),
    message,
  }))
  throw new HttpProblem(400, `${errors[0]?.at ?? 'The value'}: ${errors[0]?.message}`, { errors })
}

/** The description from which the browser draws a page, without its values. */
function drawn(page: AdminPage) {
  const { id, title, group, summary } = page
  const common = { id, title, group, ...(summary === undefined ? {} : { summary }) }
  if ('table' in page) {
    const { row, filter, actions = [] } = page.table
    return {
      ...common,
      kind: 'table',
      row: schemaOf(row, 'output'),
      ...(filter ? { filter: schemaOf(filter, 'input') } : {}),
      actions: actions.map(({ run: _, ...action }) => action),
      hasPreview: page.table.preview !== undefined,
    }
  }
  if ('form' in page) return { ...common, kind: 'form', schema: schemaOf(page.form.schema, 'input') }
  if ('figures' in page)
    return { ...common, kind: 'figures', figures: page.figures.map(({ series: _, ...figure }) => figure) }
  return { ...common, kind: 'module' }
}

export function addPages(routes: AdminRoutes, pages: Pages, audit: Audit): void {
  const ofPage = z.object({ id: z.string().max(64) })
  routes.route({
    method: 'GET',
    path: '/api/v1/pages',
    who: 'user',
    summary: 'List the pages of plugins that the login may see',
    run: ({ login }) => ({ pages: pages.all.filter(({ who = 'admin' }) => login.may(who)).map(drawn) }),
  })
  routes.route({
    method: 'POST',
    path: '/api/v1/pages/:id/rows',
    who: 'user',
    summary: 'List rows of a table page of a plugin',
    params: ofPage,
    body: z.strictObject({ filter: z.unknown().optional(), cursor: z.string().max(1000).optional() }),
    async run({ params, login, body }) {
      const page = pages.get(params.id, login)
      if (!('table' in page)) throw new HttpProblem(404, 'This page is no table')
      return page.table.rows(await read(page.table.filter, body.filter ?? {}), body.cursor)
    },
  })
  routes.route({
    method: 'POST',
    path: '/api/v1/pages/:id/actions/:action',
    who: 'user',
    summary: 'Run an action of a table page for rows; a stream of lines',
    params: ofPage.extend({ action: z.string().max(64) }),
    body: z.strictObject({ ids: z.array(z.string().max(1000)).min(1).max(MAX_IDS) }),
    run: (call) => act(pages, call, audit),
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/pages/:id/form',
    who: 'user',
    summary: 'Show the values of a form page of a plugin',
    params: ofPage,
    run: async ({ params, login }) => ({ value: await formOf(pages, params.id, login).read() }),
  })
  routes.route({
    method: 'PUT',
    path: '/api/v1/pages/:id/form',
    who: 'user',
    summary: 'Change the values of a form page of a plugin',
    params: ofPage,
    body: z.strictObject({ value: z.unknown() }),
    async run({ params, login, body, by }) {
      const form = formOf(pages, params.id, login)
      await form.write(await read(form.schema, body.value), { login })
      await audit.add({ by, what: 'page.form', about: params.id })
    },
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/pages/:id/figures',
    who: 'user',
    summary: 'List the figures of a page of a plugin',
    params: ofPage,
    async run({ params, login }) {
      const page = pages.get(params.id, login)
      if (!('figures' in page)) throw new HttpProblem(404, 'This page has no figures')
      const figures = page.figures.map(async ({ title, unit, series }) => ({ title, unit, series: await series() }))
      return { figures: await Promise.all(figures) }
    },
  })
  addPreviews(routes, pages, audit)
  addModules(routes, pages)
}

function addPreviews(routes: AdminRoutes, pages: Pages, audit: Audit): void {
  routes.route({
    method: 'GET',
    path: '/api/v1/pages/:id/preview',
    who: 'user',
    summary: 'Show the text about a row of a table page of a plugin; the history records it',
    params: z.object({ id: z.string().max(64) }),
    query: z.object({ row: z.string().min(1).max(1000) }),
    async run({ params, login, query, by }) {
      const page = pages.get(params.id, login)
      const text = 'table' in page ? await page.table.preview?.(query.row) : undefined
      if (text === undefined) throw new HttpProblem(404, 'There is no such row')
      await audit.add({ by, what: 'page.preview', about: params.id, fields: { row: query.row } })
      return { text }
    },
  })
}

function formOf(pages: Pages, id: string, login: Login) {
  const page = pages.get(id, login)
  if (!('form' in page)) throw new HttpProblem(404, 'This page is no form')
  return page.form
}

async function act(pages: Pages, { params, login, body, signal, by }: AdminCall, audit: Audit) {
  const page = pages.get(params.id, login)
  const action = 'table' in page ? page.table.actions?.find(({ id }) => id === params.action) : undefined
  if (!action) throw new HttpProblem(404, 'There is no such action')
  if (action.irreversible) requireFresh(login)
  await audit.add({ by, what: `page.${action.id}`, about: params.id, fields: { count: body.ids.length } })
  return lines(outputOf(action.run(body.ids, { login, signal })))
}

function addModules(routes: AdminRoutes, pages: Pages): void {
  const files = new Map<string, Promise<Buffer>>()
  const fileOf = (id: string, module: URL) => {
    const known = files.get(id) ?? readFile(module)
    files.set(id, known)
    return known
  }
  routes.route({
    method: 'GET',
    path: '/api/v1/pages/:id/module',
    who: 'user',
    summary: 'Show the address of the module of a page',
    params: z.object({ id: z.string().max(64) }),
    async run({ params, login }) {
      const page = pages.get(params.id, login)
      if (!('module' in page)) throw new HttpProblem(404, 'This page has no module')
      const hash = createHash('sha256').update(await fileOf(page.id, page.module))
      return { url: `/admin/modules/${page.id}.js?${hash.digest('hex').slice(0, 16)}` }
    },
  })
  routes.http.stream({
    method: 'GET',
    path: '/admin/modules/:file',
    who: 'user',
    summary: 'Serves the module of a page of a plugin',
    params: z.object({ file: z.string().max(80) }),
    async run({ params, login }) {
      const page = pages.get(params.file.replace(/\.js$/, ''), login)
      if (!('module' in page)) throw new HttpProblem(404, 'This page has no module')
      const text = await fileOf(page.id, page.module)
      return new Download({
        type: 'text/javascript; charset=utf-8',
        maxAge: DAY_S,
        async *open() {
          yield text
        },
      })
    },
  })
}
