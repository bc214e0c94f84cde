/**
 * The accounts of this server as an address book.
 *
 * Invariant: it is read, never changed, by JMAP; its state follows the directory, where there is one.
 */
import type { Account, AccountsApi } from '../../../directory/static/api.ts'
import type { DirectoryApi } from '../../../directory/store/api.ts'
import type { Card } from './model.ts'

export const DIRECTORY_BOOK = 'directory'
const PREFIX = 'D'
const MAX_CARDS = 10_000

export class DirectoryBook {
  readonly #accounts: AccountsApi
  readonly #directory: DirectoryApi | undefined

  constructor(accounts: AccountsApi, directory: DirectoryApi | undefined) {
    this.#accounts = accounts
    this.#directory = directory
  }

  /** Changes with every change of the directory; letters and digits. */
  async state(): Promise<string> {
    const cursor = (await this.#directory?.feed())?.cursor ?? ''
    return Buffer.from(cursor).toString('base64url').slice(-60)
  }

  async get(id: string): Promise<Card | undefined> {
    const account = id.startsWith(PREFIX) ? await this.#accounts.byId(id.slice(PREFIX.length)) : undefined
    return account && cardOf(account)
  }

  /** The accounts, up to a limit. */
  async *all(): AsyncGenerator<readonly [string, Card]> {
    let left = MAX_CARDS
    for await (const account of this.#accounts.list()) {
      if (left-- <= 0) return
      yield [PREFIX + account.id, cardOf(account)]
    }
  }

  owns(id: string): boolean {
    return id.startsWith(PREFIX)
  }
}

function cardOf({ id, name, displayName, addresses }: Account): Card {
  return {
    '@type': 'Card',
    version: '1.0',
    uid: `urn:iems:account:${id}`,
    kind: 'individual',
    addressBookIds: { [DIRECTORY_BOOK]: true },
    name: { full: displayName ?? name },
    emails: Object.fromEntries(addresses.map((address, index) => [`e${index}`, { address }])),
  }
}
