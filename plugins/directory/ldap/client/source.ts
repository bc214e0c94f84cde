/**
 * Reads accounts and groups from the LDAP server through the attribute mapping.
 *
 * Invariants: absence is reported only if a server confirmed it; an entry without a required attribute, or two entries
 * with the same unique value, are faults of the directory, not absence; an account's id is as stable as its entry.
 */
import { type Account, readAddress } from '../../static/api.ts'
import type { Cached } from './cache.ts'
import type { Found, Search } from './connection.ts'
import { all, any, compileFilter, equality, type Filter } from './filter.ts'
import type { Mapping } from './options.ts'

export interface LdapAccount extends Account {
  readonly dn: string
  readonly forward: readonly string[]
  readonly mailHost?: string
  readonly sendAs: readonly string[]
  /** Time of the last password change, if the server reports it; grows with each change. */
  readonly passwordChanged?: string
  /** Login is disabled, as far as the server shows it. */
  readonly isDisabled: boolean
}

export interface LdapGroup {
  readonly dn: string
  readonly name: string
  readonly addresses: readonly string[]
  /** DNs and addresses. */
  readonly members: readonly string[]
}

export interface SourceDeps {
  readonly mapping: Mapping
  readonly cached: Cached
  search(search: Search): Promise<readonly Found[]>
  /** Maximum members of a group. */
  readonly members: number
}

/** Ids that the mail store accepts. */
const ID = /^[A-Za-z0-9_-]{1,64}$/
/** Binary attributes: ids use their hexadecimal form. */
const BINARY: readonly string[] = ['objectguid', 'objectsid']
/** Maximum groups of a member, including nested ones. */
const MAX_GROUPS = 1000

export class Source {
  readonly #deps: SourceDeps
  readonly #accounts
  readonly #groups
  readonly #isAccount
  readonly #isGroup
  readonly #accountAttributes
  readonly #groupAttributes

  constructor(deps: SourceDeps) {
    this.#deps = deps
    const { accounts, groups } = deps.mapping
    this.#accounts = accounts
    this.#groups = groups
    this.#isAccount = compileFilter(accounts.filter)
    this.#isGroup = compileFilter(groups.filter)
    this.#accountAttributes = [
      accounts.id,
      accounts.name,
      ...accounts.addresses.map(attributeOf),
      accounts.displayName,
      accounts.passwordChanged,
      ...accounts.disabled.map(attributeOf),
      ...[accounts.quota, accounts.forward, accounts.mailHost, accounts.sendAs].filter((name) => name !== undefined),
    ]
    this.#groupAttributes = [groups.name, ...groups.addresses.map(attributeOf), ...groups.members]
  }

  // --- accounts ---
  #accountIn(found: Found): LdapAccount {
    const text = (name: string | undefined) => (name === undefined ? undefined : textsOf(found, name)[0])
    const [id] = isBinary(this.#accounts.id)
      ? valuesOf(found, this.#accounts.id).map((value) => value.toString('hex'))
      : textsOf(found, this.#accounts.id)
    const name = text(this.#accounts.name)
    if (id === undefined || !ID.test(id) || name === undefined)
      throw new Error(`${found.dn} has no usable ${id === undefined ? this.#accounts.id : this.#accounts.name}`)
    const quota = Number(text(this.#accounts.quota) ?? Number.NaN)
    const displayName = text(this.#accounts.displayName)
    const mailHost = text(this.#accounts.mailHost)
    const passwordChanged = text(this.#accounts.passwordChanged)
    const disabledBy = (one: string) =>
      textsOf(found, attributeOf(one))
        .map(fold)
        .includes(fold(prefixOf(one)))
    return {
      id,
      name,
      dn: found.dn,
      addresses: addressesIn(found, this.#accounts.addresses),
      forward: this.#accounts.forward === undefined ? [] : textsOf(found, this.#accounts.forward),
      sendAs: this.#accounts.sendAs === undefined ? [] : textsOf(found, this.#accounts.sendAs),
      isDisabled: this.#accounts.disabled.some(disabledBy),
      ...(passwordChanged === undefined ? {} : { passwordChanged }),
      ...(displayName === undefined ? {} : { displayName }),
      ...(Number.isSafeInteger(quota) && quota >= 0 ? { quota } : {}),
      ...(mailHost === undefined ? {} : { mailHost }),
    }
  }

  async #account(by: string, filter: Filter): Promise<LdapAccount | undefined> {
    const found = await this.#deps.search({
      base: this.#accounts.base,
      scope: 'sub',
      filter: all(this.#isAccount, filter),
      attributes: this.#accountAttributes,
      most: 2,
    })
    if (found.length > 1) throw new Error(`two accounts of the LDAP server have the ${by}`)
    return found[0] && this.#accountIn(found[0])
  }

  #known(by: string, filter: Filter) {
    return this.#deps.cached(`account ${by}`, () => this.#account(by, filter))
  }

  /** Not cached, so that deleted and moved accounts cannot log in. */
  byLogin(login: string) {
    return this.#account(`login ${login}`, any(...this.#accounts.logins.map((name) => equality(name, login))))
  }

  byName(name: string) {
    return this.#known(`name ${fold(name)}`, equality(this.#accounts.name, name))
  }

  byId(id: string) {
    return this.#known(
      `id ${id}`,
      equality(this.#accounts.id, isBinary(this.#accounts.id) ? Buffer.from(id, 'hex') : id),
    )
  }

  byAddress(address: string) {
    return this.#known(`address ${address}`, anyAddress(this.#accounts.addresses, address))
  }

  async *list(): AsyncGenerator<LdapAccount> {
    const search_ = {
      base: this.#accounts.base,
      scope: 'sub',
      filter: this.#isAccount,
      attributes: this.#accountAttributes,
    } as const
    for (const found of await this.#deps.search(search_)) yield this.#accountIn(found)
  }

  // --- groups ---
  async #groupIn(found: Found): Promise<LdapGroup> {
    const members: string[] = []
    for (const name of this.#groups.members) members.push(...(await this.#allOf(found, name)))
    return {
      dn: found.dn,
      name: textsOf(found, this.#groups.name)[0] ?? found.dn,
      addresses: addressesIn(found, this.#groups.addresses),
      members,
    }
  }

  /** Active Directory returns values in ranges: `member;range=0-1499`. */
  async #allOf(found: Found, name: string): Promise<string[]> {
    const texts = textsOf(found, name)
    let part = found
    for (;;) {
      const range = rangeIn(part, name)
      if (!range) return texts
      texts.push(...textsOf(part, range.key))
      if (texts.length > this.#deps.members) throw new Error(`${found.dn} has more than ${this.#deps.members} members`)
      if (range.next === undefined) return texts
      const asked = { base: found.dn, scope: 'base', filter: this.#isGroup } as const
      const [next] = await this.#deps.search({ ...asked, attributes: [`${name};range=${range.next}-*`], most: 1 })
      if (!next) return texts
      part = next
    }
  }

  async groupByAddress(address: string): Promise<LdapGroup | undefined> {
    return this.#deps.cached(`group ${address}`, async () => {
      const filter = all(this.#isGroup, anyAddress(this.#groups.addresses, address))
      const found = await this.#deps.search({
        base: this.#groups.base,
        scope: 'sub',
        filter,
        attributes: this.#groupAttributes,
        most: 2,
      })
      if (found.length > 1) throw new Error(`two groups of the LDAP server have ${address}`)
      return found[0] && this.#groupIn(found[0])
    })
  }

  /** The account or group with this DN. */
  async member(dn: string): Promise<LdapAccount | LdapGroup | undefined> {
    return this.#deps.cached(`dn ${fold(dn)}`, async () => {
      const asked = { base: dn, scope: 'base', most: 1 } as const
      const [person] = await this.#deps.search({
        ...asked,
        filter: this.#isAccount,
        attributes: this.#accountAttributes,
      })
      if (person) return this.#accountIn(person)
      const [group] = await this.#deps.search({ ...asked, filter: this.#isGroup, attributes: this.#groupAttributes })
      return group && this.#groupIn(group)
    })
  }

  /** The names of all groups that contain this DN. */
  async groupsOf(dn: string): Promise<readonly string[]> {
    return this.#deps.cached(`groups ${fold(dn)}`, async () => {
      const names = new Map<string, string>()
      const asked = new Set([dn])
      for (const one of asked) {
        const filter = all(this.#isGroup, any(...this.#groups.members.map((name) => equality(name, one))))
        const found = await this.#deps.search({
          base: this.#groups.base,
          scope: 'sub',
          filter,
          attributes: [this.#groups.name],
        })
        for (const group of found) {
          names.set(fold(group.dn), textsOf(group, this.#groups.name)[0] ?? group.dn)
          asked.add(group.dn)
        }
        if (names.size > MAX_GROUPS) throw new Error(`${dn} is in more than ${MAX_GROUPS} groups`)
      }
      return [...names.values()]
    })
  }
}

const fold = (text: string) => text.normalize('NFKC').toLowerCase()
const isBinary = (name: string) => BINARY.includes(name.toLowerCase())
const valuesOf = ({ attributes }: Found, name: string) => attributes.get(name.toLowerCase()) ?? []
const textsOf = (found: Found, name: string) => valuesOf(found, name).map((value) => value.toString())

/** `proxyAddresses=smtp:` selects the values of proxyAddresses that begin with smtp:, and removes the prefix. */
const attributeOf = (address: string) => address.split('=')[0] as string
const prefixOf = (address: string) => address.split('=')[1] ?? ''

function addressesIn(found: Found, names: readonly string[]): string[] {
  const addresses = new Map<string, string>()
  for (const name of names) {
    const prefix = prefixOf(name).toLowerCase()
    for (const text of textsOf(found, attributeOf(name))) {
      const address = text.toLowerCase().startsWith(prefix) ? text.slice(prefix.length) : ''
      const read = readAddress(address)
      if (read && !addresses.has(`${read.local}@${read.domain}`)) addresses.set(`${read.local}@${read.domain}`, address)
    }
  }
  return [...addresses.values()]
}

const anyAddress = (names: readonly string[], address: string) =>
  any(...names.map((name) => equality(attributeOf(name), prefixOf(name) + address)))

function rangeIn({ attributes }: Found, name: string) {
  for (const key of attributes.keys()) {
    const start = `${name.toLowerCase()};range=`
    const [, low, high] = (key.startsWith(start) && /^(\d+)-(\d+|\*)$/.exec(key.slice(start.length))) || []
    if (low !== undefined && high !== undefined) return { key, next: high === '*' ? undefined : Number(high) + 1 }
  }
  return undefined
}
