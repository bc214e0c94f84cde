/**
 * An account's passkeys (WebAuthn). The http plugin verifies signatures; this file keeps what they are verified with.
 *
 * Invariants: a login by a passkey ends when the passkey is removed; a counter that does not rise is a copied passkey.
 */
import type { Clock, Identity } from 'iems'
import { type Changed, type DirectoryApi, isRefused, type Passkey, type Refused } from './api.ts'
import type { Changes } from './changes.ts'
import { identityOf, ownCredential } from './identities.ts'
import type { Lookup } from './lookup.ts'

export interface AccountPasskeysDeps {
  readonly lookup: Lookup
  readonly changes: Changes
  readonly clock: Pick<Clock, 'now'>
}

const MAX_PASSKEYS = 50
const NO_ACCOUNT = { refused: 'NONEXISTENT', why: 'there is no such account' } as const
const TOO_MANY = { refused: 'INVALID', why: `an account has at most ${MAX_PASSKEYS} passkeys` } as const

export class AccountPasskeys {
  readonly #deps: AccountPasskeysDeps

  constructor(deps: AccountPasskeysDeps) {
    this.#deps = deps
  }

  async list(id: string): Promise<readonly Passkey[]> {
    return (await this.#deps.lookup.account(id))?.passkeys ?? []
  }

  async add(id: string, given: Parameters<DirectoryApi['addPasskey']>[1], by: string): Promise<Passkey | Refused> {
    const account = await this.#deps.lookup.account(id)
    if (!account) return NO_ACCOUNT
    if ((account.passkeys ?? []).length >= MAX_PASSKEYS) return TOO_MANY
    const passkey: Passkey = { ...given, created: this.#deps.clock.now() }
    const done = await this.#deps.changes.rewrite(
      id,
      ({ passkeys = [], ...record }) => ({
        ...record,
        passkeys: [...passkeys.filter((one) => one.id !== given.id), passkey],
      }),
      by,
    )
    return isRefused(done) ? done : passkey
  }

  remove(id: string, passkey: string, by: string): Promise<Changed> {
    return this.#deps.changes.rewrite(
      id,
      ({ passkeys = [], ...record }) => ({ ...record, passkeys: passkeys.filter((one) => one.id !== passkey) }),
      by,
    )
  }

  /** The change itself compares the counter, so that only one of two uses with the same one succeeds. */
  async use(id: string, passkey: string, counter: number): Promise<Identity | undefined> {
    let identity: Identity | undefined
    await this.#deps.changes.rewrite(
      id,
      (account) => {
        const found = account.passkeys?.find((one) => one.id === passkey)
        const isCopied = found !== undefined && (counter > 0 || found.counter > 0) && counter <= found.counter
        identity =
          found && !isCopied && account.status === 'active' ? identityOf(account, `passkey:${passkey}`) : undefined
        if (!identity) return account
        const used: Passkey = { ...(found as Passkey), counter, used: this.#deps.clock.now() }
        return { ...account, passkeys: account.passkeys?.map((one) => (one.id === passkey ? used : one)) ?? [] }
      },
      'login',
    )
    return identity
  }

  async ownIdentity(id: string): Promise<Identity | undefined> {
    const account = await this.#deps.lookup.account(id)
    return account?.status === 'active' ? identityOf(account, ownCredential(account)) : undefined
  }
}
