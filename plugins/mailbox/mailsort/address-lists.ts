/**
 * Lists that scripts name by a URI (RFC 6134): address books of the account, and groups of the directory.
 *
 * Invariant: an account sees its own address books and the groups of this server; how much is read has a bound.
 */
import type { AccountsApi } from '../../directory/static/api.ts'
import type { DirectoryApi } from '../../directory/store/api.ts'
import type { ContactsApi } from '../../web/jmap/api.ts'

/** Cards and members that one test reads. */
const MAX_READ = 10_000

const BOOK = /^(?:urn:ietf:params:sieve:)?addrbook:(?!\/\/)(.+)$/i
/** RFC 4151: `tag:example.org,2026:group:staff`. */
const GROUP = /^tag:[^:]{1,200}:group:(.+)$/i

export interface AddressListsDeps {
  readonly accounts: Pick<AccountsApi, 'byAddress' | 'byId' | 'groupsOf'>
  readonly contacts: ContactsApi | undefined
  readonly directory: Pick<DirectoryApi, 'byName' | 'members'> | undefined
}

export class AddressLists {
  readonly #deps: AddressListsDeps

  constructor(deps: AddressListsDeps) {
    this.#deps = deps
  }

  /** Schemes of URIs, for ManageSieve (RFC 6134 section 2.7). */
  get schemes(): readonly string[] {
    return [...(this.#deps.contacts ? ['urn', 'addrbook'] : []), 'tag']
  }

  /** Undefined for an unknown list. */
  async has(account: string, list: string, value: string): Promise<boolean | undefined> {
    const [, group] = GROUP.exec(list) ?? []
    if (group !== undefined) return this.#isMember(group, value)
    const found = await this.#book(account, list)
    if (!found) return undefined
    const wanted = value.toLowerCase()
    let read = 0
    for await (const address of found) {
      if (address === wanted) return true
      if (++read >= MAX_READ) break
    }
    return false
  }

  /** At most one more than `most`; undefined for an unknown list. */
  async members(account: string, list: string, most: number): Promise<readonly string[] | undefined> {
    const [, group] = GROUP.exec(list) ?? []
    const found = group === undefined ? await this.#book(account, list) : await this.#group(group)
    if (!found) return undefined
    const addresses = new Set<string>()
    for await (const address of found) if (addresses.add(address).size > most) break
    return [...addresses]
  }

  async #book(account: string, list: string): Promise<AsyncIterable<string> | undefined> {
    const [, book] = BOOK.exec(list) ?? []
    if (book === undefined) return undefined
    const name = book.toLowerCase() === 'default' ? undefined : safelyDecoded(book)
    return this.#deps.contacts?.addresses(account, name)
  }

  async #isMember(group: string, value: string): Promise<boolean> {
    const found = value.includes('@') ? await this.#deps.accounts.byAddress(value) : undefined
    return found !== undefined && (await this.#deps.accounts.groupsOf(found.account.id)).includes(group)
  }

  async #group(name: string): Promise<AsyncIterable<string> | undefined> {
    const entry = await this.#deps.directory?.byName('group', name)
    return entry && this.#addresses(entry.id)
  }

  async *#addresses(group: string): AsyncGenerator<string> {
    if (!this.#deps.directory) return
    for await (const member of this.#deps.directory.members(group)) {
      const found = 'id' in member ? await this.#deps.accounts.byId(member.id) : undefined
      const address = 'address' in member ? member.address : found?.addresses[0]
      if (address !== undefined) yield address
    }
  }
}

function safelyDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
