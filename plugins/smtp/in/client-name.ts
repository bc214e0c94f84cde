/**
 * The name of a client: its reverse DNS name, confirmed by a forward lookup.
 *
 * Invariants: "no name" and "lookup failed" are different results.
 */
import { type Clock, type Dns, hostNameOf, isLoopback } from 'iems'

/** Undefined when no lookup is needed. The promise never rejects: null is "no name", undefined is "unknown". */
export type NameOf = (address: string) => Promise<string | null | undefined> | undefined

export function createNameOf(dns: Dns, timeoutMs: number): NameOf {
  return (address) => (timeoutMs === 0 || isLoopback(address) ? undefined : lookUp(dns, address))
}

async function lookUp(dns: Dns, address: string): Promise<string | null | undefined> {
  const found = await hostNameOf(dns, address)
  if (found.kind === 'unavailable') return undefined
  return found.kind === 'confirmed' ? found.name : null
}

/**
 * Looks up a client's name and passes it to `learned`. Resolves when the name is known or the wait is over, and at once
 * for a client that need not wait; the name may arrive later.
 */
export async function learnName(
  given: { readonly nameOf: NameOf; readonly clock: Clock; readonly options: { readonly clientNameTimeout: number } },
  remote: { readonly address: string; readonly name?: string | null },
  isTrusted: boolean,
  learned: (name: string | null) => void,
): Promise<void> {
  const asked = remote.name === undefined ? given.nameOf(remote.address) : undefined
  if (!asked) return
  const learnt = asked.then((name) => name !== undefined && learned(name))
  if (isTrusted) return
  let cancel = () => {}
  const late = new Promise<void>((resolve) => {
    cancel = given.clock.after(given.options.clientNameTimeout, resolve)
  })
  await Promise.race([learnt, late])
  cancel()
}
