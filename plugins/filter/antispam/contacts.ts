/**
 * The addresses with which an account has exchanged mail, to mark first contacts. A domain has contacts too: the
 * addresses that its accounts have written to.
 *
 * Invariants: an address is stored as a hash; an account or domain has at most 65,536 records, because a hash has a
 * fixed slot and replaces the record there; a record expires 400 days after the address last appeared.
 */
import { createHash } from 'node:crypto'
import { decodeRecord, encodeRecord, key, type ReadableMessage, type Store } from 'iems'
import { expiring } from './expiry.ts'

const DAY_MS = 86_400_000
const KEEP_MS = 400 * DAY_MS
/** Age at which a record is written again. */
const RENEW_MS = 30 * DAY_MS
/** Maximum recipients of one message that are recorded. */
const MAX_RECIPIENTS = 100

interface Contact {
  readonly sender: string
  readonly at: number
}

const placeOf = (owner: string, hash: Buffer) => key('contact', owner, hash.readUInt16BE(0))
const hashOf = (address: string) => createHash('sha256').update(address).digest()

export class Contacts {
  readonly #store: Store
  readonly #now: () => number

  constructor(store: Store, now: () => number) {
    this.#store = store
    this.#now = now
  }

  /** The accounts, with addresses in these domains, for which the author is new. */
  async newTo(author: string, accounts: readonly string[], domains: readonly string[]): Promise<readonly string[]> {
    const hash = hashOf(author)
    const isKnownTo = async (owner: string) => (await this.#read(owner, hash)) !== undefined
    const ofDomains = await Promise.all(domains.map((domain) => isKnownTo(domainOwner(domain))))
    if (ofDomains.includes(true)) return []
    const ofAccounts = await Promise.all(accounts.map(isKnownTo))
    return accounts.filter((_, index) => !ofAccounts[index])
  }

  async remember(address: string, owners: readonly string[]): Promise<void> {
    const hash = hashOf(address)
    for (const owner of owners) {
      const known = await this.#read(owner, hash)
      if (known && this.#now() - known.at < RENEW_MS) continue
      const contact: Contact = { sender: hash.toString('base64url'), at: this.#now() }
      await this.#store.commit(expiring(placeOf(owner, hash), encodeRecord(contact), KEEP_MS))
    }
  }

  /** Records the recipients of a message that an account has sent. */
  async sent({ session: { identity }, from, recipients }: ReadableMessage): Promise<void> {
    if (identity?.account === undefined) return
    const owners = [identity.account, ...(from === '' ? [] : [domainOwner(domainIn(from))])]
    for (const { original } of recipients.slice(0, MAX_RECIPIENTS)) await this.remember(original.toLowerCase(), owners)
  }

  async #read(owner: string, hash: Buffer): Promise<Contact | undefined> {
    const value = await this.#store.get(placeOf(owner, hash))
    const contact = value && decodeRecord<Contact>(value)
    return contact?.sender === hash.toString('base64url') ? contact : undefined
  }
}

export const domainIn = (address: string) => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

/** No account can have this name. */
const domainOwner = (domain: string) => `@${domain}`
