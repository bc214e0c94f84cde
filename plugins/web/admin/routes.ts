/**
 * How routes of the administration are registered: each gets the administration service as its caller, refusals of the
 * server become problems of HTTP, and long work is a stream of lines.
 */
import {
  ADMIN,
  type Administration,
  type AdministrationService,
  type Caller,
  IemsError,
  inNetworks,
  SUPPORT,
} from 'iems'
import {
  type Call,
  Download,
  type EventRoute,
  type HttpApi,
  HttpProblem,
  type LoggedIn,
  type Login,
  type Route,
  requireFresh,
  type ServerEvent,
} from '../http/api.ts'

/** A call of a route of the administration. */
// biome-ignore lint/suspicious/noExplicitAny: routes have different schemas, which judge the input before `run`
type Loose = any
export type AdminCall<P = Loose, Q = Loose, B = Loose> = LoggedIn<Call<P, Q, B>> & {
  readonly administration: Administration
  /** The caller's name in histories. */
  readonly by: string
}

const STATUS: Readonly<Record<string, number>> = {
  IEMS_FORBIDDEN: 403,
  IEMS_COMPONENT_UNKNOWN: 404,
  IEMS_COMMAND_UNKNOWN: 404,
  IEMS_CONTROL_REFUSED: 400,
  IEMS_CHANNEL_UNKNOWN: 400,
  IEMS_CONFIG_INVALID: 422,
  IEMS_CONFIG_UNREADABLE: 422,
}

/** Refusals of the server as problems; undefined for faults. */
export function problemOf(cause: unknown): HttpProblem | undefined {
  if (cause instanceof HttpProblem) return cause
  const status = cause instanceof IemsError ? STATUS[cause.code] : undefined
  return status === undefined ? undefined : new HttpProblem(status, (cause as Error).message)
}

/** The roles by which the kernel judges: permissions of other roles for reading count as support. */
export function callerOf(login: Login): Caller {
  const roles = [...login.roles, ...(login.may(ADMIN) ? [ADMIN] : []), ...(login.may('status:read') ? [SUPPORT] : [])]
  return { user: login.identity.user, roles }
}

/** One line of long work, as JSON: what a command says, a fault, or the end. */
export type Line =
  | { readonly text: string; readonly value?: unknown }
  | { readonly progress: string; readonly done?: number; readonly total?: number }
  | { readonly fault: string; readonly at?: string }
  | { readonly bytes: string }
  | { readonly end: 'done' | 'failed'; readonly why?: string }

/** Lines of JSON as they come. The work ends when the client disconnects. */
export function lines(work: AsyncIterable<Line>): Download {
  return new Download({
    type: 'application/x-ndjson',
    async *open() {
      const line = (one: Line) => Buffer.from(`${JSON.stringify(one)}\n`)
      try {
        for await (const one of work) yield line(one)
        yield line({ end: 'done' })
      } catch (cause) {
        yield line({ end: 'failed', why: cause instanceof Error ? cause.message : String(cause) })
      }
    },
  })
}

export class AdminRoutes {
  readonly http: HttpApi
  readonly #administration: AdministrationService

  /** Undefined: from anywhere. */
  readonly #isNear: ((address: string) => boolean) | undefined

  constructor(http: HttpApi, administration: AdministrationService, networks: readonly string[]) {
    this.http = http
    this.#administration = administration
    this.#isNear = networks.length === 0 ? undefined : inNetworks(networks)
  }

  /** `fresh`: the change cannot be undone, so the password must have been shown lately. */
  route<P, Q, B, A>(
    route: Omit<Route<string, P, Q, B, A>, 'run'> & {
      readonly fresh?: boolean
      run(call: AdminCall): Promise<unknown> | unknown
    },
  ): void {
    const { fresh = false, ...rest } = route
    this.http.route({
      ...rest,
      run: async (call: LoggedIn<Call>) => {
        const own = this.with(call)
        if (fresh) requireFresh(call.login)
        try {
          return await route.run(own)
        } catch (cause) {
          throw problemOf(cause) ?? cause
        }
      },
    } as Route<string, P, Q, B, A>)
  }

  events<P, Q>(
    route: Omit<EventRoute<string, P, Q>, 'run'> & { run(call: AdminCall): AsyncIterable<ServerEvent> },
  ): void {
    this.http.events({ ...route, run: (call: LoggedIn<Call>) => route.run(this.with(call)) } as EventRoute<
      string,
      P,
      Q
    >)
  }

  with<P, Q, B>(call: LoggedIn<Call<P, Q, B>>): AdminCall<P, Q, B> {
    if (this.#isNear?.(call.remote) === false)
      throw new HttpProblem(403, 'The administration is not used from this network')
    return {
      ...call,
      administration: this.#administration.as(callerOf(call.login)),
      by: call.login.identity.user,
    }
  }
}
