/**
 * From a request to what a plugin's `run` is given.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ConnectionInfo, ServerSession, SetupContext } from 'iems'
import { type Call, HttpProblem, type Login, requireFresh, type Who } from './api.ts'
import { clientOf } from './connections.ts'
import { type Access, type AccessControl, loginProblem } from './login/access.ts'
import { type Origin, originOf } from './origin.ts'
import type { RequestLimits } from './request-limits.ts'

export interface CallsDeps {
  readonly access: AccessControl
  readonly limits: RequestLimits
  readonly isProxy: (address: string) => boolean
  readonly openSession: SetupContext['openSession']
  /** Aborted when the server ends. */
  readonly stopping: AbortSignal
}

/** Permitted users and rate of a route. */
export interface Wanted {
  readonly who: Who
  readonly name: string
  readonly perMinute?: number | undefined
  readonly fresh?: true | undefined
}

/** A call without the route's parsed input. */
export type OpenCall = Omit<Call, 'params' | 'query' | 'body'>

function requireOwner(login: Login | undefined): void {
  const { account, credential } = login?.identity ?? {}
  if (!login || account === undefined || credential?.startsWith('app:'))
    throw new HttpProblem(403, "Log in with the account's own password for this")
  requireFresh(login)
}

export class Calls {
  readonly #deps: CallsDeps

  constructor(deps: CallsDeps) {
    this.#deps = deps
  }

  /** Throws a problem when the client may not use the route now. */
  async open(request: IncomingMessage, response: ServerResponse | undefined, wanted: Wanted): Promise<OpenCall> {
    const { headers, method = 'GET' } = request
    const { facts, origin } = this.place(request)
    const access = await this.#deps.access.identify({ method, headers, origin, facts })
    const { account, user } = access?.login.identity ?? {}
    this.#deps.limits.count(account ?? user ?? origin.remote, wanted)
    this.#deps.access.require(wanted.who, access?.login)
    if (wanted.fresh) requireOwner(access?.login)
    return {
      login: access?.login,
      remote: origin.remote,
      origin: origin.origin,
      header: (name) => [headers[name]].flat()[0],
      signal: this.#signalOf(response),
      openSession: (brings) => this.#session(access, { ...facts, brings }),
    }
  }

  /** Origin and address of a request. */
  place(request: IncomingMessage): { readonly facts: ConnectionInfo; readonly origin: Origin } {
    const { remote, local, tls } = clientOf(request)
    const peer = { address: remote.address, isSecure: tls !== undefined }
    const origin = originOf(request.headers, peer, this.#deps.isProxy)
    if (!origin) throw new HttpProblem(400, 'The Host header is missing or is no host name')
    const client = origin.remote === remote.address ? remote : { address: origin.remote }
    const secured = tls ? { tls } : {}
    // A login sends no mail: what mail filters say about the client concerns only the sessions that do.
    return {
      origin,
      facts: { protocol: 'HTTP', remote: client, local, ...secured, submission: true, brings: 'nothing' },
    }
  }

  #signalOf(response: ServerResponse | undefined): AbortSignal {
    if (!response) return this.#deps.stopping
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    return AbortSignal.any([gone.signal, this.#deps.stopping])
  }

  async #session(access: Access | undefined, facts: ConnectionInfo): Promise<ServerSession> {
    const session = this.#deps.openSession(facts)
    const refused = (await session.connect()) ?? (access ? await session.resume(access.login.identity) : undefined)
    if (!refused) return session
    session.close()
    throw loginProblem(refused)
  }
}
