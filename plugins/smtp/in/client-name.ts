/**
 * The name of a client: its reverse DNS, confirmed by the addresses of that name.
 *
 * What must stay true: "has none" and "could not be asked" stay two answers.
 */
import { type Dns, hostNameOf, isLoopback } from 'iems'

/** Undefined when nothing is to be asked. The promise never rejects: null is no name, undefined is not known. */
export type NameOf = (address: string) => Promise<string | null | undefined> | undefined

export function createNameOf(dns: Dns, timeoutMs: number): NameOf {
  return (address) => (timeoutMs === 0 || isLoopback(address) ? undefined : lookUp(dns, address))
}

async function lookUp(dns: Dns, address: string): Promise<string | null | undefined> {
  const found = await hostNameOf(dns, address)
  if (found.kind === 'unavailable') return undefined
  return found.kind === 'confirmed' ? found.name : null
}
