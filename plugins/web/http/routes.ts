/**
 * The routes registered by plugins, in order, without conflicts.
 */
import type {
  EventRoute,
  FilesRoute,
  HttpApi,
  LoginWay,
  Method,
  PageRoute,
  Route,
  RouteInfo,
  SocketRoute,
  StreamRoute,
} from './api.ts'

// any: routes have different schemas; their types were checked at registration
// biome-ignore lint/suspicious/noExplicitAny: as said above
type Loose = any
export type LooseSocketRoute = SocketRoute<Loose>

export type Registered =
  | { readonly kind: 'json'; readonly route: Route<Loose, Loose, Loose, Loose, Loose> }
  | { readonly kind: 'stream'; readonly route: StreamRoute<Loose, Loose, Loose> }
  | { readonly kind: 'events'; readonly route: EventRoute<Loose, Loose, Loose> }
  | { readonly kind: 'page'; readonly route: PageRoute<Loose, Loose, Loose> }
  | { readonly kind: 'socket'; readonly route: SocketRoute<Loose> }
  | { readonly kind: 'files'; readonly route: FilesRoute }

/** `:id` and `:name` conflict. */
const shapeOf = (path: string) => path.replace(/:[^/]+/g, ':')

const methodOf = (one: Registered): Method =>
  'method' in one.route && one.route.method !== undefined ? (one.route.method as Method) : 'GET'

/** The number of the channel's own listener. */
export const MAIN = 0

interface Separate {
  readonly paths: readonly string[]
}

/** Whether a route's path is `top` or below it. */
const isBelow = (path: string, top: string) => path === top || path.startsWith(`${top}/`)

export class Routes implements HttpApi {
  readonly all: Registered[] = []
  readonly #places = new Map<string, string>()
  readonly #origins: { readonly listener: number; readonly origin: string }[] = []
  readonly #separate: readonly Separate[]
  #isSealed = false
  readonly ways: LoginWay[] = []

  #logIn: HttpApi['logIn'] = () => Promise.reject(new Error('logins come after setup'))

  /** The listeners beyond the first, in order. */
  constructor(separate: readonly Separate[] = []) {
    this.#separate = separate
  }

  route: HttpApi['route'] = (route) => this.#add({ kind: 'json', route })
  stream: HttpApi['stream'] = (route) => this.#add({ kind: 'stream', route })
  events: HttpApi['events'] = (route) => this.#add({ kind: 'events', route })
  page: HttpApi['page'] = (route) => this.#add({ kind: 'page', route })
  socket: HttpApi['socket'] = (route) => this.#add({ kind: 'socket', route })
  files: HttpApi['files'] = (route) => this.#add({ kind: 'files', route })

  loginWay(way: LoginWay): void {
    this.ways.push(way)
  }

  logIn: HttpApi['logIn'] = (call, identity) => this.#logIn(call, identity)

  /** How a web login is made. */
  loginsBy(logIn: HttpApi['logIn']): void {
    this.#logIn = logIn
  }

  routes(): readonly RouteInfo[] {
    return this.all.map((one) => ({
      kind: one.kind,
      method: methodOf(one),
      path: one.route.path,
      who: one.kind === 'files' ? 'anyone' : one.route.who,
      summary: one.kind === 'files' ? 'Files' : one.route.summary,
      ...('host' in one.route && one.route.host !== undefined ? { host: one.route.host } : {}),
    }))
  }

  origins(path = '/'): readonly string[] {
    const wanted = this.listenerOf(path) ?? MAIN
    return this.#origins.filter(({ listener }) => listener === wanted).map(({ origin }) => origin)
  }

  /** The number of the listener that alone serves the path; undefined for all listeners. */
  listenerOf(path: string): number | undefined {
    const found = this.#separate.findIndex(({ paths }) => paths.some((one) => isBelow(path, one)))
    return found < 0 ? undefined : found + 1
  }

  /** The server listens there. An address for all of the machine is reached at its loopback address. */
  opened(
    { address, port }: { readonly address: string; readonly port: number },
    { listener, isSecure }: { readonly listener: number; readonly isSecure: boolean },
  ): void {
    if (port === 0) return
    const host = address === '' || address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address
    const usual = isSecure ? 443 : 80
    const name = host.includes(':') ? `[${host}]` : host
    const origin = `${isSecure ? 'https' : 'http'}://${name}${port === usual ? '' : `:${port}`}`
    this.#origins.push({ listener, origin })
  }

  /** From now on nothing can be added: the server is about to listen. Throws for a separate path without a route. */
  seal(): void {
    this.#isSealed = true
    for (const path of this.#separate.flatMap(({ paths }) => paths))
      if (!this.all.some(({ route }) => isBelow(route.path, path)))
        throw new Error(`the option separate names ${path}, where no plugin has a route`)
  }

  #add(one: Registered): void {
    const { path } = one.route
    if (this.#isSealed) throw new Error(`the route ${path} comes too late: register routes during setup`)
    if (!path.startsWith('/')) throw new Error(`the path ${path} must begin with a slash`)
    const host = 'host' in one.route ? (one.route.host ?? '*') : '*'
    const place = `${one.kind === 'socket' ? 'SOCKET' : methodOf(one)} ${host} ${shapeOf(path)}`
    const label = one.kind === 'files' ? 'files' : one.route.summary
    const other = this.#places.get(place)
    if (other !== undefined)
      throw new Error(`two routes have ${methodOf(one)} ${path}: "${other}" and "${label}"; remove one of the plugins`)
    this.#places.set(place, label)
    this.all.push(one)
  }
}
