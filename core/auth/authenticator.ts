/**
 * Authenticates a client for every protocol: runs the `auth` hook with throttling, SCRAM and logging around it.
 *
 * Invariants: a fault is a temporary failure, never success or a permanent one; an unknown user and a wrong password
 * get the same answer; every failed attempt counts, whatever its mechanism.
 */
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { IemsError } from '../api/errors.ts'
import type { Credentials, Identity, Session, Verifier } from '../api/hooks.ts'
import { defer, type Refusal, refuse } from '../api/reply.ts'
import type { HookRun } from '../api/run.ts'
import type { Emit } from '../runtime/log.ts'
import type { Hooks } from '../runtime/wiring.ts'
import { key } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import { CONFLICT, transact } from '../store/transact.ts'
import type { Attempts, LoginAdmission } from './login-throttle.ts'
import type { Authenticate, WholeCredentials } from './sasl/exchange.ts'
import { verifierOfNobody } from './sasl/scram.ts'

export interface LoginDeps {
  readonly hooks: Hooks
  readonly emit: Emit
  readonly attempts: Attempts
  /** Per-server secret from which fake SCRAM verifiers for unknown users are derived. Never rotated. */
  readonly secret: () => Promise<KeyObject>
}

const WRONG = refuse(535, '5.7.8', 'Authentication credentials invalid')
const FAULT = defer(454, '4.7.0', 'Temporary authentication failure')
const TOO_MANY = defer(454, '4.7.0', 'Too many failed logins, try again later')

/** The secret that the client presents, for mechanisms where a repeated attempt presents the same. */
function shownOf(credentials: Credentials): string | undefined {
  if (credentials.kind === 'password') return credentials.password
  return credentials.kind === 'bearer' ? credentials.token : undefined
}

/** The client at the time of this attempt. */
export interface AuthenticatingClient {
  readonly session: Session
  readonly run: HookRun
  /** Called for every refusal. */
  denied(refusal: Refusal, claim: Claim): void
}

/** The user name that a client claims, and the one it wants to act as, if known. */
export interface Claim {
  readonly username?: string | undefined
  readonly authzid?: string | undefined
}

export class Authenticator implements Authenticate {
  readonly #deps: LoginDeps
  readonly #client: AuthenticatingClient

  constructor(deps: LoginDeps, client: AuthenticatingClient) {
    this.#deps = deps
    this.#client = client
  }

  get discovery() {
    return this.#deps.hooks.discovery(this.#client.session.channel)
  }

  #faulty(cause: unknown, hook: 'auth' | 'authorize' = 'auth'): Refusal {
    // A plugin's fault has been logged already.
    if (!(cause instanceof IemsError))
      this.#deps.emit('kernel.fault', { hook, session: this.#client.session.id, cause })
    return FAULT
  }

  async #ask(credentials: Credentials, { rank }: LoginAdmission): Promise<Identity | Verifier | Refusal | undefined> {
    try {
      return await this.#deps.hooks.call(
        'auth',
        { ...credentials, session: this.#client.session, rank },
        this.#client.run,
      )
    } catch (cause) {
      return this.#faulty(cause)
    }
  }

  #admit(credentials: Credentials, username: string | undefined): Promise<LoginAdmission | undefined> {
    const { remote, trusted } = this.#client.session
    const shown = shownOf(credentials)
    return this.#deps.attempts.begin({
      address: remote.address,
      trusted,
      username,
      ...(shown === undefined ? {} : { shown }),
    })
  }

  #denied(refusal: Refusal, claim: Claim): Refusal {
    this.#client.denied(refusal, claim)
    return refusal
  }

  async judge(credentials: WholeCredentials, asked?: string): Promise<Identity | Refusal> {
    const username = 'username' in credentials ? credentials.username : undefined
    // A token identifies its owner; the name beside it is the authorization identity (RFC 7628 section 3.1).
    const authzid = asked ?? (credentials.kind === 'bearer' ? username : undefined)
    const turn = await this.#admit(credentials, username)
    const answer = turn ? ((await this.#ask(credentials, turn)) ?? WRONG) : TOO_MANY
    // A verifier is no answer to a password.
    return this.#concluded(turn, answer.kind === 'verifier' ? WRONG : answer, { username, authzid })
  }

  /** The identity that the client acts as: its own, or the one that plugins grant. */
  async #actAs(identity: Identity, username: string): Promise<Identity | Refusal> {
    if (username === identity.user) return identity
    try {
      return (
        (await this.#deps.hooks.call(
          'authorize',
          { identity, username, session: this.#client.session },
          this.#client.run,
        )) ?? WRONG
      )
    } catch (cause) {
      return this.#faulty(cause, 'authorize')
    }
  }

  async #concluded(turn: LoginAdmission | undefined, shown: Identity | Refusal, claim: Claim) {
    const { authzid } = claim
    const answer = shown.kind === 'identity' && authzid !== undefined ? await this.#actAs(shown, authzid) : shown
    if (answer.kind === 'identity') void turn?.succeeded()
    else {
      this.#denied(answer, claim)
      if (answer.reply.code >= 500) await turn?.failed()
    }
    return answer
  }

  async #verifierFor(credentials: Extract<Credentials, { kind: 'scram' }>, turn: LoginAdmission) {
    const answer = await this.#ask(credentials, turn)
    if (answer?.kind === 'refuse' && answer.reply.code < 500) return answer
    // A permanent refusal would reveal that the user exists.
    const known = answer?.kind === 'verifier' ? answer : undefined
    const { mechanism, username } = credentials
    return { known, verifier: known ?? verifierOfNobody(await this.#deps.secret(), mechanism, username) }
  }

  /** Returns the verifier of a SCRAM proof; `conclude` takes the result. */
  async begin(username: string, mechanism: 'SCRAM-SHA-1' | 'SCRAM-SHA-256', authzid?: string) {
    const credentials = { kind: 'scram', username, mechanism } as const
    const turn = await this.#admit(credentials, username)
    const found = turn
      ? await this.#verifierFor(credentials, turn).catch((cause: unknown) => this.#faulty(cause))
      : TOO_MANY
    const claim = { username, authzid }
    if ('kind' in found) return this.#denied(found, claim)
    const { known, verifier } = found
    return {
      verifier,
      conclude: (isProven: boolean) => this.#concluded(turn, known && isProven ? known.identity : WRONG, claim),
    }
  }
}

const SECRET = key('s', 'sasl')

/** Reads a secret from the store, generated on first use. */
export function createSecret(store: Store): () => Promise<KeyObject> {
  let secret: Promise<KeyObject> | undefined
  const find = () =>
    transact({ what: 'the secret' }, async () => {
      const made = randomBytes(32)
      const kept = await store.get(SECRET)
      if (kept) return kept
      return (await store.commit([{ put: SECRET, value: made }], [{ key: SECRET, is: 'absent' }])) ? made : CONFLICT
    })
  return () => {
    secret ??= find().then(createSecretKey, (cause) => {
      secret = undefined
      throw cause
    })
    return secret
  }
}
