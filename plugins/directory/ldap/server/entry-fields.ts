/**
 * Maps attributes of an entry to fields of the directory.
 *
 * Invariants: only fields whose attributes differ are set; an attribute that this kind of entry cannot hold is refused,
 * never dropped.
 */
import type { Entry, EntryKind, Member } from '../../store/api.ts'
import { FIELDS, furtherOf } from './kinds.ts'
import { foldText, parseDn } from './protocol/dn.ts'
import { LdapError } from './protocol/responses.ts'
import type { Tree } from './tree.ts'
import { type Attributes, isSameAttributes, isSameList } from './values.ts'

export interface Fields {
  readonly members?: { readonly add: readonly Member[]; readonly remove: readonly Member[] }
  readonly [field: string]: unknown
}

export class EntryFields {
  readonly #tree: Tree
  readonly #mailHostChannel: string | undefined

  constructor(tree: Tree, mailHostChannel: string | undefined) {
    this.#tree = tree
    this.#mailHostChannel = mailHostChannel
  }

  /** The changed fields. */
  async changed(
    kind: EntryKind,
    before: Attributes,
    after: Attributes,
    { name, entry }: { readonly name?: string | undefined; readonly entry?: Entry } = {},
  ): Promise<Fields> {
    const fields: Record<string, unknown> = {}
    const isChanged = (key: string) => !isSameList(before.get(key), after.get(key))
    const own = FIELDS[kind]
    for (const [key, { field, read }] of Object.entries(own))
      if (isChanged(key))
        fields[field] = (after.get(key)?.length ?? 0) > 0 ? read(after.get(key) as string[], key) : null
    if ((kind === 'account' || kind === 'group') && (isChanged('mail') || isChanged('maillocaladdress')))
      fields.addresses = addressesOf(before, after)
    if (kind === 'account') this.#forwardAndRoute(fields, isChanged, after)
    if (kind === 'account' || kind === 'group' || kind === 'unit' || kind === 'object') {
      const attributes = furtherOf({ kind, name }, after, entry)
      const old = entry && 'attributes' in entry ? entry.attributes : {}
      if (!isSameAttributes(old, attributes)) fields.attributes = attributes
    } else {
      const strange = [...before.keys(), ...after.keys()].find(
        (key) => isChanged(key) && !Object.hasOwn(own, key) && key !== 'objectclass',
      )
      if (strange !== undefined) throw new LdapError('objectClassViolation', `a ${kind} has no ${strange}`)
    }
    const members = kind === 'group' ? await this.#membersOf(before, after, entry?.id) : undefined
    return members ? { ...fields, members } : fields
  }

  #forwardAndRoute(fields: Record<string, unknown>, isChanged: (key: string) => boolean, after: Attributes) {
    if (isChanged('mailroutingaddress') || isChanged('iems-forward-keep')) {
      const to = after.get('mailroutingaddress') ?? []
      const keep = after.get('iems-forward-keep')?.[0]?.toUpperCase() === 'TRUE'
      fields.forward = to.length === 0 ? null : { to, keep }
    }
    if (!isChanged('mailhost') || isChanged('iems-route')) return
    const [host] = after.get('mailhost') ?? []
    if (host !== undefined && this.#mailHostChannel === undefined)
      throw new LdapError(
        'unwillingToPerform',
        'mailHostChannel says to which channel a mailHost belongs; or write iems-route',
      )
    fields.route = host === undefined ? null : { channel: this.#mailHostChannel, nexthop: host }
  }

  async #membersOf(before: Attributes, after: Attributes, group: string | undefined): Promise<Fields['members']> {
    const read = async (all: Attributes): Promise<Map<string, Member>> => {
      const named = [...(all.get('member') ?? []), ...(all.get('uniquemember') ?? [])]
      const members: Member[] = await Promise.all(named.map((text) => this.memberOf(text, group)))
      for (const address of all.get('rfc822mailmember') ?? []) members.push({ address })
      return new Map(members.map((member) => [textOfMember(member), member]))
    }
    const [old, now] = [await read(before), await read(after)]
    const without = (one: Map<string, Member>, other: Map<string, Member>) =>
      [...one].flatMap(([key, member]) => (other.has(key) ? [] : [member]))
    const members = { add: without(now, old), remove: without(old, now) }
    return members.add.length + members.remove.length > 0 ? members : undefined
  }

  /** By id if the entry exists, otherwise by name; a group refers to itself by name. */
  async memberOf(text: string, group: string | undefined): Promise<Member> {
    const dn = parseDn(text)
    if (!dn) throw new LdapError('invalidAttributeSyntax', 'a member is a name')
    const node = await this.#tree.resolve(dn)
    return node && 'attributes' in node && node.id !== group ? { id: node.id } : this.#tree.memberAt(dn)
  }
}

/** `mail` and `mailLocalAddress` show the same addresses, so changing either changes both. */
function addressesOf(before: Attributes, after: Attributes): string[] {
  const list = (all: Attributes, key: string) => all.get(key) ?? []
  const has = (values: readonly string[], value: string) => values.some((one) => foldText(one) === foldText(value))
  const gone = ['mail', 'maillocaladdress'].flatMap((key) =>
    list(before, key).filter((value) => !has(list(after, key), value)),
  )
  const addresses: string[] = []
  for (const value of [...list(after, 'mail'), ...list(after, 'maillocaladdress')])
    if (!has(gone, value) && !has(addresses, value)) addresses.push(value)
  return addresses
}

/** Equal for equal members. */
export const textOfMember = (member: Member) => JSON.stringify(member).toLowerCase()
