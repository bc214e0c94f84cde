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
  Answer,
  type Call,
  type EventRoute,
  type HttpApi,
  HttpProblem,
  type LoggedIn,
  type Login,
  type Route,
  requireFresh,
  type ServerEvent,
} from '../http/api.ts'

import { Lines } from './lines.ts'
import type { Tasks } from './tasks.ts'

export { type Line, lines } from './lines.ts'

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
function callerOf(login: Login): Caller {
  const roles = [...login.roles, ...(login.may(ADMIN) ? [ADMIN] : []), ...(login.may('status:read') ? [SUPPORT] : [])]
  return { user: login.identity.user, roles }
}

const MAX_TITLE = 200

/** The client's name for the work; URI-encoded, because header fields are ASCII. */
function titleOf(given: string | undefined, usual: string): string {
  try {
    return decodeURIComponent(given ?? usual).slice(0, MAX_TITLE)
  } catch {
    return usual
  }
}

export class AdminRoutes {
  readonly http: HttpApi
  readonly #administration: AdministrationService

  /** Undefined: from anywhere. */
  readonly #isNear: ((address: string) => boolean) | undefined

  readonly #tasks: Tasks

  constructor(
    http: HttpApi,
    {
      administration,
      networks,
      tasks,
    }: { readonly administration: AdministrationService; readonly networks: readonly string[]; readonly tasks: Tasks },
  ) {
    this.http = http
    this.#tasks = tasks
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
          if (call.header('prefer') !== 'respond-async') return await route.run(own)
          return await this.#begin(own, route)
        } catch (cause) {
          throw problemOf(cause) ?? cause
        }
      },
    } as Route<string, P, Q, B, A>)
  }

  /** Long work becomes a task (RFC 7240 section 4.1), whose client may go; other answers come at once. */
  async #begin(call: AdminCall, { run, summary }: { readonly summary: string; run(call: AdminCall): unknown }) {
    const gone = new AbortController()
    const answer = await run({ ...call, signal: AbortSignal.any([gone.signal, call.login.revoked]) })
    if (!(answer instanceof Lines)) return answer
    const title = titleOf(call.header('task-title'), summary)
    const { id } = await this.#tasks.begin({ by: call.by, title }, answer.work, gone)
    return new Answer(202, { task: id }, { location: `/api/v1/tasks/${id}`, 'preference-applied': 'respond-async' })
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
