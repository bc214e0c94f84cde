/**
 * State changes for listening clients (RFC 8620 section 7): a hint for each account whose objects have changed, at most
 * every 50 ms.
 *
 * Invariants: a push says that something changed, never what; a client that missed one finds the same through the
 * states, which each new listener gets at once.
 */
import type { Clock } from 'iems'

export interface StateChange {
  readonly '@type': 'StateChange'
  readonly changed: Readonly<Record<string, Readonly<Record<string, string>>>>
}

export interface PushDeps {
  readonly clock: Clock
  /** Calls at every change of an account; answers how to stop. */
  watch(account: string, changed: () => void): () => void
  states(account: string, types: readonly string[]): Promise<Readonly<Record<string, string>>>
}

const GATHER_MS = 50

export interface Listening {
  readonly accounts: readonly string[]
  readonly types: readonly string[]
  send(change: StateChange): void
}

/** Sends the states now and whenever they change; the answer stops. */
export function listen(deps: PushDeps, { accounts, types, send }: Listening): () => void {
  const known = new Map<string, string>()
  const waiting = new Set<string>()
  let cancel: (() => void) | undefined
  let isStopped = false

  async function tell(): Promise<void> {
    cancel = undefined
    const changed: Record<string, Record<string, string>> = {}
    for (const account of [...waiting]) {
      waiting.delete(account)
      const states = await deps.states(account, types)
      for (const [type, state] of Object.entries(states)) {
        if (known.get(`${account} ${type}`) === state) continue
        known.set(`${account} ${type}`, state)
        changed[account] = { ...changed[account], [type]: state }
      }
    }
    if (!isStopped && Object.keys(changed).length > 0) send({ '@type': 'StateChange', changed })
  }

  const stops = accounts.map((account) => {
    const look = () => {
      waiting.add(account)
      // A look that fails is made again with the next change.
      cancel ??= deps.clock.after(GATHER_MS, () => void tell().catch(() => waiting.add(account)))
    }
    look()
    return deps.watch(account, look)
  })
  return () => {
    isStopped = true
    cancel?.()
    for (const stop of stops) stop()
  }
}
