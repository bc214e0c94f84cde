/**
 * Password, passwords for programs and second factor of the login's own account.
 *
 * Invariants: a secret is shown once, when it is made; a new password or second factor ends every other web login, and
 * this browser gets a new one.
 */
import * as z from 'zod'
import { type DirectoryApi, SCOPES } from '../../directory/store/api.ts'
import { Answer, type Call, type HttpApi, HttpProblem, type LoggedIn } from '../http/api.ts'
import { allowed, ownId } from './own.ts'

const ATTEMPTS = 30
/** Not `proxy`: only administrators give leave to open other accounts. */
const scopes = z.enum(SCOPES).exclude(['proxy'])
const id = z.object({ id: z.string().max(200) })

export function addSecretRoutes(http: HttpApi, directory: DirectoryApi): void {
  addPassword(http, directory)
  addAppPasswords(http, directory)
  addTotp(http, directory)
}

/** Logs this browser in again, as the credential of its login has changed. */
async function renewed(http: HttpApi, directory: DirectoryApi, call: LoggedIn<Call>): Promise<Answer> {
  const identity = call.login.id === undefined ? undefined : await directory.ownIdentity(ownId(call.login))
  return new Answer(204, undefined, identity ? await http.logIn(call, identity) : {})
}

function addPassword(http: HttpApi, directory: DirectoryApi): void {
  http.route({
    method: 'PUT',
    path: '/api/account/password',
    who: 'user',
    fresh: true,
    summary: 'Sets the password of the account and ends its other logins',
    body: z.strictObject({ password: z.string().min(1).max(1000) }),
    limit: { perMinute: ATTEMPTS },
    async run(call) {
      const { login, body } = call
      // A hash is for imports alone.
      if (/^(\$|\{)/.test(body.password)) throw new HttpProblem(400, 'The password must not begin with $ or {')
      const [changed] = await directory.change(
        [{ set: ownId(login), to: { password: body.password } }],
        login.identity.user,
      )
      allowed(changed)
      return renewed(http, directory, call)
    },
  })
}

function addAppPasswords(http: HttpApi, directory: DirectoryApi): void {
  http.route({
    method: 'GET',
    path: '/api/account/app-passwords',
    who: 'user',
    summary: 'Lists the passwords for programs',
    run: ({ login }) => directory.appPasswords(ownId(login)),
  })
  http.route({
    method: 'POST',
    path: '/api/account/app-passwords',
    who: 'user',
    fresh: true,
    summary: 'Makes a password for a program; it is shown only here',
    body: z.strictObject({
      name: z.string().trim().min(1).max(100),
      scopes: z.array(scopes).min(1),
      expires: z.int().positive().optional(),
    }),
    async run({ login, body }) {
      const { name, scopes: wanted, expires } = body
      const given = { name, scopes: wanted, ...(expires === undefined ? {} : { expires }) }
      return allowed(await directory.addAppPassword(ownId(login), given, login.identity.user))
    },
  })
  http.route({
    method: 'DELETE',
    path: '/api/account/app-passwords/:id',
    who: 'user',
    fresh: true,
    summary: 'Removes a password for a program and ends its logins',
    params: id,
    async run({ login, params }) {
      const own = ownId(login)
      if (!(await directory.appPasswords(own)).some((one) => one.id === params.id))
        throw new HttpProblem(404, 'There is no such password')
      allowed(await directory.removeAppPassword(own, params.id, login.identity.user))
    },
  })
}

function addTotp(http: HttpApi, directory: DirectoryApi): void {
  http.route({
    method: 'POST',
    path: '/api/account/second-factor',
    who: 'user',
    fresh: true,
    summary: 'Begins with a new second factor, which a code confirms',
    async run({ login }) {
      const own = ownId(login)
      if (await directory.hasTotp(own)) throw new HttpProblem(409, 'Remove the second factor first')
      return allowed(await directory.startTotp(own, login.identity.user))
    },
  })
  http.route({
    method: 'PUT',
    path: '/api/account/second-factor',
    who: 'user',
    fresh: true,
    summary: 'Confirms the new second factor and ends other logins',
    body: z.strictObject({ code: z.string().max(20) }),
    limit: { perMinute: ATTEMPTS },
    async run(call) {
      const { login, body } = call
      if (!(await directory.confirmTotp(ownId(login), body.code, login.identity.user)))
        throw new HttpProblem(400, 'The code does not fit. Check the time of your device.')
      return renewed(http, directory, call)
    },
  })
  http.route({
    method: 'DELETE',
    path: '/api/account/second-factor',
    who: 'user',
    fresh: true,
    summary: 'Removes the second factor',
    async run(call) {
      allowed(await directory.removeTotp(ownId(call.login), call.login.identity.user))
      return renewed(http, directory, call)
    },
  })
}
