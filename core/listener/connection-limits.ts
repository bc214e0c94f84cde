/**
 * Counts connections, in total and per address, including those of the previous configuration.
 */
export interface ConnectionLimits {
  /** Counts a connection from an address, or returns the limit that it would exceed. */
  enter(address: string): 'ok' | 'all' | 'address'
  leave(address: string): void
}

export interface AdmissionLimits {
  readonly connections: number
  readonly connectionsPerAddress: number
}

/** The counts, which outlive a reload. */
export interface AdmissionState {
  readonly counts: Map<string, number>
  all: number
}

export const createAdmissionState = (): AdmissionState => ({ counts: new Map(), all: 0 })

export function createConnectionLimits(limits: AdmissionLimits, state: AdmissionState): ConnectionLimits {
  const { counts } = state
  return {
    enter(address) {
      const count = counts.get(address) ?? 0
      if (state.all >= limits.connections) return 'all'
      if (count >= limits.connectionsPerAddress) return 'address'
      state.all++
      counts.set(address, count + 1)
      return 'ok'
    },
    leave(address) {
      const count = counts.get(address) ?? 0
      state.all--
      if (count > 1) counts.set(address, count - 1)
      else counts.delete(address)
    },
  }
}
