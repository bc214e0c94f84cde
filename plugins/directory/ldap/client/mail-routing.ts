/**
 * Authentication and mail routing from the LDAP server.
 *
 * Invariants: an empty password never succeeds, whatever the server answers; an unknown name and a wrong password get
 * the same answer, each after one bind; mail for an unknown address of a local domain is refused, never relayed; an
 * unavailable server is a fault, which the kernel turns into a temporary failure.
 */
import { randomUUID } from 'node:crypto'
import type { Attempt, Identity, Recipient, Refusal, Route, Session } from 'iems'
import { refuse } from 'iems'
import { detailOf, readAddress } from '../../static/api.ts'
import type { LdapAccount, LdapGroup, Source } from './source.ts'

export interface FlowDeps {
  readonly source: Source
  /** Whether the server accepts this DN with this password. */
  isRight(dn: string, password: string): Promise<boolean>
  /** Base DN of accounts. */
  readonly base: string
  readonly domains: readonly string[]
  readonly channel: string
  readonly mailHostChannel: string
  readonly subaddress: string
  readonly mayRelay: boolean
  readonly members: number
}

type Owner =
  | { readonly kind: 'account'; readonly account: LdapAccount; readonly detail?: string }
  | { readonly kind: 'group'; readonly group: LdapGroup }

export class LdapMailRouting {
  readonly #parts: FlowDeps
  readonly #domains

  constructor(parts: FlowDeps) {
    this.#parts = parts
    this.#domains = new Set(parts.domains.map((domain) => readAddress(`x@${domain}`)?.domain))
  }

  async ownerOf(address: string): Promise<Owner | undefined> {
    const read = readAddress(address)
    if (!read || !this.#domains.has(read.domain)) return undefined
    const { local, domain } = read
    const exact = await this.#directly(`${local}@${domain}`)
    const at = this.#parts.subaddress === '' ? -1 : local.indexOf(this.#parts.subaddress)
    if (exact || at < 1) return exact
    const plain = await this.#directly(`${local.slice(0, at)}@${domain}`)
    return plain?.kind === 'account' ? { ...plain, detail: detailOf(address, this.#parts.subaddress) } : plain
  }

  /** Looks up one of an account's own addresses, without a detail. */
  async ownedBy(address: string): Promise<LdapAccount | undefined> {
    const owner = await this.ownerOf(address)
    return owner?.kind === 'account' && owner.detail === undefined ? owner.account : undefined
  }

  async #directly(address: string): Promise<Owner | undefined> {
    const account = await this.#parts.source.byAddress(address)
    if (account) return { kind: 'account', account }
    const group = await this.#parts.source.groupByAddress(address)
    return group && { kind: 'group', group }
  }

  /** The addresses of all members, including nested groups, each once. */
  async #addressesOf(group: LdapGroup): Promise<string[]> {
    const addresses = new Map<string, string>()
    const groups = new Map([[group.dn.toLowerCase(), group]])
    for (const one of groups.values()) {
      for (const text of one.members) {
        const found = text.includes('=') ? await this.#parts.source.member(text) : { addresses: [text] }
        if (found && 'members' in found) groups.set(found.dn.toLowerCase(), found)
        else if (found?.addresses[0]) addresses.set(found.addresses[0].toLowerCase(), found.addresses[0])
        if (addresses.size > this.#parts.members)
          throw new Error(`the group ${group.name} has more than ${this.#parts.members} members`)
      }
    }
    return [...addresses.values()]
  }

  async expand(to: Recipient): Promise<readonly Recipient[] | undefined> {
    const owner = await this.ownerOf(to.address)
    const each = (addresses: readonly string[]) => addresses.map((address) => ({ ...to, address }))
    if (owner?.kind === 'group') return each(await this.#addressesOf(owner.group))
    return owner && owner.account.forward.length > 0 ? each(owner.account.forward) : undefined
  }

  async route(address: string): Promise<Route | undefined> {
    if (!this.#domains.has(readAddress(address)?.domain)) return undefined
    const owner = await this.ownerOf(address)
    const host = owner?.kind === 'account' ? owner.account.mailHost : undefined
    return host === undefined
      ? { channel: this.#parts.channel, nexthop: 'mailboxes' }
      : { channel: this.#parts.mailHostChannel, nexthop: host }
  }

  async rcpt(address: string): Promise<Refusal | undefined> {
    if (!this.#domains.has(readAddress(address)?.domain) || (await this.ownerOf(address))) return undefined
    return refuse(550, '5.1.1', 'No such mailbox here')
  }

  async maySendAs(id: string, address: string): Promise<boolean> {
    const owner = await this.ownerOf(address)
    if (owner?.kind === 'account' && owner.account.id === id) return true
    return (await this.#parts.source.byId(id))?.sendAs.some((given) => isGiven(given, address)) ?? false
  }

  /** RFC 6409 section 6.1. */
  async mail(from: string, { identity }: Session): Promise<Refusal | undefined> {
    if (identity?.account === undefined || from === '' || (await this.maySendAs(identity.account, from)))
      return undefined
    return refuse(553, '5.7.1', 'Not your address: log in as its owner')
  }

  async auth(attempt: Attempt): Promise<Identity | undefined> {
    if (attempt.kind !== 'password' || attempt.password === '' || attempt.username === '') return undefined
    const account = await this.#parts.source.byLogin(attempt.username)
    // An unknown user causes a bind too, so that the response time reveals nothing.
    const isHim = await this.#parts.isRight(account?.dn ?? `cn=${randomUUID()},${this.#parts.base}`, attempt.password)
    return account && isHim && !account.isDisabled ? this.identityOf(account, shownAt(account)) : undefined
  }

  /** Detects a changed password if the server reports the time of the change; up to the cache's lifetime later. */
  async reidentify({ account: id, credential }: Identity): Promise<Identity | Refusal | undefined> {
    if (id === undefined) return undefined
    const account = await this.#parts.source.byId(id)
    if (!account || account.isDisabled || (credential !== undefined && isLater(shownAt(account), credential)))
      return refuse(535, '5.7.8', 'The login is no longer valid')
    return this.identityOf(account, credential)
  }

  /** `credential`: time of the last password change at login. */
  identityOf({ id, name }: LdapAccount, credential?: string): Identity {
    return {
      kind: 'identity',
      user: name,
      account: id,
      mayRelay: this.#parts.mayRelay,
      ...(credential === undefined ? {} : { credential }),
    }
  }
}

/** Time of the password change at login; empty when the server does not report it. */
const shownAt = ({ passwordChanged = '' }: LdapAccount) => passwordChanged

/** Compares LDAP times and numbers of different lengths. A cached entry can be older than the login. */
function isLater(now: string, then: string): boolean {
  return now.length === then.length ? now > then : now.length > then.length
}

/** `ann@example.org`, `*@example.org` or `*`, as configured. */
function isGiven(given: string, address: string): boolean {
  if (given === '*') return true
  const [allowed, asked] = [readAddress(given), readAddress(address)]
  return (
    allowed !== undefined &&
    allowed.domain === asked?.domain &&
    (allowed.local === '*' || allowed.local === asked.local)
  )
}
