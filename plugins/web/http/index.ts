/**
 * HTTP for plugins: listeners, logins and limits; other plugins add routes.
 *
 * This file assembles the parts; app.ts shows the path of a request.
 */
import { type ConnectionInfo, createListener, definePlugin, type Identity, inNetworks, type SetupContext } from 'iems'
import { Accounts } from '../../directory/static/api.ts'
import { Directory } from '../../directory/store/api.ts'
import { Http } from './api.ts'
import { type App, createApp } from './app.ts'
import { Calls } from './calls.ts'
import { AccessControl } from './login/access.ts'
import { Challenges } from './login/challenges.ts'
import { addLanguageRoutes } from './login/language.ts'
import { LiveLogins } from './login/live.ts'
import { Passkeys } from './login/passkeys.ts'
import { WebLogins } from './login/records.ts'
import { addLoginRoutes } from './login/routes.ts'
import { describeApi } from './openapi.ts'
import { type Options, options } from './options.ts'
import { createRequestCounts, RequestLimits } from './request-limits.ts'
import { MAIN, Routes } from './routes.ts'

export * from './api.ts'

const SWEEP_MS = 3_600_000
const LIVE_SWEEP_MS = 60_000
const FULL = 'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 10\r\nContent-Length: 0\r\n\r\n'

export const http = definePlugin({
  name: 'http',
  config: options,
  offers: [Http],
  wants: [Accounts, Directory],
  records: { login: { version: 1 } },
  async setup(config, ctx) {
    const stopping = new AbortController()
    const routes = new Routes(config.separate)
    const { calls, live } = setUpAccess({ config, ctx, routes, stopping: stopping.signal })
    routes.route({
      method: 'GET',
      path: '/api/openapi.json',
      who: 'anyone',
      summary: 'Describes this API',
      run: () => describeApi(routes.all, '1'),
    })
    ctx.offer(Http, routes)
    const { clock, log } = ctx

    let app: App | undefined
    const listeners = await Promise.all(
      [config, ...config.separate].map((place, number) =>
        listenerFor({ ...config, listen: place.listen, tls: place.tls ?? config.tls }, number, {
          ctx,
          routes,
          async serve(client, signal) {
            if (!app) return
            signal.addEventListener('abort', () => app?.drain(), { once: true })
            await app.connections.serve(client, number, signal)
          },
        }),
      ),
    )
    return {
      async refresh() {
        await Promise.all(listeners.map((one) => one.refresh()))
        return true
      },
      async listen() {
        routes.seal()
        app = await createApp({ options: config, routes, calls, clock, log, stopping: stopping.signal })
        for (const one of listeners) await one.listen()
      },
      async close(signal) {
        stopping.abort()
        app?.drain()
        await Promise.all(listeners.map((one) => one.close(signal)))
        await app?.close()
        live.close()
      },
    }
  },
})

interface ListenerParts {
  readonly ctx: SetupContext
  readonly routes: Routes
  readonly serve: Parameters<typeof createListener>[2]['serve']
}

/** Each listener counts its own connections: many clients of one do not close another. */
function listenerFor(config: Options, number: number, { ctx, routes, serve }: ListenerParts) {
  const tls = config.tls && { ...config.tls, mode: 'implicit' as const }
  const port: typeof ctx.port = async (...given) => {
    const place = await ctx.port(...given)
    routes.opened(place, { listener: number, isSecure: tls !== undefined })
    return place
  }
  const lasting: typeof ctx.lasting = (name, make) => ctx.lasting(number === MAIN ? name : `${name} ${number}`, make)
  return createListener(
    { ...config, tls },
    { ...ctx, port, lasting },
    { label: 'HTTP', full: FULL, alpn: ['h2', 'http/1.1'], serve },
  )
}

interface AccessParts {
  readonly config: Options
  readonly ctx: SetupContext
  readonly routes: Routes
  readonly stopping: AbortSignal
}

/** Logins: in the store, in use, and the routes for them. */
function setUpAccess({ config, ctx, routes, stopping }: AccessParts): {
  readonly calls: Calls
  readonly live: LiveLogins
} {
  const directory = ctx.find(Directory)
  const { clock, store } = ctx
  const openSession = (facts: ConnectionInfo) => ctx.openSession(facts)
  const { authWithoutTls, origins, limits, roles: permissions } = config
  const { idle, absolute, fresh } = config.login
  const challenges = new Challenges(store)
  const records = new WebLogins(store, { idle, absolute, maxPerAccount: limits.logins })
  const live = new LiveLogins({ clock, openSession })
  const needsCode = async (identity: Identity) => (await directory?.needsCode(identity)) ?? false
  const counts = ctx.lasting('requests', createRequestCounts)
  const calls = new Calls({
    access: new AccessControl({
      live,
      records,
      authWithoutTls,
      origins,
      permissions,
      needsCode,
      isFresh: (shown) => clock.now() - shown < fresh,
    }),
    limits: new RequestLimits(clock, counts, limits.requestsPerMinute),
    isProxy: inNetworks(config.proxies),
    openSession,
    stopping,
  })
  addLoginRoutes(routes, {
    records,
    needsCode,
    passkeys: directory && new Passkeys({ directory, challenges, log: ctx.log }),
    checkCode: async ({ account = '' }, code) => (await directory?.checkTotp(account, code)) ?? false,
    authWithoutTls,
    absolute,
  })
  addLanguageRoutes(routes, ctx.find(Accounts), directory)
  const sweep = async (signal: AbortSignal) => {
    await challenges.sweep()
    await records.sweep(signal)
  }
  ctx.schedule({ name: 'sweep', every: SWEEP_MS, run: (signal) => sweep(signal) })
  ctx.repeat(LIVE_SWEEP_MS, 'the look for logins that are not used', async () => live.sweep())
  return { calls, live }
}
