/**
 * The application: every registered route on one Fastify instance. The only file that imports fastify.
 *
 * Invariants: a route's `run` is reached only by permitted users; an `HttpProblem` reaches the client, any other error
 * only as "Internal Server Error".
 */
import type { IncomingMessage } from 'node:http'
import { type Duplex, Readable } from 'node:stream'
import compress from '@fastify/compress'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { Clock, Log } from 'iems'
import { Answer, Download, type Html, HttpProblem, Redirect } from './api.ts'
import type { Calls } from './calls.ts'
import { Connections, listenerOf } from './connections.ts'
import { sendDownload } from './downloads.ts'
import { eventStream } from './events.ts'
import { fileFor } from './files.ts'
import { commonHeaders, PAGE_POLICY } from './headers.ts'
import { html } from './html.ts'
import type { Options } from './options.ts'
import { problemOf, titleOf, validated } from './problems.ts'
import type { Registered, Routes } from './routes.ts'
import { Sockets } from './sockets.ts'

export interface AppDeps {
  readonly options: Options
  readonly routes: Routes
  readonly calls: Calls
  readonly clock: Clock
  readonly log: Log
  /** Aborted when the server ends. */
  readonly stopping: AbortSignal
}

export interface App {
  readonly connections: Connections
  /** Asks long-lived clients to reconnect, and lets the others finish. */
  drain(): void
  close(): Promise<void>
}

type Run = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

/** Parsers of request bodies by kind of route. */
const JSON_ONLY = 'application/json'
const FORM = 'application/x-www-form-urlencoded'
const MIN_COMPRESSED = 1024

export async function createApp(deps: AppDeps): Promise<App> {
  const { options, routes, log } = deps
  const sockets = new Sockets({ clock: deps.clock, log, maxMessage: options.limits.body })
  let connections: Connections | undefined
  const app = fastify({
    bodyLimit: bodyLimitOf(options.limits.body),
    routerOptions: { maxParamLength: 500, ignoreTrailingSlash: false, caseSensitive: true },
    exposeHeadRoutes: true,
    logger: false,
    forceCloseConnections: false,
    serverFactory(handler) {
      connections = new Connections(
        handler,
        (request, socket, head) => upgrade(deps, sockets, { request, socket, head }),
        options,
      )
      return connections.http1
    },
  })
  await app.register(compress, {
    global: true,
    globalDecompression: false,
    threshold: MIN_COMPRESSED,
    encodings: ['br', 'gzip', 'identity'],
  })
  app.removeAllContentTypeParsers()
  addHandlers(app, deps)
  await app.register(async (scope) => {
    scope.addContentTypeParser(JSON_ONLY, { parseAs: 'string' }, scope.getDefaultJsonParser('error', 'error'))
    for (const one of routes.all) if (one.kind === 'json' || one.kind === 'events') addRoute(scope, one, deps)
  })
  await app.register(async (scope) => {
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    for (const one of routes.all) if (one.kind === 'stream' || one.kind === 'files') addRoute(scope, one, deps)
  })
  await app.register(async (scope) => {
    scope.addContentTypeParser(FORM, { parseAs: 'string' }, (_request, body, done) =>
      done(null, Object.fromEntries(new URLSearchParams(String(body)))),
    )
    for (const one of routes.all) if (one.kind === 'page') addRoute(scope, one, deps)
  })
  await app.ready()
  if (!connections) throw new Error('the server was not made')
  const made = connections
  return {
    connections: made,
    drain() {
      made.drain()
      sockets.drain()
    },
    async close() {
      made.close()
      await app.close()
    },
  }
}

function addHandlers(app: FastifyInstance, { options, calls, log }: AppDeps): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(commonHeaders(options, calls.place(request.raw).origin.isSecure))
  })
  app.setErrorHandler((cause: Error & { statusCode?: number }, request, reply) => {
    const problem = problemFrom(cause)
    if (problem.status >= 500 && !(cause instanceof HttpProblem))
      log.error('a request failed', { method: request.method, path: request.routeOptions.url, cause })
    return sendProblem(request, reply, problem)
  })
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, nothingHere()))
}

const nothingHere = () => new HttpProblem(404, 'There is nothing here')

/** Fastify's own errors describe the request; all others are faults. */
function problemFrom(cause: Error & { statusCode?: number }): HttpProblem {
  if (cause instanceof HttpProblem) return cause
  const status = cause.statusCode ?? 500
  return status >= 400 && status < 500
    ? new HttpProblem(status, cause.message)
    : new HttpProblem(500, 'The server could not answer; the administrator finds the reason in the log')
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: HttpProblem): FastifyReply {
  reply.code(problem.status).headers(problem.headers)
  const wantsPage = (request.headers.accept ?? '').includes('text/html')
  if (wantsPage) {
    const title = titleOf(problem.status)
    const page = html`<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><h1>${title}</h1><p>${problem.message}</p></html>`
    return reply.type('text/html; charset=utf-8').send(page.text)
  }
  return reply.type('application/problem+json').send(JSON.stringify(problemOf(problem)))
}

/** Fastify refuses a limit of 0, which routes that expect no body have. */
const bodyLimitOf = (limit: number) => Math.max(1, limit)

function addRoute(app: FastifyInstance, one: Exclude<Registered, { kind: 'socket' }>, deps: AppDeps): void {
  const { route } = one
  const host = 'host' in route ? route.host : undefined
  const listener = deps.routes.listenerOf(route.path)
  const bodyLimit = 'limit' in route ? route.limit?.body : undefined
  app.route({
    method: 'method' in route && route.method !== undefined ? route.method : 'GET',
    url: one.kind === 'files' ? `${route.path.replace(/\/$/, '')}/*` : route.path,
    ...(host === undefined ? {} : { constraints: { host } }),
    ...(bodyLimit === undefined ? {} : { bodyLimit: bodyLimitOf(bodyLimit) }),
    // Files have their compressed forms; events must not wait in a compressor.
    ...(one.kind === 'files' || one.kind === 'events' ? { compress: false } : {}),
    async onRequest(request) {
      if (listener !== undefined && listener !== listenerOf(request.raw)) throw nothingHere()
    },
    // Access is decided before a body is read.
    async preParsing(request, reply) {
      if (one.kind === 'files') return
      const { who, limit, summary } = one.route
      const fresh = 'fresh' in one.route ? one.route.fresh : undefined
      const call = await deps.calls.open(request.raw, reply.raw, {
        who,
        name: summary,
        perMinute: limit?.perMinute,
        fresh,
      })
      Reflect.set(request, CALL, call)
    },
    handler: handlers[one.kind](one as never, deps),
  })
}

const CALL = Symbol('call')

async function callOf(request: FastifyRequest, route: { params?: unknown; query?: unknown }, body: unknown) {
  return {
    ...(Reflect.get(request, CALL) as object),
    params: await validated(route.params as never, request.params, 'path'),
    query: await validated(route.query as never, request.query, 'query'),
    body,
  } as never
}

type Of<K extends Registered['kind']> = Extract<Registered, { kind: K }>
const handlers: {
  readonly [K in Exclude<Registered['kind'], 'socket'>]: (one: Of<K>, deps: AppDeps) => Run
} = {
  json:
    ({ route }) =>
    async (request, reply) => {
      const body = await validated(route.body, request.body, 'body')
      return sendAnswer(request, reply, await route.run(await callOf(request, route, body)))
    },
  stream:
    ({ route }, { options }) =>
    async (request, reply) => {
      const answer = await route.run(
        await callOf(request, route, bodyOf(request, route.limit?.body ?? options.limits.body)),
      )
      return sendAnswer(request, reply, answer)
    },
  events:
    ({ route }, { clock }) =>
    async (request, reply) => {
      const call = await callOf(request, route, undefined)
      const { signal, login } = call as { signal: AbortSignal; login?: { revoked: AbortSignal } }
      const until = login ? AbortSignal.any([signal, login.revoked]) : signal
      reply.header('content-type', 'text/event-stream').header('x-accel-buffering', 'no')
      return reply.send(Readable.from(eventStream(route.run(call), clock, until)))
    },
  page:
    ({ route }) =>
    async (request, reply) => {
      const form = await validated(route.form, request.body, 'form')
      const answer = await route.run(await callOf(request, route, form))
      if (answer instanceof Redirect) return reply.headers(answer.headers).redirect(answer.to, 303)
      reply.header('content-security-policy', route.policy ?? PAGE_POLICY)
      return reply.type('text/html; charset=utf-8').send((answer as Html).text)
    },
  files:
    ({ route }) =>
    async (request, reply) => {
      const rest = (request.params as Record<string, string>)['*'] ?? ''
      const found = await fileFor(route, rest, String(request.headers['accept-encoding'] ?? ''))
      return sendDownload(request, reply, found)
    },
}

/** The body as it comes. Throws 413 beyond the limit. */
async function* bodyOf({ raw, headers }: FastifyRequest, limit: number): AsyncGenerator<Uint8Array> {
  if (Number(headers['content-length'] ?? 0) > limit) throw tooLarge(limit)
  let size = 0
  // The connection must last for the answer, whatever is left unread.
  for await (const chunk of raw.iterator({ destroyOnReturn: false })) {
    size += chunk.length
    if (size > limit) throw tooLarge(limit)
    yield chunk
  }
}

const tooLarge = (limit: number) =>
  new HttpProblem(413, `The body has more than ${limit} octets`, { headers: { connection: 'close' } })

function sendAnswer(request: FastifyRequest, reply: FastifyReply, answer: unknown): unknown {
  if (answer instanceof Download) return sendDownload(request, reply, answer)
  if (answer instanceof Answer) {
    reply.code(answer.status).headers(answer.headers)
    return answer.body === undefined ? reply.send() : reply.type(JSON_ONLY).send(JSON.stringify(answer.body))
  }
  return answer === undefined ? reply.code(204).send() : reply.type(JSON_ONLY).send(JSON.stringify(answer))
}

const NOTHING_READ = { params: undefined, query: undefined, body: undefined }

interface Upgrading {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
}

/** A request to become a WebSocket. */
async function upgrade(deps: AppDeps, sockets: Sockets, { request, socket, head }: Upgrading): Promise<void> {
  socket.on('error', () => socket.destroy())
  try {
    const path = (request.url ?? '').split('?')[0]
    const found = deps.routes.all.find((one) => one.kind === 'socket' && one.route.path === path)
    if (found?.kind !== 'socket') throw nothingHere()
    if ((deps.routes.listenerOf(found.route.path) ?? listenerOf(request)) !== listenerOf(request)) throw nothingHere()
    const { route } = found
    const offered = String(request.headers['sec-websocket-protocol'] ?? '')
      .split(',')
      .map((one) => one.trim())
    if (!offered.includes(route.protocol)) throw new HttpProblem(400, `Offer the subprotocol ${route.protocol}`)
    // A page of another origin could open it with the browser's cookie, so it is checked like a change.
    const asked = Object.assign(Object.create(request) as IncomingMessage, { method: 'POST' })
    const call = await deps.calls.open(asked, undefined, { who: route.who, name: route.summary })
    sockets.accept({ request, socket, head, route, call: { ...call, ...NOTHING_READ } })
  } catch (cause) {
    const problem = problemFrom(cause as Error)
    if (!(cause instanceof HttpProblem)) deps.log.error('a WebSocket could not be opened', { cause })
    const body = JSON.stringify(problemOf(problem))
    socket.end(
      `HTTP/1.1 ${problem.status} ${titleOf(problem.status)}\r\nConnection: close\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
  }
}
