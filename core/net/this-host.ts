/**
 * "This host": every address by which a connection would come back to this machine.
 */
import { networkInterfaces } from 'node:os'
import { isLoopback, plainAddress, reversed } from './addresses.ts'

/**
 * Whether an address is unspecified, loopback, or one of an interface of this machine, in any spelling, mapped forms
 * included. Interfaces are read each time, so that a change is seen.
 */
export function isThisHost(address: string): boolean {
  if (isLoopback(address)) return true
  const wanted = reversed(plainAddress(address))
  if (wanted === undefined) return false
  return Object.values(networkInterfaces()).some((own) =>
    own?.some((one) => reversed(plainAddress(one.address)) === wanted),
  )
}
