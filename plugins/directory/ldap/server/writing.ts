/**
 * Add, modify, delete and rename (RFC 4511 sections 4.6 to 4.9) as changes of the directory.
 *
 * What must stay true: an operation is one commit, made only if the entry is still what it was when it was read; what it
 * changes is what the same change on the command line would; a password goes in and never comes out.
 */
import type { Log } from 'iems'
import {
  type Change,
  type DirectoryApi,
  type Entry,
  type EntryKind,
  type EntryPatch,
  isRefused,
  joined,
  type Member,
  NAMING,
  type NewEntry,
  nameInPath,
  type Placed,
  pathOf,
  type Refused,
  rdnOf,
} from '../../store/api.ts'
import { accountName, baseOf, FIELDS, furtherOf, groupName, kindOf } from './kinds.ts'
import { type Dn, foldText, formatRdn, parseDn, type Rdn } from './protocol/dn.ts'
import type { Modification, Request } from './protocol/requests.ts'
import { LdapError, type ResultName } from './protocol/responses.ts'
import { describe } from './schema.ts'
import { type SchemaCheck, violationsOf } from './schema-check.ts'
import { type ListedKind, type Node, type Place, rdnText, type Tree, type TreePlace } from './tree.ts'
import {
  type Attributes,
  apply,
  described,
  hasValue,
  isSameAttributes,
  isSameList,
  newPassword,
  passwordIn,
  textOf,
} from './values.ts'
import { attributesOf, CLASSES, createLazy } from './view.ts'

const REFUSALS: Readonly<Record<Refused['refused'], ResultName>> = {
  NONEXISTENT: 'noSuchObject',
  ALREADYEXISTS: 'entryAlreadyExists',
  INVALID: 'constraintViolation',
  INUSE: 'notAllowedOnNonLeaf',
  CHANGED: 'busy',
  READONLY: 'unwillingToPerform',
}
/** How often a change is tried while others change the same entry. */
const TRIES = 5

/** Groups of one name, in different units, that are told apart by a number. */
const MAX_NAMESAKES = 1000

type ListedPlace = Extract<Place, { kind: ListedKind }>
type Renamed = Extract<Request, { kind: 'rename' }>

export interface WritingOptions {
  readonly mailHostChannel?: string | undefined
  readonly schemaCheck: SchemaCheck
  readonly log: Pick<Log, 'warn'>
}

// --- what attributes come to ---
interface Fields {
  readonly members?: { readonly add: readonly Member[]; readonly remove: readonly Member[] }
  readonly [field: string]: unknown
}

export class Writing {
  readonly #directory: DirectoryApi
  readonly #tree: Tree
  readonly #options: WritingOptions
  readonly #lazy

  constructor(directory: DirectoryApi, tree: Tree, options: WritingOptions) {
    this.#directory = directory
    this.#tree = tree
    this.#options = options
    this.#lazy = createLazy(directory, tree)
  }

  async #nodeAt(text: string): Promise<Node> {
    const dn = nameIn(text)
    const node = await this.#tree.resolve(dn)
    if (!node) throw new LdapError('noSuchObject', '', await this.#tree.nearest(dn))
    return node
  }

  async entryAt(text: string): Promise<Entry> {
    const node = await this.#nodeAt(text)
    const entry = node.kind === 'suffix' ? node.top : node
    if (!entry || !('id' in entry)) throw new LdapError('unwillingToPerform', 'this entry stays as it is')
    return entry
  }

  async make(changes: readonly Change[], by: string): Promise<void> {
    if (changes.length === 0) return
    const results = await this.#directory.change(changes, by, 'all')
    const refused = results.find((one) => isRefused(one) && one.why !== ALONE)
    if (refused && isRefused(refused)) throw new LdapError(REFUSALS[refused.refused], refused.why)
  }

  // --- add ---
  async add({ dn: text, attributes: given }: Extract<Request, { kind: 'add' }>, by: string): Promise<void> {
    const dn = nameIn(text)
    const place = this.#tree.placeOf(dn)
    if (!place) throw new LdapError('namingViolation', 'no entry of this tree can have this name')
    const there = await this.#tree.nodeAt(place)
    if (there && !(there.kind === 'suffix' && !there.top))
      throw new LdapError('entryAlreadyExists', 'there is an entry of this name')
    if (place.kind === 'list') return
    const above = await this.#mustHaveParent(dn, place)
    const after: Attributes = new Map()
    let password: string | undefined
    for (const attribute of given) {
      const description = described(attribute)
      if (attribute.values.length === 0) throw new LdapError('protocolError', `${attribute.type} has no values`)
      if (description.base === 'userpassword') password = passwordIn(attribute)
      else apply(after, { how: 'add', attribute })
    }
    const entry =
      place.kind === 'placed'
        ? await this.#newEntry(place, above, after, password)
        : await this.#newListed(place, after)
    await this.make([{ add: entry }], by)
  }

  /** What is above an entry; nothing at the suffix. */
  async #mustHaveParent(dn: Dn, place: TreePlace | ListedPlace): Promise<Node | undefined> {
    if (place.kind === 'placed' && place.path === '') return undefined
    const above = await this.#tree.resolve(dn.slice(1))
    if (!above || (above.kind === 'list') !== (place.kind !== 'placed'))
      throw new LdapError('noSuchObject', 'there is nothing of the name above', await this.#tree.nearest(dn))
    return above
  }

  async #newListed(place: ListedPlace, after: Attributes): Promise<NewEntry> {
    const classes = (after.get('objectclass') ?? []).map((name) => name.toLowerCase())
    if (!classes.includes(`iems-${place.kind}`))
      throw new LdapError('objectClassViolation', `an entry here has the class iems-${place.kind}`)
    withName(after, [{ type: NAMING[place.kind], value: place.name }])
    const name = place.kind === 'domain' ? { name: place.name } : { match: place.name }
    return withoutNulls({ kind: place.kind, ...(await this.#fieldsOf(place.kind, new Map(), after)), ...name })
  }

  async #newEntry(
    place: TreePlace,
    above: Node | undefined,
    after: Attributes,
    password: string | undefined,
  ): Promise<NewEntry> {
    withName(after, place.rdn)
    const kind = place.path === '' ? 'object' : kindOf(place.rdn, after, password !== undefined)
    if (password !== undefined && kind !== 'account')
      throw new LdapError('objectClassViolation', 'only accounts have passwords')
    this.#mustFit(kind, after, password !== undefined, place)
    const { name, ...fields } = await this.#naming(kind, place, above, after)
    // Under a name of its own in the tree a group has `cn` as any attribute.
    const shownName = kind === 'group' && fields.rdn !== null ? undefined : name
    const { members, ...rest } = await this.#fieldsOf(kind, new Map(), after, { name: shownName })
    return withoutNulls({
      kind,
      ...rest,
      ...fields,
      ...(kind === 'account' || kind === 'group' ? { name } : {}),
      ...(members ? { members: members.add } : {}),
      ...(password === undefined ? {} : { password }),
    })
  }

  /** The schema, as far as the administrator wants it to count. */
  #mustFit(kind: EntryKind, after: Attributes, hasPassword: boolean, { path }: { readonly path: string }): void {
    if (this.#options.schemaCheck === 'off') return
    const own = CLASSES[kind].filter((name) => name.startsWith('iems-') || name === 'inetLocalMailRecipient')
    const all = new Map(after).set('objectclass', [...(after.get('objectclass') ?? []), ...own])
    if (hasPassword) all.set('userpassword', [''])
    const [first, ...more] = violationsOf(all)
    if (!first) return
    if (this.#options.schemaCheck === 'strict') throw new LdapError(first.result, first.why)
    this.#options.log.warn('an entry is not as its classes say', { path, why: [first, ...more].map(({ why }) => why) })
  }

  /** What an entry is called, and where it stands: by `name`, for accounts and groups, and `rdn` where that is not all. */
  async #naming(
    kind: Placed['kind'],
    { rdn, unit }: Pick<TreePlace, 'rdn' | 'unit'>,
    above: Node | undefined,
    after: Attributes,
    entry?: Entry,
  ): Promise<{ readonly name?: string; readonly [field: string]: unknown }> {
    const text = rdnText(rdn)
    if (kind === 'object') return { rdn: text, unit }
    if (kind === 'unit') {
      const path = above && 'attributes' in above ? pathOf(above) : unit
      return { path: joined(path, nameInPath(text)), name: rdn[0]?.value ?? '' }
    }
    const name =
      kind === 'account'
        ? accountName(rdn, after, entry?.kind === 'account' ? entry : undefined)
        : await this.#freeName(groupName(rdn, after, entry?.kind === 'group' ? entry : undefined), entry)
    const usual = formatRdn([{ type: NAMING[kind], value: name }])
    return { name, unit, rdn: text === usual ? null : text }
  }

  /** Groups may have namesakes in other units of the tree: here their names differ by a number. */
  async #freeName(name: string, entry: Entry | undefined): Promise<string> {
    for (let number = 1; number <= MAX_NAMESAKES; number++) {
      const one = number === 1 ? name : `${name} ${number}`
      const found = await this.#directory.byName('group', one)
      if (!found || found.id === entry?.id || foldText(found.name) !== foldText(one)) return one
    }
    throw new LdapError('adminLimitExceeded', 'too many groups of one name')
  }

  // --- modify ---
  async modify(
    { dn, changes }: { readonly dn: string; readonly changes: readonly Modification[] },
    by: string,
  ): Promise<void> {
    for (let tries = 1; ; tries++) {
      const entry = await this.entryAt(dn)
      try {
        return await this.make(await this.#changesOf(entry, changes), by)
      } catch (cause) {
        if (!(cause instanceof LdapError) || cause.result.result !== 'busy' || tries >= TRIES) throw cause
      }
    }
  }

  async #changesOf(entry: Entry, modifications: readonly Modification[]): Promise<Change[]> {
    const quick = await this.#membersAlone(entry, modifications)
    if (quick) return quick
    const before = attributesOf(entry, [])
    for (const name of ['member', 'uniquemember', 'rfc822mailmember'] as const) {
      if (!modifications.some(({ attribute }) => describe(attribute.type)?.base === name)) continue
      const values = await this.#lazy(entry, name)
      if (values.length > 0) before.set(name, values)
    }
    const after: Attributes = new Map(before)
    let password: string | null | undefined
    for (const modification of modifications) {
      if (described(modification.attribute).base === 'userpassword') password = newPassword(modification)
      else apply(after, modification)
    }
    const rdn = nameOf(entry)
    for (const { type, value } of rdn)
      if (!hasValue(after, baseOf(type), value))
        throw new LdapError('notAllowedOnRdn', `${type} is what the entry is called by: rename it`)
    const { id: set, version } = entry
    if ('attributes' in entry) {
      const hasPassword = password == null ? entry.kind === 'account' && entry.hasPassword : true
      this.#mustFit(entry.kind, after, hasPassword, { path: pathOf(entry) })
      if (entry.kind === 'object' && entry.rdn !== '') {
        const kind = kindOf(rdn, after, hasPassword)
        const place: TreePlace = { kind: 'placed', path: pathOf(entry), unit: entry.unit, rdn }
        if (kind === 'account' || kind === 'group')
          return [{ set, as: await this.#newEntry(place, undefined, after, password ?? undefined), version }]
      }
    }
    if (password !== undefined && entry.kind !== 'account')
      throw new LdapError('objectClassViolation', 'only accounts have passwords')
    const name =
      entry.kind === 'account'
        ? accountName(rdn, after, entry)
        : entry.kind === 'unit'
          ? rdn[0]?.value
          : groupNameOf(entry)
    const { members, ...fields } = await this.#fieldsOf(entry.kind, before, after, { name, entry })
    const isRenamed = entry.kind === 'account' && name !== entry.name
    const patch = {
      ...fields,
      ...(password === undefined ? {} : { password }),
      ...(isRenamed ? { name } : {}),
    } as EntryPatch
    return [
      ...(Object.keys(patch).length > 0 ? [{ set, to: patch, version }] : []),
      ...(members ? [{ set, members }] : []),
    ]
  }

  /** Members that come and go, without a look at all the others: a group may have very many. */
  async #membersAlone(entry: Entry, modifications: readonly Modification[]): Promise<Change[] | undefined> {
    const isQuick = ({ how, attribute }: Modification) =>
      (how === 'add' || how === 'delete') &&
      attribute.values.length > 0 &&
      ['member', 'uniquemember'].includes(describe(attribute.type)?.key ?? '')
    if (entry.kind !== 'group' || !modifications.every(isQuick)) return undefined
    const add = new Map<string, Member>()
    const remove = new Map<string, Member>()
    for (const { how, attribute } of modifications) {
      for (const value of attribute.values) {
        const text = textOf(value, attribute)
        const member = await this.#memberOf(text, entry.id)
        const key = textOfMember(member)
        const isIn = add.has(key) || (!remove.has(key) && (await this.#isMember(entry.id, member)))
        if (how === 'add') {
          if (isIn) throw new LdapError('attributeOrValueExists', `${text} is in the group`)
          if (!remove.delete(key)) add.set(key, member)
        } else {
          if (!isIn) throw new LdapError('noSuchAttribute', `${text} is not in the group`)
          if (!add.delete(key)) remove.set(key, member)
        }
      }
    }
    return [{ set: entry.id, members: { add: [...add.values()], remove: [...remove.values()] } }]
  }

  async #isMember(group: string, member: Member): Promise<boolean> {
    for await (const above of this.#directory.memberOf(member)) if (above === group) return true
    return false
  }

  /** By id if there is such an entry, and by its name otherwise; a group does not know itself but by name. */
  async #memberOf(text: string, group: string | undefined): Promise<Member> {
    const dn = parseDn(text)
    if (!dn) throw new LdapError('invalidAttributeSyntax', 'a member is a name')
    const node = await this.#tree.resolve(dn)
    return node && 'attributes' in node && node.id !== group ? { id: node.id } : this.#tree.memberAt(dn)
  }

  // --- delete ---
  async remove({ dn }: { readonly dn: string }, by: string): Promise<void> {
    await this.make([{ remove: (await this.entryAt(dn)).id }], by)
  }

  // --- rename ---
  async rename(request: Renamed, by: string): Promise<void> {
    const entry = await this.entryAt(request.dn)
    const dn = nameIn(request.dn)
    const [rdn, ...more] = nameIn(request.newRdn)
    if (!rdn || more.length > 0) throw new LdapError('invalidDnSyntax', 'a new name is one level')
    const newDn = [rdn, ...(request.newSuperior === undefined ? dn.slice(1) : nameIn(request.newSuperior))]
    const place = this.#tree.placeOf(newDn)
    if (!place || place.kind === 'list')
      throw new LdapError('namingViolation', 'no entry of this tree can have this name')
    if ((place.kind === 'placed' ? 'attributes' in entry : place.kind === entry.kind) === false)
      throw new LdapError('namingViolation', 'an entry stands with its kind')
    const above = await this.#mustHaveParent(newDn, place)
    const there = await this.#tree.nodeAt(place)
    if (there && (!('id' in there) || there.id !== entry.id))
      throw new LdapError('entryAlreadyExists', 'there is an entry of this name')
    const to =
      place.kind !== 'placed'
        ? { [entry.kind === 'domain' ? 'name' : 'match']: place.name }
        : await this.#moved(entry as Placed, place, above, request.deleteOld)
    await this.make([{ set: entry.id, to, version: entry.version }], by)
  }

  async #moved(entry: Placed, place: TreePlace, above: Node | undefined, deleteOld: boolean): Promise<EntryPatch> {
    if (place.path === '' || (entry.kind === 'object' && entry.rdn === ''))
      throw new LdapError('unwillingToPerform', 'the suffix keeps its name')
    if (entry.kind === 'unit' && !(place.rdn.length === 1 && baseOf(place.rdn[0]?.type ?? '') === 'ou'))
      throw new LdapError('namingViolation', 'a unit is called by ou')
    const after: Attributes = new Map(attributesOf(entry, []))
    for (const { type, value } of deleteOld ? nameOf(entry) : []) {
      const base = baseOf(type)
      const left = (after.get(base) ?? []).filter((one) => foldText(one) !== foldText(value))
      if (left.length > 0) after.set(base, left)
      else after.delete(base)
    }
    withName(after, place.rdn)
    const { name, ...fields } = await this.#naming(entry.kind, place, above, after, entry)
    const isCalled = entry.kind === 'account' || entry.kind === 'group'
    const shownName = entry.kind === 'group' && fields.rdn !== null ? undefined : name
    const attributes = furtherOf({ kind: entry.kind, name: shownName }, after, entry)
    return { ...fields, ...(isCalled ? { name } : {}), attributes } as EntryPatch
  }

  /** The fields that differ. */
  async #fieldsOf(
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
    if (host !== undefined && this.#options.mailHostChannel === undefined)
      throw new LdapError(
        'unwillingToPerform',
        'mailHostChannel says to which channel a mailHost belongs; or write iems-route',
      )
    fields.route = host === undefined ? null : { channel: this.#options.mailHostChannel, nexthop: host }
  }

  async #membersOf(before: Attributes, after: Attributes, group: string | undefined): Promise<Fields['members']> {
    const read = async (all: Attributes): Promise<Map<string, Member>> => {
      const named = [...(all.get('member') ?? []), ...(all.get('uniquemember') ?? [])]
      const members: Member[] = await Promise.all(named.map((text) => this.#memberOf(text, group)))
      for (const address of all.get('rfc822mailmember') ?? []) members.push({ address })
      return new Map(members.map((member) => [textOfMember(member), member]))
    }
    const [old, now] = [await read(before), await read(after)]
    const without = (one: Map<string, Member>, other: Map<string, Member>) =>
      [...one].flatMap(([key, member]) => (other.has(key) ? [] : [member]))
    const members = { add: without(now, old), remove: without(old, now) }
    return members.add.length + members.remove.length > 0 ? members : undefined
  }
}

function nameIn(text: string): Dn {
  const dn = parseDn(text)
  if (!dn) throw new LdapError('invalidDnSyntax', 'this is no name')
  return dn
}

/** `mail` and `mailLocalAddress` show the same addresses; a change of either is a change of them. */
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

/** What the directory says to those that were not made because of another one. */
const ALONE = 'another change of the same call was refused'

const textOfMember = (member: Member) => JSON.stringify(member).toLowerCase()

const withoutNulls = (fields: object) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)) as unknown as NewEntry

/** An entry's own name; none for the suffix. */
function nameOf(entry: Entry): Rdn {
  switch (entry.kind) {
    case 'domain':
      return [{ type: NAMING.domain, value: entry.name }]
    case 'alias':
    case 'route':
      return [{ type: NAMING[entry.kind], value: entry.match }]
    default:
      return parseDn(rdnOf(entry))?.[0] ?? []
  }
}

/** What `cn` has of a group because that is its name. */
const groupNameOf = (entry: Entry) => (entry.kind === 'group' && entry.rdn === undefined ? entry.name : undefined)

/** Puts what an entry is called by among its attributes, first. */
function withName(all: Attributes, rdn: Rdn): void {
  for (const { type, value } of rdn) {
    const base = baseOf(type)
    const others = (all.get(base) ?? []).filter((one) => foldText(one) !== foldText(value))
    all.set(base, [value, ...others])
  }
}
