/**
 * How much of a message is checked, by its client, and which clients are never refused.
 */
import { isIP } from 'node:net'
import { inNetworks, type Session } from 'iems'
import type { Options } from './options.ts'

export type Extent = 'everything' | 'content' | 'nothing'

export interface Exempt {
  of(session: Session): Extent
  isRecipient(address: string): boolean
}

export function createExempt({ clients, recipients, authenticated, trusted }: Options['exempt']): Exempt {
  const isExempt = inNetworks(clients)
  const names = new Set(recipients.map((name) => name.toLowerCase()))
  return {
    of({ brings, protocol, remote, identity, trusted: isTrusted }) {
      // Local submissions have no client.
      if (brings !== 'mail' || protocol === 'LOCAL' || isIP(remote.address) === 0) return 'nothing'
      if (isExempt(remote.address)) return 'nothing'
      if (identity) return authenticated === 'content' ? 'content' : 'nothing'
      if (isTrusted) return trusted
      return 'everything'
    },
    isRecipient(address) {
      const whole = address.toLowerCase()
      return names.has(whole) || names.has(whole.slice(0, Math.max(0, whole.lastIndexOf('@'))))
    },
  }
}
