/**
 * Logging in and out in a browser, and the list of one's logins.
 *
 * Invariants: a refused login says nothing of whether the account exists; the cookie is never readable by scripts; the
 * code of a second factor is asked for only after the right password.
 */
import type { Identity } from 'iems'
import * as z from 'zod'
import { Answer, type Call, type HttpApi, HttpProblem, type Login, Redirect } from '../api.ts'
import type { Routes } from '../routes.ts'
import { cookieName, loginProblem, requireSecrecy } from './access.ts'
import { assertion, type Passkeys } from './passkeys.ts'
import type { WebLogins } from './records.ts'

export interface LoginRoutesDeps {
  readonly records: WebLogins
  needsCode(identity: Identity): Promise<boolean>
  checkCode(identity: Identity, code: string): Promise<boolean>
  /** Absent without a directory that keeps them. */
  readonly passkeys: Passkeys | undefined
  readonly authWithoutTls: boolean
  readonly absolute: number
}

const credentials = z.strictObject({
  username: z.string().min(1).max(1000),
  password: z.string().max(10_000),
  /** Of the second factor. */
  code: z.string().max(20).optional(),
})
const shown = z.strictObject({
  user: z.string(),
  account: z.string().optional(),
  roles: z.array(z.string()),
})
const MAX_AGENT = 200
const ATTEMPTS = 30

export function addLoginRoutes(http: Routes, deps: LoginRoutesDeps): void {
  const who = (identity: Identity) => ({
    user: identity.user,
    ...(identity.account === undefined ? {} : { account: identity.account }),
    roles: identity.roles ?? [],
  })
  const cookie = (call: Pick<Call, 'origin'>, token: string, seconds: number) => {
    const isSecure = call.origin.startsWith('https:')
    const secure = isSecure ? '; Secure' : ''
    return `${cookieName(isSecure)}=${token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${secure}`
  }

  const logIn: HttpApi['logIn'] = async (call, identity) => {
    const agent = (call.header('user-agent') ?? '').slice(0, MAX_AGENT)
    const token = await deps.records.create(identity, { address: call.remote, agent })
    if (call.login?.id !== undefined) await deps.records.end(call.login.identity, call.login.id)
    return { 'set-cookie': cookie(call, token, Math.floor(deps.absolute / 1000)) }
  }
  http.loginsBy(logIn)

  http.route({
    method: 'POST',
    path: '/api/login',
    who: 'anyone',
    summary: 'Logs a browser in and sets its cookie',
    body: credentials,
    answer: shown,
    limit: { perMinute: ATTEMPTS, body: 16_384 },
    async run(call) {
      requireSecrecy(call, deps.authWithoutTls)
      const identity = await verify(call, deps)
      return new Answer(200, who(identity), await logIn({ ...call, login: undefined }, identity))
    },
  })
  addConfirmation(http, deps)
  addPasskeyLogin(
    http,
    deps,
    async (call, identity) => new Answer(200, who(identity), await logIn({ ...call, login: undefined }, identity)),
  )
  http.route({
    method: 'GET',
    path: '/api/login',
    who: 'user',
    summary: 'Show the identity of the session',
    answer: shown,
    run: ({ login }) => who(login.identity),
  })
  http.route({
    method: 'DELETE',
    path: '/api/login',
    who: 'user',
    summary: 'Logs the browser out',
    async run(call) {
      if (call.login.id !== undefined) await deps.records.end(call.login.identity, call.login.id)
      return new Answer(204, undefined, { 'set-cookie': cookie(call, '', 0) })
    },
  })
  addLoginList(http, deps.records)
  addLoginForms(http, deps, { logIn, end: (call) => ({ 'set-cookie': cookie(call, '', 0) }) })
}

/** A path of this server, without a query. */
const ownPath = z
  .string()
  .regex(/^\/(?:[\w.-][\w./-]*)?$/)
  .max(200)

interface Cookies {
  readonly logIn: HttpApi['logIn']
  end(call: Pick<Call, 'origin'>): Readonly<Record<string, string>>
}

/** Forms for browsers without script. A refusal leads back to the page, with its reason in the query. */
function addLoginForms(http: Routes, deps: LoginRoutesDeps, { logIn, end }: Cookies): void {
  http.page({
    method: 'POST',
    path: '/login',
    who: 'anyone',
    summary: 'Logs a browser in by a form and leads to a page',
    form: credentials.extend({ to: ownPath }),
    limit: { perMinute: ATTEMPTS, body: 16_384 },
    async run(call) {
      requireSecrecy(call, deps.authWithoutTls)
      const { to, code, ...body } = call.body as z.output<typeof credentials> & { to: string }
      try {
        const identity = await verify({ ...call, body: code ? { ...body, code } : body }, deps)
        return new Redirect(to, await logIn({ ...call, login: undefined }, identity))
      } catch (cause) {
        if (!(cause instanceof HttpProblem) || cause.status >= 500) throw cause
        return new Redirect(`${to}?problem=${cause.more.needs === 'code' ? 'code' : 'wrong'}`)
      }
    },
  })
  http.page({
    method: 'POST',
    path: '/logout',
    who: 'user',
    summary: 'Logs the browser out by a form and leads to a page',
    form: z.strictObject({ to: ownPath }),
    async run(call) {
      if (call.login.id !== undefined) await deps.records.end(call.login.identity, call.login.id)
      return new Redirect((call.body as { to: string }).to, end(call))
    },
  })
}

function addLoginList(http: HttpApi, records: WebLogins): void {
  http.route({
    method: 'GET',
    path: '/api/logins',
    who: 'user',
    summary: 'Lists the web logins of the account',
    run: async ({ login }) =>
      (await records.list(login.identity)).map(({ id, login: { created, seen, address, agent } }) => ({
        id,
        created,
        seen,
        address,
        agent,
        current: id === login.id,
      })),
  })
  http.route({
    method: 'DELETE',
    path: '/api/logins/:id',
    who: 'user',
    summary: 'Ends a web login of the account',
    params: z.object({ id: z.string().max(100) }),
    async run({ login, params }) {
      if (!(await records.end(login.identity, params.id))) throw new HttpProblem(404, 'There is no such login')
    },
  })
}

function addConfirmation(http: HttpApi, deps: LoginRoutesDeps): void {
  http.route({
    method: 'POST',
    path: '/api/login/confirm',
    who: 'user',
    summary: 'Shows the password or a passkey once more, for changes that cannot be undone',
    body: z.union([credentials.omit({ username: true }), z.strictObject({ passkey: assertion })]),
    limit: { perMinute: ATTEMPTS, body: 100_000 },
    async run(call) {
      const { login, body } = call
      requireSecrecy(call, deps.authWithoutTls)
      const identity =
        'passkey' in body
          ? await passkeysOf(deps).verify(call, body.passkey)
          : await verify({ ...call, body: { ...body, username: login.identity.user } }, deps)
      if (identity.account !== login.identity.account || identity.user !== login.identity.user)
        throw new HttpProblem(401, 'That is another account')
      if (identity.credential?.startsWith('app:')) throw new HttpProblem(401, "Use the account's own password")
      if (login.id !== undefined) await deps.records.refresh(login.id)
    },
  })
}

function addPasskeyLogin(
  http: Routes,
  deps: LoginRoutesDeps,
  logIn: (call: Call, identity: Identity) => Promise<Answer>,
): void {
  http.route({
    method: 'GET',
    path: '/api/login/ways',
    who: 'anyone',
    summary: 'Lists the ways to log in beside the password',
    run: () => ({ hasPasskeys: deps.passkeys !== undefined, ways: http.ways }),
  })
  if (!deps.passkeys) return
  http.route({
    method: 'POST',
    path: '/api/login/passkey/options',
    who: 'anyone',
    summary: 'Options with which a browser shows a passkey',
    limit: { perMinute: ATTEMPTS },
    run: (call) => passkeysOf(deps).options(call),
  })
  http.route({
    method: 'POST',
    path: '/api/login/passkey',
    who: 'anyone',
    summary: 'Logs a browser in by a passkey and sets its cookie',
    body: assertion,
    answer: shown,
    limit: { perMinute: ATTEMPTS, body: 100_000 },
    run: async (call) => logIn(call, await passkeysOf(deps).verify(call, call.body)),
  })
  deps.passkeys.addRoutes(http)
}

function passkeysOf({ passkeys }: LoginRoutesDeps): Passkeys {
  if (!passkeys) throw new HttpProblem(404, 'This server has no passkeys')
  return passkeys
}

type Attempt = Call<unknown, unknown, z.output<typeof credentials>> & { readonly login: Login | undefined }

/** Verifies a password and, where there is one, the second factor. */
async function verify(call: Attempt, deps: LoginRoutesDeps): Promise<Identity> {
  const session = await call.openSession('nothing')
  try {
    const { username, password, code } = call.body
    const answer = await session.auth({ kind: 'password', username, password })
    if (answer.kind === 'refuse') throw loginProblem(answer)
    if (!(await deps.needsCode(answer))) return answer
    if (code === undefined) throw new HttpProblem(401, 'Enter the code of the second factor', { needs: 'code' })
    if (await deps.checkCode(answer, code)) return answer
    throw new HttpProblem(401, 'The code is wrong or was used already', { needs: 'code' })
  } finally {
    session.close()
  }
}
