/**
 * The Http service: routes of plugins, and access to them.
 *
 * A plugin registers routes in its setup; each is typed by its schemas (Standard Schema). Invariants: every route names
 * its permitted users; a path belongs to one plugin; an `HttpProblem` thrown by `run` reaches the client, any other
 * error is a fault without details for the client.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { defineService, type Identity, type ServerSession, type Session } from 'iems'
import type { Html } from './html.ts'

export { Html, type HtmlValue, html, raw } from './html.ts'
export { isPublicAddress, type OutgoingAnswer, type OutgoingRequest, requestPublic } from './outgoing.ts'

/**
 * Permitted users of a route: `anyone`, `user` (every login), `admin`, or the name of a permission, which
 * administrators and the roles in the `roles` option have.
 */
export type Who = 'anyone' | 'user' | 'admin' | (string & {})

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** The login with which a client asks. */
export interface Login {
  readonly identity: Identity
  /** Its account's roles. */
  readonly roles: readonly string[]
  /** Whether it has a permission. */
  may(permission: string): boolean
  /** Id of the web login when the client came with its cookie; absent for Basic and Bearer. */
  readonly id?: string
  /** A factor was shown within the option `login.fresh`, or with this request. See `requireFresh`. */
  readonly isFresh: boolean
  /** Aborted when the login no longer holds. */
  readonly revoked: AbortSignal
}

/** One request as `run` sees it. */
export interface Call<P = unknown, Q = unknown, B = unknown> {
  readonly params: P
  readonly query: Q
  readonly body: B
  /** Present when the route is not for `anyone`, or the client logged in nevertheless. */
  readonly login: Login | undefined
  /** The client's address, behind trusted proxies too. */
  readonly remote: string
  /** The origin the client used: `https://mail.example.org`. */
  readonly origin: string
  /** A request header by its name in lower case. */
  header(name: string): string | undefined
  /** Aborted when the client has gone or the server ends. */
  readonly signal: AbortSignal
  /**
   * A session with the kernel as this client; the caller closes it. `mail`: filters of mail judge the client, and one
   * that does not answer may refuse it; `nothing` for a session that only verifies a login.
   */
  openSession(brings: Session['brings']): Promise<ServerSession>
}

/** A call of a route that requires a login. */
export type LoggedIn<C extends Call> = C & { readonly login: Login }

type Schema = StandardSchemaV1
type Out<S> = S extends Schema ? StandardSchemaV1.InferOutput<S> : undefined
type CallOf<W, P, Q, B> = W extends 'anyone' ? Call<Out<P>, Out<Q>, B> : LoggedIn<Call<Out<P>, Out<Q>, B>>

interface Place<W extends Who, P, Q> {
  /** `/api/v1/lists/:id`. */
  readonly path: string
  /** A host name. Default: every host. */
  readonly host?: string
  readonly who: W
  /** One line for the API's description. */
  readonly summary: string
  readonly params?: P
  readonly query?: Q
  /** As `requireFresh`, by an account, and not by a password made for programs: for the secrets of an account. */
  readonly fresh?: true
  readonly limit?: {
    /** Octets of the body. Default: the option `limits.body`. */
    readonly body?: number
    /** Requests of one client in a minute. Default: no limit of the route's own. */
    readonly perMinute?: number
  }
}

/** JSON in, JSON out; or an `Answer` or a `Download`. An answer of `undefined` is 204. */
export interface Route<W extends Who, P, Q, B, A> extends Place<W, P, Q> {
  readonly method: Method
  readonly body?: B
  readonly answer?: A
  run(call: CallOf<W, P, Q, Out<B>>): Promise<unknown> | unknown
}

/** Octets in; a `Download` or JSON out. */
export interface StreamRoute<W extends Who, P, Q> extends Place<W, P, Q> {
  readonly method: Method
  run(call: CallOf<W, P, Q, AsyncIterable<Uint8Array>>): Promise<unknown> | unknown
}

/** An answer with a status or headers of its own. */
export class Answer {
  readonly status: number
  readonly body: unknown
  readonly headers: Readonly<Record<string, string>>
  constructor(status: number, body?: unknown, headers: Readonly<Record<string, string>> = {}) {
    this.status = status
    this.body = body
    this.headers = headers
  }
}

/** Content for the client. With a size and `open` by range, clients may ask for parts of it (RFC 9110 section 14). */
export class Download {
  readonly type: string
  readonly size: number | undefined
  /** Offered as the name of the file; without it the content is shown. */
  readonly name: string | undefined
  /** Without quotes. */
  readonly etag: string | undefined
  /** Seconds for which the client may keep it. Default 0: it asks again. */
  readonly maxAge: number
  readonly open: (range?: { readonly start: number; readonly end: number }) => AsyncIterable<Uint8Array>
  readonly headers: Readonly<Record<string, string>>

  constructor(given: {
    readonly type: string
    readonly size?: number
    readonly name?: string
    readonly etag?: string
    readonly maxAge?: number
    readonly open: Download['open']
    readonly headers?: Readonly<Record<string, string>>
  }) {
    this.type = given.type
    this.size = given.size
    this.name = given.name
    this.etag = given.etag
    this.maxAge = given.maxAge ?? 0
    this.open = given.open
    this.headers = given.headers ?? {}
  }
}

/** Server-sent events. `data` is written as JSON. */
export interface ServerEvent {
  readonly id?: string
  readonly event?: string
  readonly data?: unknown
  /** A comment that keeps the connection open. */
  readonly comment?: string
}
export interface EventRoute<W extends Who, P, Q> extends Place<W, P, Q> {
  run(call: CallOf<W, P, Q, undefined>): AsyncIterable<ServerEvent>
}

/** A WebSocket (RFC 6455), text messages only. */
export interface SocketConnection {
  /** False when the client reads too slowly: the caller should wait or end. */
  send(text: string): boolean
  /** Octets that the client has not taken yet. */
  readonly waiting: number
  close(code?: number, reason?: string): void
}
export interface SocketRoute<W extends Who> {
  readonly path: string
  readonly who: W
  readonly summary: string
  /** The subprotocol that the client must offer. */
  readonly protocol: string
  /** Octets of one message from the client. Default: the option `limits.body`. */
  readonly maxMessage?: number
  open(
    connection: SocketConnection,
    call: CallOf<W, undefined, undefined, undefined>,
  ): { message(text: string): Promise<void> | void; close?(): void }
}

/** A page made on the server. */
export interface PageRoute<W extends Who, P, Q> extends Place<W, P, Q> {
  /** Default GET. */
  readonly method?: 'GET' | 'POST'
  /** Fields of a POSTed form, as text. */
  readonly form?: Schema
  /** Replaces the Content-Security-Policy of pages. */
  readonly policy?: string
  run(call: CallOf<W, P, Q, unknown>): Promise<Html | Redirect> | Html | Redirect
}

/** See Other (303): the browser's next URL. */
export class Redirect {
  readonly to: string
  readonly headers: Readonly<Record<string, string>>
  constructor(to: string, headers: Readonly<Record<string, string>> = {}) {
    this.to = to
    this.headers = headers
  }
}

/** Files below a path, such as a built browser application: names with a hash are cached for a year. */
export interface FilesRoute {
  readonly path: string
  readonly folder: string | (() => Promise<string>)
  /** The file that answers for paths without one, as an application with its own routing needs. */
  readonly fallback?: string
  /** Replaces the Content-Security-Policy of pages. */
  readonly policy?: string
}

/** Refuses a request: `application/problem+json` (RFC 9457). */
export class HttpProblem extends Error {
  readonly status: number
  /** Further members of the problem, such as `errors`. */
  readonly more: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>
  /** `detail` is a sentence for the person who reads it. */
  constructor(
    status: number,
    detail: string,
    {
      headers = {},
      ...more
    }: { readonly headers?: Readonly<Record<string, string>>; readonly [member: string]: unknown } = {},
  ) {
    super(detail)
    this.status = status
    this.more = more
    this.headers = headers
  }
}

/**
 * Throws unless the client has shown a factor lately: for changes that cannot be undone. A browser then asks for the
 * password, sends `POST /api/login/confirm` and repeats the request.
 */
export function requireFresh({ isFresh }: Login): void {
  if (!isFresh) throw new HttpProblem(403, 'Confirm your password first', { needs: 'confirmation' })
}

/** A way to log a browser in beside the password: a page that leads there. */
export interface LoginWay {
  readonly title: string
  /** Below this server; the query `to` has the path to return to. */
  readonly path: string
}

export interface HttpApi {
  /** Each throws when another route has the same method, host and path. Only during setup. */
  route<W extends Who, P = undefined, Q = undefined, B = undefined, A = undefined>(route: Route<W, P, Q, B, A>): void
  stream<W extends Who, P = undefined, Q = undefined>(route: StreamRoute<W, P, Q>): void
  events<W extends Who, P = undefined, Q = undefined>(route: EventRoute<W, P, Q>): void
  socket<W extends Who>(route: SocketRoute<W>): void
  page<W extends Who, P = undefined, Q = undefined>(route: PageRoute<W, P, Q>): void
  files(route: FilesRoute): void
  /** Shown beside the password of login pages. */
  loginWay(way: LoginWay): void
  /**
   * Logs a browser in as an identity that the caller has verified: the headers that set its cookie. The call's own web
   * login ends. Not during setup.
   */
  logIn(
    call: Pick<Call, 'origin' | 'remote' | 'header' | 'login'>,
    identity: Identity,
  ): Promise<Readonly<Record<string, string>>>
  /**
   * Origins at which browsers on this machine reach a path, such as `http://127.0.0.1:8080`: one per listening address,
   * none before it listens. Default: `/`.
   */
  origins(path?: string): readonly string[]
  /** All routes, for lists and tests. */
  routes(): readonly RouteInfo[]
}

export interface RouteInfo {
  readonly method: Method
  readonly path: string
  readonly host?: string
  readonly who: Who
  readonly summary: string
  readonly kind: 'json' | 'stream' | 'events' | 'socket' | 'page' | 'files'
}

export const Http = defineService<HttpApi>('http')
