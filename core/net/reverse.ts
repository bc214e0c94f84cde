/**
 * The confirmed host name of an address (FCrDNS, RFC 8601 section 2.7.3): one that resolves back to it.
 */
import { isIPv4 } from 'node:net'
import { plainAddress, reversed } from './addresses.ts'
import type { Dns } from './dns.ts'

export type HostName =
  | { readonly kind: 'confirmed'; readonly name: string }
  /** `false`: no name resolves back. `absent`: there is no name. `unavailable`: the DNS could not be queried. */
  | { readonly kind: 'false' | 'absent' | 'unavailable' }

/** Maximum names of an address that are checked. */
const MAX_NAMES = 5
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_-]{1,63})+$/

/** Sends two queries in sequence. Never rejects. Names are in lower case and have at least two labels. */
export async function hostNameOf(dns: Dns, address: string): Promise<HostName> {
  const plain = plainAddress(address)
  const question = reversed(plain)
  if (question === undefined) return { kind: 'unavailable' }
  const pointers = await dns.ask(`${question}.${isIPv4(plain) ? 'in-addr' : 'ip6'}.arpa`, 'PTR')
  if (pointers.kind !== 'found') return { kind: pointers.kind }
  const names = pointers.records
    .slice(0, MAX_NAMES)
    .map((name) => name.replace(/\.$/, '').toLowerCase())
    .filter((name) => HOST_NAME.test(name))
  const forward = await Promise.all(names.map((name) => dns.ask(name, isIPv4(plain) ? 'A' : 'AAAA')))
  const confirmed = forward.findIndex(
    (answer) => answer.kind === 'found' && answer.records.some((one) => reversed(plainAddress(one)) === question),
  )
  if (confirmed >= 0) return { kind: 'confirmed', name: names[confirmed] as string }
  return { kind: forward.some(({ kind }) => kind === 'unavailable') ? 'unavailable' : 'false' }
}
