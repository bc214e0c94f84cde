/**
 * Components, nodes, plugins, hooks, metrics, the configuration, the log as it is written, and the history of changes.
 */
import type { ComponentStatus } from 'iems'
import * as z from 'zod'
import type { ServerEvent } from '../../http/api.ts'
import { HttpProblem, requireFresh } from '../../http/api.ts'
import type { Audit, AuditRecord } from '../audit.ts'
import type { AdminCall, AdminRoutes } from '../routes.ts'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
const MAX_HISTORY = 500
const PER_EVENT = 200

export function addSystem(routes: AdminRoutes, audit: Audit): void {
  addComponents(routes)
  addViews(routes)
  routes.events({
    path: '/api/v1/log',
    who: 'admin',
    summary: 'Follow the log: recent lines, then each new one',
    query: z.object({ level: z.enum(LEVELS).default('info'), text: z.string().max(200).default('') }),
    run: follow,
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/history',
    who: 'admin',
    summary: 'List changes, newest first',
    query: z.object({
      by: z.string().max(200).optional(),
      before: z.coerce.number().int().min(0).optional(),
      limit: z.coerce.number().int().min(1).max(MAX_HISTORY).default(100),
    }),
    async run({ query: { by, before, limit } }) {
      const records: AuditRecord[] = []
      for await (const one of audit.list({ ...(before === undefined ? {} : { before }), ...(by ? { by } : {}) })) {
        records.push(one)
        if (records.length >= limit) break
      }
      const last = records.at(-1)
      return { records, ...(records.length === limit && last ? { next: last.at } : {}) }
    },
  })
}

const wanted = z.strictObject({
  state: z.enum(['running', 'stopped']),
  /** The server of that name; default: all. */
  node: z.string().max(255).optional(),
})

function addComponents(routes: AdminRoutes): void {
  routes.route({
    method: 'GET',
    path: '/api/v1/components',
    who: 'status:read',
    summary: 'List the components of this server',
    run: ({ administration }) => ({ components: administration.components() }),
  })
  routes.route({
    method: 'PUT',
    path: '/api/v1/components/:name',
    who: 'admin',
    summary: 'Start a component, or stop it: it takes no new work and finishes its current work',
    params: z.object({ name: z.string().max(255) }),
    body: wanted,
    run: (call) => setComponent(call),
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/nodes',
    who: 'status:read',
    summary: 'List the servers that share the store',
    run: async ({ administration }) => ({ nodes: await administration.nodes() }),
  })
  routes.route({
    method: 'POST',
    path: '/api/v1/reload',
    who: 'admin',
    summary: 'Read the configuration again',
    async run({ administration }) {
      await administration.reload()
      return {}
    },
  })
  routes.route({
    method: 'POST',
    path: '/api/v1/stop',
    who: 'admin',
    summary: 'Stop the server',
    fresh: true,
    async run({ administration }) {
      await administration.stop()
      return {}
    },
  })
}

async function setComponent({ administration, login, params, body }: AdminCall): Promise<ComponentStatus> {
  const isStop = body.state === 'stopped'
  const { kind, plugin } = administration.component(params.name)
  const own = administration.plugins().find(({ name }) => name === plugin)
  // The page would not come back to start it again.
  if (isStop && own?.plugin === 'http' && body.node === undefined)
    throw new HttpProblem(409, 'This would stop the administration itself: use `iems component stop`')
  if (isStop && kind === 'listener') requireFresh(login)
  if (body.node !== undefined) {
    await administration.wantComponent(params.name, body.node, isStop)
    return administration.component(params.name)
  }
  return isStop ? administration.stopComponent(params.name) : administration.startComponent(params.name)
}

function addViews(routes: AdminRoutes): void {
  routes.route({
    method: 'GET',
    path: '/api/v1/plugins',
    who: 'status:read',
    summary: 'List the plugins that run, with hooks, services and commands',
    run: ({ administration }) => ({ plugins: administration.plugins() }),
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/hooks',
    who: 'status:read',
    summary: 'List the hooks with their taps, in the order in which they run',
    run: ({ administration }) => ({ hooks: administration.hooks() }),
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/metrics',
    who: 'status:read',
    summary: 'List metrics',
    run: async ({ administration }) => ({ metrics: await administration.metrics() }),
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/configuration',
    who: 'admin',
    summary: 'Show the running configuration with defaults and its schemas; secrets are masked',
    run: ({ administration }) => administration.configuration(),
  })
}

async function* follow({ administration, query, signal }: AdminCall): AsyncGenerator<ServerEvent> {
  const least = LEVELS.indexOf(query.level)
  const words = query.text.toLowerCase()
  const { log } = administration
  type Watched = Awaited<ReturnType<typeof log.recent>>[number]
  const fits = ({ line }: Watched) =>
    LEVELS.indexOf(line.level as (typeof LEVELS)[number]) >= least &&
    (words === '' || JSON.stringify(line).toLowerCase().includes(words))
  const recent = (await log.recent()).filter(fits).slice(-PER_EVENT)
  yield { event: 'lines', data: recent.map(({ line }) => line) }
  for await (const watched of log.follow(signal)) {
    if (!watched) yield { event: 'gap', data: {} }
    else if (fits(watched)) yield { event: 'lines', data: [watched.line] }
  }
}
