/**
 * Mail routing by the directory: expansion, routes and permitted senders.
 *
 * Invariants: mail for an unknown address of a local domain is refused, never relayed; nested groups are expanded to
 * any depth, each member once; a sender that may not write to a group cannot reach it through another address that they
 * name.
 */
import { type Identity, type Recipient, type Refusal, type Route, refuse, type Session } from 'iems'
import { isAddress } from '../static/api.ts'
import type { Group, RoutingEntry } from './api.ts'
import type { Lookup } from './lookup.ts'
import { createOwnerOf } from './owner.ts'
import { type AccountRecord, foldAddress, foldName, type Parted, partsOf } from './records.ts'
import { createSenders, formsOf } from './senders.ts'

export interface FlowOptions {
  readonly channel: string
  readonly subaddress: string
  /** Maximum members of an expanded group. */
  readonly members: number
  /** Whether the only target of an alias or a catch-all may send as it. */
  readonly aliasSenders: boolean
}

/** The targets of a group or alias, and the refusal when there are none. */
interface Addresses {
  readonly addresses: readonly string[]
  readonly none: Refusal
}

const NO_MAILBOX = refuse(550, '5.1.1', 'No such mailbox here')
const DISABLED = refuse(550, '5.2.1', 'This mailbox is disabled')
const NO_MEMBERS = refuse(550, '5.1.1', 'This group has no members')
const LOOP = refuse(550, '5.4.6', 'This address leads back to itself')

export class MailRouting {
  readonly #lookup: Lookup
  readonly #deps: FlowOptions
  readonly ownerOf
  readonly maySendAs

  constructor(lookup: Lookup, deps: FlowOptions) {
    this.#lookup = lookup
    this.#deps = deps
    this.ownerOf = createOwnerOf(lookup, deps.subaddress)
    this.maySendAs = createSenders({ lookup, ownerOf: this.ownerOf, aliasSenders: deps.aliasSenders })
  }

  /** The addresses of all members, including members of groups without an address. */
  async #addressesOf(group: Group): Promise<Addresses | undefined> {
    const addresses = new Set<string>()
    const groups = new Set([group.id])
    let isAnyDisabled = false
    for (const id of groups) {
      for await (const member of this.#lookup.members(id)) {
        if ('address' in member) addresses.add(member.address)
        else if ('id' in member) {
          const entry = await this.#lookup.byId(member.id)
          const [address] = entry?.kind === 'account' || entry?.kind === 'group' ? entry.addresses : []
          if (entry?.kind === 'group') groups.add(entry.id)
          else if (entry?.kind === 'account' && entry.status === 'disabled') isAnyDisabled = true
          else if (entry?.kind === 'account' && address) addresses.add(address)
          else if (entry?.kind === 'object') {
            const [mail = ''] = entry.attributes.mail ?? []
            if (isAddress(mail)) addresses.add(mail)
          }
        }
        if (addresses.size > this.#deps.members) return undefined
      }
    }
    return { addresses: [...addresses], none: isAnyDisabled ? DISABLED : NO_MEMBERS }
  }

  /** Never empty: an alias, group or forward without valid targets is refused. */
  async expand(to: Recipient): Promise<readonly Recipient[] | Refusal | undefined> {
    const owner = await this.ownerOf(to.address)
    if (owner?.kind === 'targets') return this.#leadingSomewhere(to, { addresses: owner.to, none: NO_MAILBOX })
    if (owner?.kind === 'group') {
      const found = await this.#addressesOf(owner.group)
      if (!found) throw new Error(`the group ${owner.group.name} has more than ${this.#deps.members} members`)
      return this.#leadingSomewhere(to, found)
    }
    if (owner?.account.status === 'disabled') return DISABLED
    const forward = owner?.account.forward
    if (!forward) return undefined
    if (forward.keep) return [...forward.to.map((address) => ({ ...to, address })), to]
    return this.#leadingSomewhere(to, { addresses: forward.to, none: NO_MAILBOX }, true)
  }

  /** All addresses if any of them may reach a mailbox; one that names itself must be a mailbox. */
  async #leadingSomewhere(
    to: Recipient,
    { addresses, none }: Addresses,
    isMailbox = false,
  ): Promise<readonly Recipient[] | Refusal> {
    const own = partsOf(to.address)
    const isOwn = (address: string) => own !== undefined && foldAddress(address) === `${own.local}@${own.domain}`
    const keepsCopy = isMailbox || (own !== undefined && (await this.#isRouted(own)))
    const others = keepsCopy ? addresses : addresses.filter((address) => !isOwn(address))
    let refusal = others.length < addresses.length ? LOOP : none
    for (const address of others) {
      const no = isOwn(address) ? undefined : await this.deadEnd(address)
      if (!no) return others.map((one) => ({ ...to, address: one }))
      refusal = no
    }
    return refusal
  }

  /** The reason why mail for this address can reach no mailbox; undefined when it may. */
  async deadEnd(address: string): Promise<Refusal | undefined> {
    const owner = await this.ownerOf(address)
    if (owner) return owner.kind === 'account' && owner.account.status === 'disabled' ? DISABLED : undefined
    const parts = partsOf(address)
    const isOurs = parts !== undefined && (await this.#lookup.named('domain', parts.domain)) !== undefined
    return isOurs && !(await this.#isRouted(parts)) ? NO_MAILBOX : undefined
  }

  /**
   * The most specific routing entry; a local account, then a local domain, takes precedence over less specific ones.
   */
  async routeOf(address: string): Promise<{ readonly route: Route; readonly why: string } | undefined> {
    const parts = partsOf(address)
    if (!parts) return undefined
    const { local, domain } = parts
    const by = (entry: RoutingEntry) => ({ route: entry.target, why: `routing entry ${entry.match}` })
    const exact =
      (await this.#lookup.named('route', `${local}@${domain}`)) ?? (await this.#lookup.fitting('route', parts))?.entry
    if (exact) return by(exact)
    const owner = await this.ownerOf(address)
    const ours = await this.#lookup.named('domain', domain)
    if (owner?.kind === 'account' && owner.account.route) return { route: owner.account.route, why: owner.why }
    if (owner && ours) return { route: { channel: this.#deps.channel, nexthop: 'mailboxes' }, why: owner.why }
    const ofDomain = await this.#lookup.named('route', domain)
    if (ofDomain) return by(ofDomain)
    if (ours) return { route: { channel: this.#deps.channel, nexthop: 'mailboxes' }, why: `domain ${ours.name}` }
    const wider = (await this.#ofParents(domain)) ?? (await this.#lookup.named('route', '*'))
    return wider && by(wider)
  }

  async #ofParents(domain: string): Promise<RoutingEntry | undefined> {
    for (let dot = domain.indexOf('.'); dot >= 0; dot = domain.indexOf('.', dot + 1)) {
      const found = await this.#lookup.named('route', `*${domain.slice(dot)}`)
      if (found) return found
    }
    return undefined
  }

  /** Refuses unknown recipients, and senders that may not write to them. */
  async rcpt(address: string, session: Session): Promise<Refusal | undefined> {
    const owner = await this.ownerOf(address)
    return owner?.kind === 'group' ? this.#mayWrite(owner.group, session) : this.deadEnd(address)
  }

  async #isRouted(parts: Parted): Promise<boolean> {
    const { local, domain } = parts
    return (
      (await this.#lookup.named('route', `${local}@${domain}`)) !== undefined ||
      (await this.#lookup.fitting('route', parts)) !== undefined ||
      (await this.#lookup.named('route', domain)) !== undefined
    )
  }

  async #mayWrite(group: Group, session: Session): Promise<Refusal | undefined> {
    if (group.addresses.length === 0 || group.senders === 'anyone') return undefined
    const id = session.identity?.account
    if (id !== undefined && group.senders === 'accounts') return undefined
    if (id !== undefined && (await this.#isIn(id, group.id))) return undefined
    const isPartOf = group.senders === 'members' ? 'its members' : 'accounts here'
    return refuse(550, '5.7.2', `Only ${isPartOf} may write to this address, after logging in`)
  }

  /** Whether an account or group is in a group, directly or nested. */
  async #isIn(id: string, group: string): Promise<boolean> {
    return (await this.groupsOf(id)).has(group)
  }

  async groupsOf(id: string): Promise<Set<string>> {
    const groups = new Set<string>()
    for await (const one of this.#lookup.memberOf(id)) groups.add(one)
    for (const group of groups) for await (const one of this.#lookup.memberOf(group)) groups.add(one)
    return groups
  }

  /** RFC 6409 section 6.1: an authenticated client sends as an address of its account, or as one granted to it. */
  async mail(from: string, identity: Identity | undefined): Promise<Refusal | undefined> {
    if (identity?.account === undefined || from === '' || (await this.maySendAs(identity.account, from)))
      return undefined
    return refuse(553, '5.7.1', 'Not your address: log in as its owner')
  }

  /** By name, or by one of its own addresses, including those of alias domains. */
  async byLogin(login: string): Promise<AccountRecord | undefined> {
    const named = await this.#lookup.named('account', foldName(login))
    if (named) return named
    const { owner } = await formsOf(this.ownerOf, login)
    return owner?.kind === 'account' && owner.detail === undefined ? owner.account : undefined
  }
}
