/**
 * Who is it, and is it him: accounts' own passwords, and those for one program each.
 *
 * What must stay true: an unknown name, a wrong password and an account that may not log in get the same answer in the
 * same time; a program's password opens only what it is for; nothing here says which of them was wrong.
 */
import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
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
import { type AppPassword, type DirectoryApi, isRefused, type Scope } from './api.ts'
import type { Changes } from './changes.ts'
import { createIdentities, identityOf, ownCredential } from './identities.ts'
import type { Lookup } from './lookup.ts'
import type { AccountRecord, AppPasswordRecord } from './records.ts'
import { readApp } from './schemas.ts'
import { newSecret, stepOf, uriOf } from './totp.ts'

export interface LoginsDeps {
  readonly lookup: Lookup
  /** The account of a name or an address. */
  readonly accountOf: (login: string) => Promise<AccountRecord | undefined>
  readonly changes: Changes
  readonly clock: Clock
  readonly store: Store
  readonly log: Log
  /** What authenticator apps call this server. */
  readonly issuer: string
  /** The mechanisms whose verifiers are kept. */
  readonly scram: readonly ScramMechanism[]
  /** Whether administrators may act for others. */
  readonly proxyLogin: boolean
  readonly hashing: VerifierOptions
}

/** Characters of a program's password: 26 of 32 letters are 130 bits, so nobody tries them all. */
const APP_LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789'
const APP_LENGTH = 26
const MAX_APPS = 100

const sha256 = (text: string) => createHash('sha256').update(text).digest()
/** People copy them with the dashes or without. */
const plainApp = (password: string) => password.replace(/[\s-]/g, '').toLowerCase()

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

const shownApp = ({ sha256: _, scopes, ...app }: AppPasswordRecord): AppPassword => ({
  ...app,
  scopes: scopes as readonly Scope[],
})

export function createLogins({
  lookup,
  accountOf,
  changes,
  clock,
  store,
  log,
  issuer,
  scram,
  proxyLogin,
  hashing,
}: LoginsDeps) {
  const verify = createVerifier(hashing, { clock, store })
  const identities = createIdentities({ recordOf, accountOf, clock, proxyLogin })

  function appOf({ apps = [] }: AccountRecord, { password, session }: Attempt & { kind: 'password' }) {
    const given = sha256(plainApp(password))
    let found: AppPasswordRecord | undefined
    for (const app of apps) {
      const fits = timingSafeEqual(given, Buffer.from(app.sha256, 'hex'))
      const isMeant =
        app.scopes.includes(scopeOf(session.protocol)) &&
        (app.expires === undefined || app.expires > clock.now()) &&
        (app.networks.length === 0 || inNetworks(app.networks)(session.remote.address))
      if (fits && isMeant) found = app
    }
    return found
  }

  async function auth(attempt: Attempt): Promise<Identity | Verifier | Refusal | undefined> {
    if (attempt.kind === 'scram') return verifierFor(attempt)
    if (attempt.kind !== 'password') return undefined
    const { username, password, rank } = attempt
    const account = await accountOf(username)
    const app = account?.status === 'active' ? appOf(account, attempt) : undefined
    if (account && app) return identityOf(account, `app:${app.id}`)
    const kept = mainPassword(account, attempt)
    const fits = await verify({ password, kept, rank })
    if (fits === undefined) return defer(454, '4.7.0', 'Too many logins at this moment')
    if (!fits || kept === undefined || !account) return undefined
    if (isStaleHash(kept, { scram })) await renew(account, kept, password)
    return identityOf(account, ownCredential(account))
  }

  async function verifierFor(attempt: Attempt & { kind: 'scram' }): Promise<Verifier | undefined> {
    const account = scram.includes(attempt.mechanism) ? await accountOf(attempt.username) : undefined
    const kept = mainPassword(account, attempt)
    const keys = kept === undefined ? undefined : scramKeys(kept, attempt.mechanism)
    return keys && account?.status === 'active'
      ? { ...keys, kind: 'verifier', identity: identityOf(account, ownCredential(account)) }
      : undefined
  }

  /** The password is known at this moment alone: it is kept in our own way from now on. */
  async function renew({ id, name }: AccountRecord, kept: string, password: string): Promise<void> {
    try {
      const made = await hashPassword(password, { scram })
      // Somebody may have set another one meanwhile.
      await changes.rewrite(id, (now) => (now.password === kept ? { ...now, password: made } : now), 'login')
    } catch (cause) {
      log.warn('the hash of a password could not be renewed', { account: name, cause })
    }
  }

  /** Of an account that may log in. With a second factor the password is for the web, where the code is asked for. */
  function mainPassword(account: AccountRecord | undefined, { session }: Attempt): string | undefined {
    if (account?.status !== 'active') return undefined
    return account.totp?.isConfirmed && scopeOf(session.protocol) !== 'web' ? undefined : account.password
  }

  async function recordOf(id: string): Promise<AccountRecord | undefined> {
    const entry = await lookup.byId(id)
    return entry?.kind === 'account' ? entry : undefined
  }

  const NONE = { refused: 'NONEXISTENT', why: 'there is no such account' } as const

  const service: Pick<
    DirectoryApi,
    | 'appPasswords'
    | 'addAppPassword'
    | 'removeAppPassword'
    | 'startTotp'
    | 'confirmTotp'
    | 'removeTotp'
    | 'hasTotp'
    | 'needsCode'
    | 'checkTotp'
  > = {
    appPasswords: async (id) => ((await recordOf(id))?.apps ?? []).map(shownApp),
    async addAppPassword(id, given, by) {
      const read = readApp(given)
      if ('why' in read) return { refused: 'INVALID', why: read.why }
      const { name, scopes, networks = [], expires } = given
      if (((await recordOf(id))?.apps ?? []).length >= MAX_APPS)
        return { refused: 'INVALID', why: `an account has at most ${MAX_APPS} passwords for programs` }
      const letters = [...randomBytes(APP_LENGTH)].map((octet) => APP_LETTERS[octet % APP_LETTERS.length]).join('')
      const app: AppPasswordRecord = {
        id: randomUUID(),
        name,
        sha256: sha256(letters).toString('hex'),
        scopes,
        networks,
        ...(expires === undefined ? {} : { expires }),
        created: clock.now(),
      }
      const done = await changes.rewrite(id, (account) => ({ ...account, apps: [...(account.apps ?? []), app] }), by)
      return isRefused(done) ? done : { app: shownApp(app), password: letters.replace(/(.{5})(?=.)/g, '$1-') }
    },
    removeAppPassword: (id, app, by) =>
      changes.rewrite(
        id,
        ({ apps = [], ...account }) => ({ ...account, apps: apps.filter((one) => one.id !== app && one.name !== app) }),
        by,
      ),
    async startTotp(id, by) {
      const account = await recordOf(id)
      if (!account) return NONE
      const secret = newSecret()
      const done = await changes.rewrite(
        id,
        (record) => ({ ...record, totp: { secret, isConfirmed: false, last: 0 } }),
        by,
      )
      return isRefused(done) ? done : { secret, uri: uriOf(secret, issuer, account.name) }
    },
    async confirmTotp(id, code, by) {
      return takeCode(id, code, by, false)
    },
    removeTotp: (id, by) => changes.rewrite(id, ({ totp, ...account }) => account, by),
    async needsCode({ account, credential }) {
      const found = account === undefined ? undefined : await recordOf(account)
      const isApp = (found?.apps ?? []).some(({ id }) => credential === `app:${id}`)
      return found?.totp?.isConfirmed === true && !isApp
    },
    hasTotp: async (id) => (await recordOf(id))?.totp?.isConfirmed === true,
    checkTotp: (id, code) => takeCode(id, code, 'login', true),
  }

  /** The step is taken in the change itself: of two who show one code at once, one is let in. */
  async function takeCode(id: string, code: string, by: string, isConfirmed: boolean): Promise<boolean> {
    let taken: number | undefined
    await changes.rewrite(
      id,
      (account) => {
        taken = undefined
        const { totp } = account
        if (!totp || totp.isConfirmed !== isConfirmed) return account
        taken = stepOf(totp.secret, code, clock.now(), totp.last)
        return taken === undefined ? account : { ...account, totp: { ...totp, isConfirmed: true, last: taken } }
      },
      by,
    )
    return taken !== undefined
  }

  async function identify(login: string): Promise<Identity | undefined> {
    const account = await accountOf(login)
    return account?.status === 'active' ? identityOf(account) : undefined
  }

  return { auth, identify, ...identities, service }
}
