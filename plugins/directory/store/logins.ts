/**
 * Verifies accounts' passwords and application passwords.
 *
 * Invariants: an unknown name, a wrong password and an account that may not log in get the same answer in the same
 * time; an application password is valid only for its scopes; a refusal does not say which part was wrong.
 */
import { timingSafeEqual } from 'node:crypto'
import {
  type Attempt,
  type Clock,
  defer,
  type Identity,
  inNetworks,
  type Log,
  type Protocol,
  type Refusal,
  type Store,
  type Verifier,
} from 'iems'
import {
  createVerifier,
  hashPassword,
  isStaleHash,
  type ScramMechanism,
  scramKeys,
  type VerifierOptions,
} from '../static/api.ts'
import { plainApp, sha256 } from './account-secrets.ts'
import type { Scope } from './api.ts'
import type { Changes } from './changes.ts'
import { identityOf, ownCredential } from './identities.ts'
import type { AccountRecord, AppPasswordRecord } from './records.ts'

export interface LoginsDeps {
  /** The account with that name or address. */
  readonly accountOf: (login: string) => Promise<AccountRecord | undefined>
  readonly changes: Changes
  readonly clock: Clock
  readonly store: Store
  readonly log: Log
  /** Mechanisms whose verifiers are stored. */
  readonly scram: readonly ScramMechanism[]
  readonly hashing: VerifierOptions
}

function scopeOf(protocol: Protocol): Scope {
  switch (protocol) {
    case 'IMAP':
      return 'imap'
    case 'POP3':
      return 'pop3'
    case 'LDAP':
      return 'ldap'
    case 'SIEVE':
      return 'sieve'
    case 'HTTP':
      return 'web'
    default:
      return 'smtp'
  }
}

export class Logins {
  readonly #deps: LoginsDeps
  readonly #verify

  constructor(deps: LoginsDeps) {
    this.#deps = deps
    this.#verify = createVerifier(deps.hashing, { clock: deps.clock, store: deps.store })
  }

  #appOf({ apps = [] }: AccountRecord, { password, session }: Attempt & { kind: 'password' }) {
    const given = sha256(plainApp(password))
    let found: AppPasswordRecord | undefined
    for (const app of apps) {
      const fits = timingSafeEqual(given, Buffer.from(app.sha256, 'hex'))
      const isMeant =
        app.scopes.includes(scopeOf(session.protocol)) &&
        (app.expires === undefined || app.expires > this.#deps.clock.now()) &&
        (app.networks.length === 0 || inNetworks(app.networks)(session.remote.address))
      if (fits && isMeant) found = app
    }
    return found
  }

  async auth(attempt: Attempt): Promise<Identity | Verifier | Refusal | undefined> {
    if (attempt.kind === 'scram') return this.#verifierFor(attempt)
    if (attempt.kind !== 'password') return undefined
    const { username, password, rank } = attempt
    const account = await this.#deps.accountOf(username)
    const app = account?.status === 'active' ? this.#appOf(account, attempt) : undefined
    if (account && app) return identityOf(account, `app:${app.id}`)
    const kept = mainPassword(account, attempt)
    const fits = await this.#verify({ password, kept, rank })
    if (fits === undefined) return defer(454, '4.7.0', 'Too many logins at this moment')
    if (!fits || kept === undefined || !account) return undefined
    if (isStaleHash(kept, { scram: this.#deps.scram })) await this.#renew(account, kept, password)
    return identityOf(account, ownCredential(account))
  }

  async #verifierFor(attempt: Attempt & { kind: 'scram' }): Promise<Verifier | undefined> {
    const account = this.#deps.scram.includes(attempt.mechanism)
      ? await this.#deps.accountOf(attempt.username)
      : undefined
    const kept = mainPassword(account, attempt)
    const keys = kept === undefined ? undefined : scramKeys(kept, attempt.mechanism)
    return keys && account?.status === 'active'
      ? { ...keys, kind: 'verifier', identity: identityOf(account, ownCredential(account)) }
      : undefined
  }

  /** The plain password is known only now, so its hash is upgraded. */
  async #renew({ id, name }: AccountRecord, kept: string, password: string): Promise<void> {
    try {
      const made = await hashPassword(password, { scram: this.#deps.scram })
      // Another password may have been set meanwhile.
      await this.#deps.changes.rewrite(id, (now) => (now.password === kept ? { ...now, password: made } : now), 'login')
    } catch (cause) {
      this.#deps.log.warn('the hash of a password could not be renewed', { account: name, cause })
    }
  }

  async identify(login: string): Promise<Identity | undefined> {
    const account = await this.#deps.accountOf(login)
    return account?.status === 'active' ? identityOf(account) : undefined
  }
}

/**
 * For an account that may log in. With a second factor the password is valid only for the web, which asks for the code.
 */
function mainPassword(account: AccountRecord | undefined, { session }: Attempt): string | undefined {
  if (account?.status !== 'active') return undefined
  return account.totp?.isConfirmed && scopeOf(session.protocol) !== 'web' ? undefined : account.password
}
