/**
 * The Accounts service, answered from the directory.
 *
 * Invariants: other plugins see only the fields of an account that the service's contract names.
 */
import type { Identity } from 'iems'
import type { Account, AccountsApi } from '../static/api.ts'
import type { DirectoryAccount } from './api.ts'
import type { EntryReader } from './entry-reader.ts'
import type { Logins } from './logins.ts'
import type { Lookup } from './lookup.ts'
import type { MailRouting } from './mail-routing.ts'
import { type AccountRecord, foldName } from './records.ts'

export interface DirectoryAccountsDeps {
  readonly lookup: Lookup
  readonly reader: Pick<EntryReader, 'list'>
  readonly flow: MailRouting
  readonly logins: Logins
}

export class DirectoryAccounts implements AccountsApi {
  readonly #deps: DirectoryAccountsDeps

  constructor(deps: DirectoryAccountsDeps) {
    this.#deps = deps
  }

  async byId(id: string): Promise<Account | undefined> {
    const account = await this.#deps.lookup.account(id)
    return account && accountOf(account)
  }

  async byName(name: string): Promise<Account | undefined> {
    const entry = await this.#deps.lookup.named('account', foldName(name))
    return entry && accountOf(entry)
  }

  async byLogin(login: string): Promise<Account | undefined> {
    const account = await this.#deps.flow.byLogin(login)
    return account && accountOf(account)
  }

  async byAddress(address: string): Promise<{ readonly account: Account; readonly detail?: string } | undefined> {
    const owner = await this.#deps.flow.ownerOf(address)
    if (owner?.kind !== 'account') return undefined
    return { account: accountOf(owner.account), ...(owner.detail === undefined ? {} : { detail: owner.detail }) }
  }

  maySendAs(id: string, address: string): Promise<boolean> {
    return this.#deps.flow.maySendAs(id, address)
  }

  async *list(): AsyncGenerator<Account> {
    for await (const entry of this.#deps.reader.list('account')) yield accountOf(entry)
  }

  identify(login: string): Promise<Identity | undefined> {
    return this.#deps.logins.identify(login)
  }

  async groupsOf(id: string): Promise<readonly string[]> {
    const { flow, lookup } = this.#deps
    const found = await Promise.all([...(await flow.groupsOf(id))].map((group) => lookup.byId(group)))
    return found.flatMap((entry) => (entry?.kind === 'group' ? [entry.name] : []))
  }
}

/** The account as other plugins see it. */
function accountOf({ id, name, addresses, displayName, quota, attributes }: DirectoryAccount | AccountRecord): Account {
  // RFC 2798 section 2.7: as Accept-Language, the first is preferred.
  const language = /^[a-z]{2,3}(?![a-z])/i.exec(attributes?.preferredlanguage?.[0] ?? '')?.[0].toLowerCase()
  return {
    id,
    name,
    addresses,
    ...(displayName === undefined ? {} : { displayName }),
    ...(quota === undefined ? {} : { quota }),
    ...(language === undefined ? {} : { language }),
  }
}
