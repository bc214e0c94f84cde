/**
 * The target of a quota command.
 */
import type { Account, AccountsApi } from '../../directory/static/api.ts'
import { TOTAL } from './limits.ts'
import type { Kind } from './records.ts'

export const WHO = 'An account, a domain as @example.org, or total. Default: every account.'

export interface Target {
  readonly kind: Kind
  readonly id: string
  readonly name: string
}

export function createTargets(accounts: AccountsApi) {
  async function accountOf(name: string): Promise<Account> {
    const found =
      (await accounts.byLogin(name)) ?? (await accounts.byAddress(name))?.account ?? (await accounts.byId(name))
    if (!found) throw new Error(`There is no account ${name}`)
    return found
  }

  return async function targetOf(name: string): Promise<Target> {
    if (name === TOTAL) return { kind: 'total', id: '', name }
    if (name.startsWith('@')) return { kind: 'domain', id: name.slice(1).toLowerCase(), name: name.toLowerCase() }
    const account = await accountOf(name)
    return { kind: 'account', id: account.id, name: account.name }
  }
}
