/**
 * The Accounts service, answered from the LDAP server.
 *
 * Invariants: other plugins see only the attributes of an account that the service's contract names, never its DN, its
 * forwards or its login data.
 */
import type { Identity } from 'iems'
import type { Account, AccountsApi } from '../../static/api.ts'
import type { LdapMailRouting } from './mail-routing.ts'
import type { LdapAccount, Source } from './source.ts'

export class LdapAccounts implements AccountsApi {
  readonly #routing: LdapMailRouting
  readonly #source: Source

  constructor(routing: LdapMailRouting, source: Source) {
    this.#routing = routing
    this.#source = source
  }

  async byId(id: string): Promise<Account | undefined> {
    return plain(await this.#source.byId(id))
  }

  async byName(name: string): Promise<Account | undefined> {
    return plain(await this.#source.byName(name))
  }

  async byLogin(login: string): Promise<Account | undefined> {
    return plain((await this.#source.byLogin(login)) ?? (await this.#routing.ownedBy(login)))
  }

  maySendAs(id: string, address: string): Promise<boolean> {
    return this.#routing.maySendAs(id, address)
  }

  async byAddress(address: string): Promise<{ readonly account: Account; readonly detail?: string } | undefined> {
    const owner = await this.#routing.ownerOf(address)
    if (owner?.kind !== 'account') return undefined
    const { account, detail } = owner
    return { account: plain(account) as Account, ...(detail === undefined ? {} : { detail }) }
  }

  async *list(): AsyncGenerator<Account> {
    for await (const account of this.#source.list()) yield plain(account) as Account
  }

  async identify(login: string): Promise<Identity | undefined> {
    const account = await this.#source.byLogin(login)
    return account && !account.isDisabled ? this.#routing.identityOf(account) : undefined
  }

  async groupsOf(id: string): Promise<readonly string[]> {
    const account = await this.#source.byId(id)
    return account ? this.#source.groupsOf(account.dn) : []
  }
}

/** The account as other plugins see it. */
function plain(account: LdapAccount | undefined): Account | undefined {
  if (!account) return undefined
  const { dn, forward, mailHost, sendAs, passwordChanged, isDisabled, ...rest } = account
  return rest
}
