/**
 * Records accounts' last logins, for the list of idle ones; written once a minute.
 *
 * Invariants: memory holds a bounded number of logins, and a login never waits for this.
 */
import type { KernelEvent, Store } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
import { encode, read, seenKey } from './records.ts'

const MAX_WAITING = 100_000
export const FLUSH_MS = 60_000
/** A later login is written only when it is so much later. */
const STEP_MS = 3_600_000

export function createActivity(store: Store, accounts: AccountsApi) {
  const waiting = new Map<string, number>()

  return {
    note({ name, user, at }: KernelEvent): void {
      if (name !== 'session.authenticated' || typeof user !== 'string') return
      if (waiting.has(user) || waiting.size < MAX_WAITING) waiting.set(user, at)
    },
    async flush(): Promise<void> {
      const now = [...waiting]
      waiting.clear()
      for (const [user, at] of now) {
        const account = await accounts.byLogin(user)
        if (!account) continue
        const last = await read<number>(store, seenKey(account.id))
        if (last === undefined || at - last > STEP_MS)
          await store.commit([{ put: seenKey(account.id), value: encode(at) }], [])
      }
    },
  }
}
