/**
 * The limits of an account: those set by an administrator, its quota in the directory, its class, the default; and
 * those of its pools.
 *
 * Invariants: when the directory is unavailable no limits are reported, and the change is retried.
 */
import type { Store } from 'iems'
import type { Account, AccountsApi } from '../../directory/static/api.ts'
import type { AccountLimits, PoolLimits, UsageLimits } from '../store/api.ts'
import type { Options } from './options.ts'
import { type Kind, type LimitRecord, limitKey, overKey, read } from './records.ts'

export const TOTAL = 'total'
export const poolOf = (domain: string): string => `domain:${domain}`

/** The domain of the first address, in lower case; empty for an account without one. */
export function domainOf({ addresses: [first = ''] }: Pick<Account, 'addresses'>): string {
  return first.slice(first.lastIndexOf('@') + 1).toLowerCase()
}

export interface LimitsDeps {
  readonly store: Store
  readonly accounts: AccountsApi
  readonly options: Options
  now(): number
}

const limitsIn = ({ octets = null, messages = null }: LimitRecord): UsageLimits => ({ octets, messages })
const hasLimit = ({ octets, messages }: UsageLimits) => octets !== null || messages !== null
/** The first that says something, for each of the two. */
const firstOf = (records: readonly (LimitRecord | undefined)[]): UsageLimits =>
  limitsIn({
    octets: records.find((one) => one?.octets !== undefined)?.octets,
    messages: records.find((one) => one?.messages !== undefined)?.messages,
  })

export type QuotaLimits = ReturnType<typeof createQuotaLimits>

export function createQuotaLimits({ store, accounts, options, now }: LimitsDeps) {
  const grace = options.grace.octets
  const record = (kind: Kind, name: string) => read<LimitRecord>(store, limitKey(kind, name))

  async function classOf(account: string): Promise<LimitRecord | undefined> {
    if (options.classes.length === 0) return undefined
    const groups = await accounts.groupsOf(account)
    return options.classes.find(({ group }) => groups.includes(group))
  }

  async function poolLimits(kind: 'domain' | 'total', name: string): Promise<UsageLimits> {
    const configured = kind === 'total' ? options.total : options.domains[name]
    return firstOf([await record(kind, name), configured])
  }

  async function poolsOf(account: Account): Promise<readonly PoolLimits[]> {
    const domain = domainOf(account)
    const [ofDomain, total] = await Promise.all([poolLimits('domain', domain), poolLimits('total', '')])
    return [
      ...(hasLimit(ofDomain) ? [{ name: poolOf(domain), ...ofDomain, grace }] : []),
      ...(hasLimit(total) ? [{ name: TOTAL, ...total, grace }] : []),
    ]
  }

  /** Whether the account has been above its limit for longer than the time of grace. */
  async function isGraceOver(account: string): Promise<boolean> {
    const since = await read<number>(store, overKey(account))
    return since !== undefined && since + options.grace.time <= now()
  }

  async function limitsOf(given: AccountLimits): Promise<AccountLimits> {
    const account = await accounts.byId(given.account)
    if (!account) return given
    const ofClass = await classOf(account.id)
    const directory: LimitRecord = given.octets === null ? {} : { octets: given.octets }
    const records = [await record('account', account.id), directory, ofClass, options.default]
    const maxMailboxes = records.find((one) => one?.mailboxes !== undefined)?.mailboxes ?? undefined
    return {
      ...given,
      ...firstOf(records),
      ...(maxMailboxes === undefined ? {} : { maxMailboxes }),
      ...(grace > 0 && !(await isGraceOver(account.id)) ? { grace } : {}),
      pools: await poolsOf(account),
      mailboxes: Object.fromEntries(Object.entries(options.mailboxes).map(([name, one]) => [name, limitsIn(one)])),
      isRefusing: options.whenFull === 'refuse',
    }
  }

  return { limitsOf, poolLimits, poolsOf }
}
