/**
 * How many connections there are, in all and from each address.
 */
export interface Admission {
  /** Counts a connection from an address; says which limit is reached instead when one is. */
  enter(address: string): 'ok' | 'all' | 'address'
  leave(address: string): void
}

export function createAdmission(limits: {
  readonly connections: number
  readonly connectionsPerAddress: number
}): Admission {
  const counts = new Map<string, number>()
  let all = 0
  return {
    enter(address) {
      const count = counts.get(address) ?? 0
      if (all >= limits.connections) return 'all'
      if (count >= limits.connectionsPerAddress) return 'address'
      all++
      counts.set(address, count + 1)
      return 'ok'
    },
    leave(address) {
      const count = counts.get(address) ?? 0
      all--
      if (count > 1) counts.set(address, count - 1)
      else counts.delete(address)
    },
  }
}
