/**
 * The accounts of the configuration, by id, name and address.
 *
 * Invariants: two accounts never share an id, a name or an address; a name that is an account's address belongs to that
 * account.
 */
import type { Identity } from 'iems'
import { detailOf, readAddress } from './addresses.ts'
import type { Account, AccountsApi } from './api.ts'

export interface KeptAccount extends Account {
  readonly password?: string
  readonly groups: readonly string[]
  /** Additional addresses it may send from; `*@example.org` is a whole domain, `*` any. */
  readonly sendAs: readonly string[]
  readonly mayRelay: boolean
}

export function identityOf({ id, name, mayRelay }: KeptAccount): Identity {
  return { kind: 'identity', user: name, account: id, mayRelay }
}

export type ConfiguredAccounts = AccountsApi & {
  /** By name or address, with the password hash. */
  find(login: string): KeptAccount | undefined
}

/** Throws for the first name, id or address of two accounts. */
export function createDirectory(accounts: readonly KeptAccount[], separator: string): ConfiguredAccounts {
  const ids = new Map<string, KeptAccount>()
  const names = new Map<string, KeptAccount>()
  const addresses = new Map<string, KeptAccount>()
  for (const account of accounts) {
    add(ids, account.id, account)
    add(names, account.name.toLowerCase(), account)
    for (const address of account.addresses) {
      const read = readAddress(address)
      if (!read) throw new Error(`${address} is no address`)
      add(addresses, `${read.local}@${read.domain}`, account)
    }
  }

  function find(address: string) {
    const read = readAddress(address)
    if (!read) return undefined
    const { local, domain } = read
    const exact = addresses.get(`${local}@${domain}`)
    if (exact) return { account: exact }
    const at = separator === '' ? -1 : local.indexOf(separator)
    const account = at > 0 ? addresses.get(`${local.slice(0, at)}@${domain}`) : undefined
    // Keeps the sender's case of the detail, which may name a mailbox.
    return account && { account, detail: detailOf(address, separator) }
  }

  /** Permission for one address of an account covers the others. */
  function isGiven({ sendAs }: KeptAccount, address: string): boolean {
    const read = readAddress(address)
    if (!read) return false
    const owner = find(address)?.account
    return sendAs.some((given) => {
      const allowed = readAddress(given)
      if (given === '*' || (owner && find(given)?.account === owner)) return true
      return allowed?.domain === read.domain && (allowed.local === '*' || allowed.local === read.local)
    })
  }

  const byLogin = (login: string): KeptAccount | undefined =>
    names.get(login.normalize('NFC').toLowerCase()) ?? find(login)?.account

  return {
    find: byLogin,
    byLogin: async (login) => plain(byLogin(login)),
    maySendAs: async (id, address) => {
      const account = ids.get(id)
      return account !== undefined && (find(address)?.account === account || isGiven(account, address))
    },
    async identify(login) {
      const account = byLogin(login)
      return account && identityOf(account)
    },
    byId: async (id) => plain(ids.get(id)),
    byName: async (name) => plain(names.get(name.normalize('NFC').toLowerCase())),
    async byAddress(address) {
      const found = find(address)
      return found && { ...found, account: plain(found.account) as Account }
    },
    async *list() {
      for (const account of accounts) yield plain(account) as Account
    },
    groupsOf: async (id) => ids.get(id)?.groups ?? [],
  }
}

function add(map: Map<string, KeptAccount>, name: string, account: KeptAccount): void {
  if (map.has(name)) throw new Error(`two accounts have ${name}`)
  map.set(name, account)
}

/** An account as other plugins see it, without its password. */
function plain(kept: KeptAccount | undefined): Account | undefined {
  if (!kept) return undefined
  const { password, groups, sendAs, mayRelay, ...account } = kept
  return account
}
