/**
 * Counts messages and recipients, and defers senders that exceed their rules.
 *
 * Invariants: a limit replies 450, never 5xx; trusted clients and local submissions are not counted.
 */
import { defer, type Refusal, type Session } from 'iems'
import { networkOf, plainAddress } from '../dns/names.ts'
import { domainOf } from '../envelope/sender.ts'
import type { createBuckets } from './buckets.ts'
import type { LimitOptions } from './options.ts'

type Kind = 'messages' | 'recipients'

export function createLimits(rules: readonly LimitOptions[], buckets: ReturnType<typeof createBuckets>) {
  function keyOf(per: LimitOptions['per'], { remote, identity }: Session, from: string): string | undefined {
    if (identity) return per === 'account' ? (identity.account ?? identity.user) : undefined
    const address = plainAddress(remote.address)
    switch (per) {
      case 'client':
        return networkOf(address, { ipv4: 32, ipv6: 64 })
      case 'network':
        return networkOf(address, { ipv4: 24, ipv6: 48 })
      case 'sender':
        return from === '' ? undefined : from.toLowerCase()
      case 'domain':
        return domainOf(from)
      default:
        return undefined
    }
  }

  /** The refusal beyond the limit. */
  return function count(kind: Kind, session: Session, from: string): Refusal | undefined {
    if (session.trusted && !session.identity) return undefined
    for (const { per, [kind]: rate } of rules) {
      const key = rate && keyOf(per, session, from)
      if (rate && key !== undefined && !buckets.take(`${per} ${kind} ${rate.count} ${rate.ms} ${key}`, rate))
        return defer(450, '4.7.1', `Too many ${kind} from this ${per}, try again later`)
    }
    return undefined
  }
}
