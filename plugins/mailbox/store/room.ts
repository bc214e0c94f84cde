/**
 * Checks at RCPT whether the mailboxes of a recipient have space for a message.
 *
 * Invariants: a recipient is refused only when no mailbox behind the address has space; the refusal is permanent only
 * when the announced size exceeds each whole quota, or the limits say so. If a mailbox fills up meanwhile, the delivery
 * waits.
 */
import { defer, type Handler, type Recipient, type Refusal, refuse } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { Usage } from './api.ts'
import { isOver, type Limits, neverFits } from './limits.ts'

export const MAILBOX_FULL = defer(452, '4.2.2', 'The mailbox is full')
export const REFUSED_AS_FULL = refuse(552, '5.2.2', 'The mailbox is full')
/** RFC 3463 section 3.3: the limit is the mailbox's, below that of the server. */
export const NEVER_FITS = refuse(552, '5.2.3', 'The message is larger than the mailbox may be')

export interface RoomDeps {
  /** The name of this channel. */
  readonly channel: string
  readonly accounts: AccountsApi
  usage(account: string): Promise<Usage>
  limitsOf(account: string): Promise<Limits>
  poolUsage(pool: string): Promise<Usage>
}

export function createRoom({ channel, accounts, usage, limitsOf, poolUsage }: RoomDeps): Handler<'rcpt'> {
  async function isFull(account: string, limits: Limits, octets: number): Promise<boolean> {
    const more = { octets, messages: 1 }
    if (isOver(await usage(account), limits, more)) return true
    for (const pool of limits.pools ?? []) if (isOver(await poolUsage(pool.name), pool, more)) return true
    return false
  }

  async function refusalFor({ address }: Recipient, size: number): Promise<Refusal | undefined> {
    const account = (await accounts.byAddress(address))?.account
    if (!account) return undefined
    const limits = await limitsOf(account.id)
    if (neverFits(limits, size)) return NEVER_FITS
    if (!(await isFull(account.id, limits, size))) return undefined
    return limits.isRefusing ? REFUSED_AS_FULL : MAILBOX_FULL
  }

  return async ({ session, parameters, routed }) => {
    // Local submissions have no client that retries: they wait in the queue.
    if (session.protocol === 'LOCAL') return undefined
    // A message without an announced size has at least one octet.
    const size = parameters.size || 1
    let refusal: Refusal | undefined
    for (const { recipient, route } of routed) {
      const one = route.channel === channel ? await refusalFor(recipient, size) : undefined
      if (!one) return undefined
      if (refusal !== MAILBOX_FULL) refusal = one
    }
    return refusal
  }
}
