/**
 * Addresses through which a connection would reach this machine.
 */
import { networkInterfaces } from 'node:os'
import { isLoopback, plainAddress, reversed } from './addresses.ts'

/**
 * Whether an address is unspecified, loopback, or an interface address of this machine, in any spelling, including
 * mapped forms. Reads the interfaces each time, so that changes are seen.
 */
export function isThisHost(address: string): boolean {
  if (isLoopback(address)) return true
  const wanted = reversed(plainAddress(address))
  if (wanted === undefined) return false
  return Object.values(networkInterfaces()).some((own) =>
    own?.some((one) => reversed(plainAddress(one.address)) === wanted),
  )
}
