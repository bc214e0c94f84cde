/**
 * Annotations of mailboxes and accounts (RFC 5464).
 *
 * Invariants: private annotations are visible only to their owner; their size is bounded.
 */
import type { Store } from 'iems'
import type { ChangeAccount } from './account-transactions.ts'
import type { MetadataPlace, Or } from './api.ts'
import { refused } from './mailbox.ts'
import { decode, metadataKey } from './records.ts'

type Values = Readonly<Record<string, string>>

/** Annotations of one place, and characters of one of them. */
const MOST = 100
const LENGTH = 65_536

export function createMetadata({
  store,
  changeAccount,
}: {
  readonly store: Store
  readonly changeAccount: ChangeAccount
}) {
  const keysOf = ({ account, mailbox = '', who }: MetadataPlace) => ({
    shared: metadataKey(account, mailbox, ''),
    private: metadataKey(account, mailbox, who),
  })

  return {
    async metadata(place: MetadataPlace): Promise<Values> {
      const keys = keysOf(place)
      const [shared, own] = await Promise.all([store.get(keys.shared), store.get(keys.private)])
      return { ...(shared ? decode<Values>(shared) : {}), ...(own ? decode<Values>(own) : {}) }
    },

    setMetadata(place: MetadataPlace, values: Readonly<Record<string, string | null>>): Or<null> {
      const keys = keysOf(place)
      return changeAccount(place.account, async (change) => {
        for (const kind of ['shared', 'private'] as const) {
          const given = Object.entries(values).filter(([name]) => name.startsWith('/private/') === (kind === 'private'))
          if (given.length === 0) continue
          const before = (await change.get<Values>(keys[kind])) ?? {}
          const next = { ...before, ...Object.fromEntries(given) }
          const kept = Object.entries(next).filter((entry): entry is [string, string] => entry[1] !== null)
          if (kept.length > MOST) return refused('LIMIT', 'There are too many annotations')
          if (kept.some(([, value]) => value.length > LENGTH)) return refused('TOOBIG', 'The annotation is too long')
          change.put(keys[kind], Object.fromEntries(kept))
        }
        return null
      })
    },
  }
}
