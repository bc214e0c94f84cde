/**
 * Checks the limits of accounts, their mailboxes and pools.
 */
import type { Change } from './account-transactions.ts'
import type { AccountLimits, Usage, UsageLimits } from './api.ts'
import { NOTHING } from './pools.ts'

export type Limits = Omit<AccountLimits, 'account'>

/** Whether usage with something more is beyond the limits. */
export function isOver(usage: Usage, limits: UsageLimits, more: Usage = NOTHING): boolean {
  return (
    (limits.octets !== null && usage.octets + more.octets > limits.octets + (limits.grace ?? 0)) ||
    (limits.messages !== null && usage.messages + more.messages > limits.messages)
  )
}

/** Whether something is larger than the whole account may be. */
export const neverFits = ({ octets, grace = 0 }: UsageLimits, size: number): boolean =>
  octets !== null && size > octets + grace

/** The account counts to these pools from now on. */
export async function joinPools(change: Change, { pools = [] }: Pick<Limits, 'pools'>): Promise<void> {
  const account = await change.account()
  const names = [...new Set(pools.map(({ name }) => name))].sort()
  if (names.join('\n') !== (account.pools ?? []).join('\n')) change.setAccount({ ...account, pools: names })
}

/** Whether an account and its pools have room for something more. */
export async function hasRoom(change: Change, limits: Limits, more: Usage = NOTHING): Promise<boolean> {
  if (isOver(await change.account(), limits, more)) return false
  await joinPools(change, limits)
  for (const pool of limits.pools ?? []) if (isOver(await change.poolUsage(pool.name), pool, more)) return false
  return true
}

/** Whether a mailbox has room for something more. */
export function mailboxHasRoom(
  { name, size, messages }: { readonly name: string; readonly size: number; readonly messages: number },
  { mailboxes }: Limits,
  more: Usage = NOTHING,
): boolean {
  const limits = mailboxes && Object.hasOwn(mailboxes, name) ? mailboxes[name] : undefined
  return !limits || !isOver({ octets: size, messages }, limits, more)
}
