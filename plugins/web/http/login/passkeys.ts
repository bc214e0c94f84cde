/**
 * Passkeys (WebAuthn): registered by an account, shown in place of a password and a code. The only file that imports
 * @simplewebauthn/server.
 *
 * Invariants: the authenticator verifies its user; a challenge is valid once, for a short time and for one purpose; a
 * passkey belongs to the host name it was made at.
 */
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server'
import type { Identity, Log } from 'iems'
import * as z from 'zod'
import { type DirectoryApi, isRefused, type Passkey } from '../../../directory/store/api.ts'
import { type Call, type HttpApi, HttpProblem, type LoggedIn } from '../api.ts'
import type { Challenges } from './challenges.ts'

const text = (most: number) => z.string().max(most)
const MAX_FIELD = 20_000
/** A credential as `toJSON` of a browser writes it; further members are not read. */
export const assertion = z.looseObject({
  id: text(2000),
  rawId: text(2000),
  type: z.literal('public-key'),
  clientExtensionResults: z.record(z.string(), z.unknown()).default({}),
  response: z.looseObject({
    clientDataJSON: text(MAX_FIELD),
    authenticatorData: text(MAX_FIELD),
    signature: text(MAX_FIELD),
    userHandle: text(500).nullish(),
  }),
})
const attestation = z.looseObject({
  id: text(2000),
  rawId: text(2000),
  type: z.literal('public-key'),
  clientExtensionResults: z.record(z.string(), z.unknown()).default({}),
  response: z.looseObject({
    clientDataJSON: text(MAX_FIELD),
    attestationObject: text(100_000),
    transports: z.array(text(50)).max(10).optional(),
  }),
})

export interface PasskeysDeps {
  readonly directory: DirectoryApi
  readonly challenges: Challenges
  readonly log: Log
}

/** Loaded by the first passkey: its ASN.1 costs each command a fifth of its start. */
const webAuthn = () => import('@simplewebauthn/server')

/** EdDSA, ES256 and RS256 (RFC 9053, 8812). */
const ALGORITHMS = [-8, -7, -257]
const NOT_VALID = 'The passkey is not valid here'
const hostOf = ({ origin }: Pick<Call, 'origin'>) => new URL(origin).hostname
const shown = ({ publicKey: _, counter: __, ...one }: Passkey) => one

export class Passkeys {
  readonly #deps: PasskeysDeps

  constructor(deps: PasskeysDeps) {
    this.#deps = deps
  }

  /** Options with which a browser shows any passkey of this server. */
  async options(call: Pick<Call, 'origin'>): Promise<object> {
    const { generateAuthenticationOptions } = await webAuthn()
    return generateAuthenticationOptions({
      rpID: hostOf(call),
      challenge: await this.#deps.challenges.make('login'),
      userVerification: 'required',
    })
  }

  /** The identity of the account whose passkey was shown. Throws 401. */
  async verify(call: Pick<Call, 'origin'>, given: z.output<typeof assertion>): Promise<Identity> {
    const { directory, log } = this.#deps
    const account = Buffer.from(given.response.userHandle ?? '', 'base64url').toString()
    const found = (await directory.passkeys(account)).find(({ id }) => id === given.id)
    if (!found) throw new HttpProblem(401, NOT_VALID)
    const credential = {
      id: found.id,
      publicKey: new Uint8Array(Buffer.from(found.publicKey, 'base64url')),
      counter: found.counter,
    }
    const { verifyAuthenticationResponse } = await webAuthn()
    const answer = await verifyAuthenticationResponse({
      response: given as unknown as AuthenticationResponseJSON,
      expectedChallenge: (challenge) => this.#deps.challenges.take('login', challenge),
      expectedOrigin: call.origin,
      expectedRPID: hostOf(call),
      credential,
    }).catch((cause: unknown) => {
      log.info('a passkey was refused', { account, cause })
      throw new HttpProblem(401, NOT_VALID)
    })
    const identity = answer.verified
      ? await directory.takePasskey(account, found.id, answer.authenticationInfo.newCounter)
      : undefined
    if (!identity) throw new HttpProblem(401, NOT_VALID)
    return identity
  }

  addRoutes(http: HttpApi): void {
    const { directory } = this.#deps
    http.route({
      method: 'GET',
      path: '/api/passkeys',
      who: 'user',
      summary: 'Lists the passkeys of the account',
      run: async ({ login }) => (await directory.passkeys(accountOf(login))).map(shown),
    })
    http.route({
      method: 'POST',
      path: '/api/passkeys/options',
      who: 'user',
      fresh: true,
      summary: 'Options with which a browser makes a passkey',
      run: (call) => this.#creation(call),
    })
    http.route({
      method: 'POST',
      path: '/api/passkeys',
      who: 'user',
      fresh: true,
      summary: 'Adds a passkey to the account',
      body: z.strictObject({ name: z.string().trim().min(1).max(100), response: attestation }),
      limit: { body: 200_000 },
      run: (call) => this.#add(call, call.body),
    })
    http.route({
      method: 'DELETE',
      path: '/api/passkeys/:id',
      who: 'user',
      fresh: true,
      summary: 'Removes a passkey of the account and ends its logins',
      params: z.object({ id: text(2000) }),
      async run({ login, params }) {
        const account = accountOf(login)
        if (!(await directory.passkeys(account)).some(({ id }) => id === params.id))
          throw new HttpProblem(404, 'There is no such passkey')
        const done = await directory.removePasskey(account, params.id, login.identity.user)
        if (isRefused(done)) throw new HttpProblem(409, done.why)
      },
    })
  }

  async #creation(call: LoggedIn<Call>): Promise<object> {
    const { directory, challenges } = this.#deps
    const account = accountOf(call.login)
    const { generateRegistrationOptions } = await webAuthn()
    return generateRegistrationOptions({
      rpName: hostOf(call),
      rpID: hostOf(call),
      userName: call.login.identity.user,
      userID: new Uint8Array(Buffer.from(account)),
      challenge: await challenges.make(`create ${account}`),
      excludeCredentials: (await directory.passkeys(account)).map(({ id }) => ({ id })),
      supportedAlgorithmIDs: ALGORITHMS,
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    })
  }

  async #add(
    call: LoggedIn<Call>,
    { name, response }: { readonly name: string; readonly response: z.output<typeof attestation> },
  ): Promise<object> {
    const account = accountOf(call.login)
    const { verifyRegistrationResponse } = await webAuthn()
    const answer = await verifyRegistrationResponse({
      response: response as unknown as RegistrationResponseJSON,
      expectedChallenge: (challenge) => this.#deps.challenges.take(`create ${account}`, challenge),
      expectedOrigin: call.origin,
      expectedRPID: hostOf(call),
      supportedAlgorithmIDs: ALGORITHMS,
    }).catch((cause: unknown) => {
      this.#deps.log.info('a new passkey was refused', { account, cause })
      throw new HttpProblem(400, 'The browser did not make a valid passkey')
    })
    if (!answer.verified) throw new HttpProblem(400, 'The browser did not make a valid passkey')
    const { id, publicKey, counter } = answer.registrationInfo.credential
    const made = await this.#deps.directory.addPasskey(
      account,
      { id, name, publicKey: Buffer.from(publicKey).toString('base64url'), counter, host: hostOf(call) },
      call.login.identity.user,
    )
    if (isRefused(made)) throw new HttpProblem(409, made.why)
    return shown(made)
  }
}

function accountOf({ identity: { account } }: LoggedIn<Call>['login']): string {
  if (account === undefined) throw new HttpProblem(403, 'This login has no account')
  return account
}
