/**
 * An account's secrets other than its password: application passwords, and the second factor (RFC 6238).
 *
 * Invariants: a secret is shown once, when it is created; a code of the second factor is valid once, across all
 * kernels.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type { Clock, Identity } from 'iems'
import { type AppPassword, type Changed, type DirectoryApi, isRefused, type Refused, type Scope } from './api.ts'
import type { Changes } from './changes.ts'
import type { Lookup } from './lookup.ts'
import type { AppPasswordRecord } from './records.ts'
import { readApp } from './schemas.ts'
import { newSecret, stepOf, uriOf } from './totp.ts'

export interface AccountSecretsDeps {
  readonly lookup: Lookup
  readonly changes: Changes
  readonly clock: Pick<Clock, 'now'>
  /** The name of this server in authenticator apps. */
  readonly issuer: string
}

/** Characters of an application password: 26 of 32 letters are 130 bits. */
const APP_LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789'
const APP_LENGTH = 26
const MAX_APPS = 100

export const sha256 = (text: string) => createHash('sha256').update(text).digest()
/** Users copy them with or without the dashes. */
export const plainApp = (password: string) => password.replace(/[\s-]/g, '').toLowerCase()
const NO_ACCOUNT = { refused: 'NONEXISTENT', why: 'there is no such account' } as const

const shownApp = ({ sha256: _, scopes, ...app }: AppPasswordRecord): AppPassword => ({
  ...app,
  scopes: scopes as readonly Scope[],
})

type Added = Awaited<ReturnType<DirectoryApi['addAppPassword']>>

export class AccountSecrets {
  readonly #deps: AccountSecretsDeps

  constructor(deps: AccountSecretsDeps) {
    this.#deps = deps
  }

  async appPasswords(id: string): Promise<readonly AppPassword[]> {
    return ((await this.#deps.lookup.account(id))?.apps ?? []).map(shownApp)
  }

  async addAppPassword(id: string, given: Parameters<DirectoryApi['addAppPassword']>[1], by: string): Promise<Added> {
    const read = readApp(given)
    if ('why' in read) return { refused: 'INVALID', why: read.why }
    const { name, scopes, networks = [], expires } = given
    if (((await this.#deps.lookup.account(id))?.apps ?? []).length >= MAX_APPS)
      return { refused: 'INVALID', why: `an account has at most ${MAX_APPS} passwords for programs` }
    const letters = [...randomBytes(APP_LENGTH)].map((octet) => APP_LETTERS[octet % APP_LETTERS.length]).join('')
    const app: AppPasswordRecord = {
      id: randomUUID(),
      name,
      sha256: sha256(letters).toString('hex'),
      scopes,
      networks,
      ...(expires === undefined ? {} : { expires }),
      created: this.#deps.clock.now(),
    }
    const done = await this.#deps.changes.rewrite(
      id,
      (account) => ({ ...account, apps: [...(account.apps ?? []), app] }),
      by,
    )
    return isRefused(done) ? done : { app: shownApp(app), password: letters.replace(/(.{5})(?=.)/g, '$1-') }
  }

  removeAppPassword(id: string, app: string, by: string): Promise<Changed> {
    return this.#deps.changes.rewrite(
      id,
      ({ apps = [], ...account }) => ({ ...account, apps: apps.filter((one) => one.id !== app && one.name !== app) }),
      by,
    )
  }

  async startTotp(id: string, by: string): Promise<{ readonly secret: string; readonly uri: string } | Refused> {
    const { lookup, changes, issuer } = this.#deps
    const account = await lookup.account(id)
    if (!account) return NO_ACCOUNT
    const secret = newSecret()
    const done = await changes.rewrite(
      id,
      (record) => ({ ...record, totp: { secret, isConfirmed: false, last: 0 } }),
      by,
    )
    return isRefused(done) ? done : { secret, uri: uriOf(secret, issuer, account.name) }
  }

  confirmTotp(id: string, code: string, by: string): Promise<boolean> {
    return this.#takeCode(id, code, by, false)
  }

  removeTotp(id: string, by: string): Promise<Changed> {
    return this.#deps.changes.rewrite(id, ({ totp: _, ...account }) => account, by)
  }

  async hasTotp(id: string): Promise<boolean> {
    return (await this.#deps.lookup.account(id))?.totp?.isConfirmed === true
  }

  async needsCode({ account, credential }: Identity): Promise<boolean> {
    const found = account === undefined ? undefined : await this.#deps.lookup.account(account)
    const isApp = (found?.apps ?? []).some(({ id }) => credential === `app:${id}`)
    return found?.totp?.isConfirmed === true && !isApp
  }

  checkTotp(id: string, code: string): Promise<boolean> {
    return this.#takeCode(id, code, 'login', true)
  }

  /** The change itself takes the step, so that only one of two concurrent uses of a code succeeds. */
  async #takeCode(id: string, code: string, by: string, isConfirmed: boolean): Promise<boolean> {
    let taken: number | undefined
    await this.#deps.changes.rewrite(
      id,
      (account) => {
        taken = undefined
        const { totp } = account
        if (!totp || totp.isConfirmed !== isConfirmed) return account
        taken = stepOf(totp.secret, code, this.#deps.clock.now(), totp.last)
        return taken === undefined ? account : { ...account, totp: { ...totp, isConfirmed: true, last: taken } }
      },
      by,
    )
    return taken !== undefined
  }
}
