/**
 * What a kernel counts in memory and must not forget when a reload replaces it: failed logins, connections of an
 * address, rate limits, next hops that do not answer. The server owns it and lends it to each kernel.
 *
 * Invariants: during a reload both kernels count in the same place, so no limit counts twice; each state bounds itself;
 * it ends with the process, and each server that shares a store has its own.
 */
export interface Lasting {
  /** The state of that name; made when it is first asked for. */
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
