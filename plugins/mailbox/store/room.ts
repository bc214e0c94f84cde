/**
 * Whether a message can have room in the mailboxes that a recipient comes to, asked at RCPT.
 *
 * What must stay true: a recipient is refused only when no one behind the address has room; the refusal is permanent
 * only when the announced size is larger than each whole quota. What comes into a mailbox meanwhile is the delivery's
 * business, which waits.
 */
import { defer, type Handler, type Recipient, type Refusal, refuse } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { Usage } from './api.ts'
import { isOver, type Limits, neverFits } from './limits.ts'

export const MAILBOX_FULL = defer(452, '4.2.2', 'The mailbox is full')
/** RFC 3463 section 3.3: the limit is the mailbox's, below that of the server. */
export const NEVER_FITS = refuse(552, '5.2.3', 'The message is larger than the mailbox may be')

export interface RoomDeps {
  /** The name of this channel. */
  readonly channel: string
  readonly accounts: AccountsApi
  usage(account: string): Promise<Usage>
  limitsOf(account: string): Promise<Limits>
}

export function createRoom({ channel, accounts, usage, limitsOf }: RoomDeps): Handler<'rcpt'> {
  async function refusalFor({ address }: Recipient, size: number): Promise<Refusal | undefined> {
    const account = (await accounts.byAddress(address))?.account
    if (!account) return undefined
    const limits = await limitsOf(account.id)
    if (neverFits(limits, size)) return NEVER_FITS
    return isOver(await usage(account.id), limits, { octets: size, messages: 1 }) ? MAILBOX_FULL : undefined
  }

  return async ({ session, parameters, routed }) => {
    // What the server itself hands in has no client that tries again: it waits in the queue.
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
