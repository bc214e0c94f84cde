/**
 * The accounts of the configuration, found by id, name and address.
 *
 * What must stay true: two accounts never share an id, a name or an address; a name that is somebody's address is his.
 */
import type { Identity } from 'iems'
import { readAddress } from './addresses.ts'
import type { Account, AccountsApi } from './api.ts'

export interface KeptAccount extends Account {
  readonly password?: string
  readonly groups: readonly string[]
  readonly mayRelay: boolean
}

export function identityOf({ id, name, mayRelay }: KeptAccount): Identity {
  return { kind: 'identity', user: name, account: id, mayRelay }
}

export type ConfiguredAccounts = AccountsApi & {
  /** By what somebody logs in with: a name, or one of his addresses. */
  byLogin(login: string): KeptAccount | undefined
}

/** Throws with the first name, id or address that two accounts have. */
export function createDirectory(accounts: readonly KeptAccount[], separator: string): ConfiguredAccounts {
  const ids = new Map<string, KeptAccount>()
  const names = new Map<string, KeptAccount>()
  const addresses = new Map<string, KeptAccount>()
  const add = (map: Map<string, KeptAccount>, name: string, account: KeptAccount) => {
    if (map.has(name)) throw new Error(`two accounts have ${name}`)
    map.set(name, account)
  }
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
    // The case of the detail is the sender's: it may name a folder.
    return account && { account, detail: detailOf(address, separator) }
  }

  const byLogin = (login: string) => names.get(login.normalize('NFC').toLowerCase()) ?? find(login)?.account

  return {
    byLogin,
    async identify(login) {
      const account = byLogin(login)
      return account && identityOf(account)
    },
    byId: async (id) => ids.get(id),
    byName: async (name) => names.get(name.toLowerCase()),
    byAddress: async (address) => find(address),
    async *list() {
      yield* accounts
    },
    groupsOf: async (id) => ids.get(id)?.groups ?? [],
  }
}

function detailOf(address: string, separator: string): string {
  const local = address.slice(0, address.lastIndexOf('@')).replace(/^"|"$/g, '')
  return local.slice(local.indexOf(separator) + separator.length).normalize('NFC')
}
