/**
 * The client: whether a name stands for its address that leads back to it (forward-confirmed reverse DNS).
 */
import { isIPv4 } from 'node:net'
import type { Dns } from '../dns/dns.ts'
import { isHostName, isInternal, plainAddress, reversed } from '../dns/names.ts'

export type Name =
  | { readonly kind: 'confirmed'; readonly name: string }
  | { readonly kind: 'false' | 'absent' | 'unclear' }

/** Names of one address that are looked at. */
const MOST = 5

export async function nameOf(dns: Dns, address: string): Promise<Name> {
  const question = reversed(address)
  if (question === undefined || isInternal(address)) return { kind: 'unclear' }
  const pointers = await dns.ask(`${question}.${isIPv4(address) ? 'in-addr' : 'ip6'}.arpa`, 'PTR')
  if (pointers.kind !== 'found') return pointers
  const names = pointers.records
    .slice(0, MOST)
    .map((name) => `${name}`.replace(/\.$/, ''))
    .filter(isHostName)
  const forward = await Promise.all(names.map((name) => dns.ask(name, isIPv4(address) ? 'A' : 'AAAA')))
  const confirmed = forward.findIndex(
    (answer) => answer.kind === 'found' && answer.records.some((one) => reversed(plainAddress(`${one}`)) === question),
  )
  if (confirmed >= 0) return { kind: 'confirmed', name: (names[confirmed] as string).toLowerCase() }
  return { kind: forward.some(({ kind }) => kind === 'unclear') ? 'unclear' : 'false' }
}
