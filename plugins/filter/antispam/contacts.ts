/**
 * Which senders an account has had mail from before, so that a first contact can be shown as one.
 *
 * Invariants: a sender is kept as a hash; an account has at most 65,536 records, since a hash has one place among so
 * many and displaces what stands there; a record expires 400 days after the sender was last heard from.
 */
import { createHash } from 'node:crypto'
import { key, type Store } from 'iems'
import { expiring } from './expiry.ts'

const DAY_MS = 86_400_000
const KEEP_MS = 400 * DAY_MS
/** A record is written again when it is older than this. */
const RENEW_MS = 30 * DAY_MS

interface Contact {
  readonly sender: string
  readonly at: number
}

export type Contacts = ReturnType<typeof createContacts>

export function createContacts(store: Store, now: () => number) {
  const placeOf = (account: string, hash: Buffer) => key('contact', account, hash.readUInt16BE(0))
  const hashOf = (sender: string) => createHash('sha256').update(sender).digest()

  async function read(account: string, hash: Buffer): Promise<Contact | undefined> {
    const value = await store.get(placeOf(account, hash))
    const contact = value && (JSON.parse(Buffer.from(value).toString()) as Contact)
    return contact?.sender === hash.toString('base64url') ? contact : undefined
  }

  return {
    /** The accounts that have had no mail from this address. */
    async newTo(sender: string, accounts: readonly string[]): Promise<readonly string[]> {
      const hash = hashOf(sender)
      const known = await Promise.all(accounts.map((account) => read(account, hash)))
      return accounts.filter((_, index) => known[index] === undefined)
    },
    async remember(sender: string, accounts: readonly string[]): Promise<void> {
      const hash = hashOf(sender)
      for (const account of accounts) {
        const known = await read(account, hash)
        if (known && now() - known.at < RENEW_MS) continue
        const contact: Contact = { sender: hash.toString('base64url'), at: now() }
        await store.commit(expiring(placeOf(account, hash), Buffer.from(JSON.stringify(contact)), KEEP_MS))
      }
    },
  }
}
