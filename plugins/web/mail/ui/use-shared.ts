/** The stores of other people's mailboxes, loaded after the account's own. */
import { useCallback, useEffect, useRef, useState } from 'react'
import type { MailStore } from '../store/mail-store.ts'

export function useShared(home: MailStore): { readonly shared: readonly MailStore[]; refresh(): void } {
  const [shared, setShared] = useState<readonly MailStore[]>([])
  const known = useRef(shared)
  const refresh = useCallback(() => {
    const load = async () => {
      const { openShared } = await import('../store/shared.ts')
      known.current = await openShared(home, known.current)
      setShared(known.current)
    }
    // The account's own mail does not need them.
    load().catch(() => undefined)
  }, [home])
  useEffect(refresh, [refresh])
  return { shared, refresh }
}
