/**
 * Limits of accounts, and notification of plugins about usage.
 */
import type { SetupContext } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { AccountLimits, UsageChange } from './api.ts'

/** Returns an account's quota after all plugins have set it. Throws when one of them fails. */
export function createLimitsOf(ctx: Pick<SetupContext, 'call'>, accounts: AccountsApi) {
  return async function limitsOf(account: string): Promise<AccountLimits> {
    const quota = (await accounts.byId(account))?.quota ?? null
    const limits: AccountLimits = { account, octets: quota, messages: null }
    return (await ctx.call('mailstore:limits', limits)) ?? limits
  }
}

export function createTellUsage({ call, log }: Pick<SetupContext, 'call' | 'log'>) {
  return function tellUsage(change: UsageChange): void {
    const { before, after } = change
    if (before.octets === after.octets && before.messages === after.messages) return
    call('mailstore:usage', change).catch((cause: unknown) => log.error('a plugin failed', { cause }))
  }
}
