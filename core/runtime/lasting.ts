/**
 * State that a kernel keeps in memory and that must survive a reload: failed logins, connections per address, rate
 * limits, backoff. The server owns it and lends it to each kernel.
 *
 * Invariants: during a reload both kernels share the state, so no limit counts twice; each state bounds itself; it ends
 * with the process and is not shared between servers.
 */
export interface Lasting {
  /** The state with that name, created on first use. */
  of<T extends object>(name: string, make: () => T): T
}

export function createLasting(): Lasting {
  const states = new Map<string, object>()
  return {
    of<T extends object>(name: string, make: () => T): T {
      const known = states.get(name) as T | undefined
      const state = known ?? make()
      if (!known) states.set(name, state)
      return state
    },
  }
}
