/**
 * Authenticates a request by its cookie, Basic (RFC 7617) or Bearer (RFC 6750), and determines its rights.
 *
 * Invariants: a cookie authorises a change only when a page of this server sent the request; a password is accepted
 * only over TLS, or from this machine; with a second factor the account's own password is not accepted by Basic.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { type ConnectionInfo, classOf, type Identity, isLoopback, type Refusal, type WholeCredentials } from 'iems'
import { HttpProblem, type Login, type Who } from '../api.ts'
import { isSameOrigin, type Origin } from '../origin.ts'
import type { LiveLogin, LiveLogins, NoLogin } from './live.ts'
import type { WebLogins } from './records.ts'

export interface AccessDeps {
  readonly live: LiveLogins
  readonly records: WebLogins
  readonly authWithoutTls: boolean
  readonly origins: readonly string[]
  /** By role. A role may carry a scope: `domain-admin:example.org` has the permissions of `domain-admin`. */
  readonly permissions: Readonly<Record<string, readonly string[]>>
  /** Whether a factor shown then (ms since 1970) still counts for irreversible changes. */
  isFresh(shown: number): boolean
  /** Whether a login by this identity's password also needs a code. */
  needsCode(identity: Identity): Promise<boolean>
}

/** The properties of a request that matter for access. */
export interface Asked {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly origin: Origin
  readonly facts: ConnectionInfo
}

/** A login and its session with the kernel. */
export interface Access {
  readonly login: Login
  readonly live: LiveLogin
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])
const MAX_CREDENTIALS = 16_384

/** The cookie's name: `__Host-` binds it to this host and to TLS, where there is TLS. */
export const cookieName = (isSecure: boolean) => (isSecure ? '__Host-iems' : 'iems')

export function cookieOf(headers: IncomingHttpHeaders, isSecure: boolean): string | undefined {
  const name = `${cookieName(isSecure)}=`
  for (const part of (headers.cookie ?? '').split(';')) {
    const text = part.trim()
    if (text.startsWith(name)) return text.slice(name.length)
  }
  return undefined
}

/** Basic or Bearer credentials; undefined for none. Throws a problem for what cannot be read. */
export function credentialsOf(header: string | undefined): WholeCredentials | undefined {
  if (header === undefined) return undefined
  const space = header.indexOf(' ')
  const scheme = header.slice(0, Math.max(0, space)).toLowerCase()
  const value = header.slice(space + 1).trim()
  if (value.length <= MAX_CREDENTIALS) {
    if (scheme === 'bearer' && value !== '') return { kind: 'bearer', token: value }
    if (scheme === 'basic') {
      const text = Buffer.from(value, 'base64').toString()
      const colon = text.indexOf(':')
      if (colon > 0) return { kind: 'password', username: text.slice(0, colon), password: text.slice(colon + 1) }
    }
  }
  throw new HttpProblem(401, 'The Authorization header cannot be read: send Basic or Bearer credentials')
}

/** The problem that a refused login causes. */
export function loginProblem({ reply }: Refusal): HttpProblem {
  if (classOf(reply) === 'permanent') return new HttpProblem(401, reply.text)
  return new HttpProblem(reply.enhanced === '4.7.0' ? 429 : 503, reply.text, { headers: { 'retry-after': '30' } })
}

/** Passwords are not to pass in the clear. */
export function requireSecrecy(from: Pick<Origin, 'origin' | 'remote'>, authWithoutTls: boolean): void {
  if (from.origin.startsWith('https:') || authWithoutTls || isLoopback(from.remote)) return
  throw new HttpProblem(403, 'Use https to log in')
}

export class AccessControl {
  readonly #deps: AccessDeps

  constructor(deps: AccessDeps) {
    this.#deps = deps
  }

  /** The login of a request; undefined without one. Throws a problem for an invalid login. */
  async identify(asked: Asked): Promise<Access | undefined> {
    const credentials = credentialsOf(asked.headers.authorization)
    if (credentials) return this.#byCredentials(credentials, asked)
    const token = cookieOf(asked.headers, asked.origin.isSecure)
    return token === undefined ? undefined : this.#byCookie(token, asked)
  }

  /** Throws unless this login may use a route. */
  require(who: Who, login: Login | undefined): void {
    if (who === 'anyone') return
    if (!login) throw new HttpProblem(401, 'Log in first')
    if (who !== 'user' && !login.may(who)) throw new HttpProblem(403, 'Your account may not do this')
  }

  accessOf(live: LiveLogin, web?: { readonly id: string; readonly fresh: number }): Access {
    const { permissions } = this.#deps
    const permissionsOf = (role: string) => permissions[role] ?? permissions[role.split(':', 1)[0] ?? ''] ?? []
    const rolesNow = () => live.identity.roles ?? []
    return {
      live,
      login: {
        get identity() {
          return live.identity
        },
        get roles() {
          return rolesNow()
        },
        may: (permission) =>
          rolesNow().some((role) => role === 'admin' || [role, ...permissionsOf(role)].includes(permission)),
        revoked: live.kernel.revoked,
        // Basic and Bearer show the secret with each request.
        isFresh: web === undefined || this.#deps.isFresh(web.fresh),
        ...(web === undefined ? {} : { id: web.id }),
      },
    }
  }

  async #byCredentials(credentials: WholeCredentials, asked: Asked): Promise<Access> {
    requireSecrecy(asked.origin, this.#deps.authWithoutTls)
    const live = held(await this.#deps.live.show(credentials, asked.facts))
    if (await this.#deps.needsCode(live.identity))
      throw new HttpProblem(401, 'This account has a second factor: use a password made for this program')
    return this.accessOf(live)
  }

  async #byCookie(token: string, asked: Asked): Promise<Access | undefined> {
    const found = await this.#deps.records.use(token)
    if (!found) return undefined
    const { method, headers, origin } = asked
    if (!SAFE.has(method) && !isSameOrigin(headers, origin.origin, this.#deps.origins))
      throw new HttpProblem(403, 'The request does not come from a page of this server')
    const live = await this.#deps.live.resume(found.id, found.login.identity, asked.facts)
    if ('refused' in live && live.ended) return undefined
    return this.accessOf(held(live), { id: found.id, fresh: found.login.fresh })
  }
}

function held(live: LiveLogin | NoLogin): LiveLogin {
  if ('refused' in live) throw loginProblem(live.refused)
  return live
}
