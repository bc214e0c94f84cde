/**
 * Add, modify, delete and rename (RFC 4511 sections 4.6 to 4.9) as changes of the directory.
 *
 * What must stay true: an operation is one commit, made only if the entry is still what it was when it was read; what it
 * changes is what the same change on the command line would; a password goes in and never comes out.
 */
import { isUtf8 } from 'node:buffer'
import {
  type Change,
  type DirectoryApi,
  type Entry,
  type EntryKind,
  type EntryPatch,
  isRefused,
  type Member,
  NAMING,
  type NewEntry,
  type Refused,
} from '../directory/api.ts'
import { type Dn, foldText, parseDn } from './protocol/dn.ts'
import type { Attribute, Modification, Request } from './protocol/requests.ts'
import { LdapError, type ResultName } from './protocol/responses.ts'
import { type AttributeDescription, describe, foldValue, isBinary } from './schema.ts'
import type { Place, Tree } from './tree.ts'
import { attributesOf, CLASSES, createLazy, impliedCn, impliedSn } from './view.ts'

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

/** Attributes by their keys, as an operation leaves them. */
type Attributes = Map<string, readonly string[]>
type Named = Extract<Place, { name: string; unit: string }>

export interface WritingOptions {
  readonly mailHostChannel: string | undefined
}

export type Writing = ReturnType<typeof createWriting>

export function createWriting(directory: DirectoryApi, tree: Tree, options: WritingOptions) {
  const lazy = createLazy(directory, tree)

  function nameIn(text: string): Dn {
    const dn = parseDn(text)
    if (!dn) throw new LdapError('invalidDnSyntax', 'this is no name')
    return dn
  }

  async function entryAt(text: string): Promise<Entry> {
    const dn = nameIn(text)
    const node = await tree.resolve(dn)
    if (!node) throw new LdapError('noSuchObject', '', await tree.nearest(dn))
    if (!('id' in node)) throw new LdapError('unwillingToPerform', 'this entry stays as it is')
    return node
  }

  async function make(changes: readonly Change[], by: string): Promise<void> {
    if (changes.length === 0) return
    const results = await directory.change(changes, by, 'all')
    const refused = results.find((one) => isRefused(one) && one.why !== ALONE)
    if (refused && isRefused(refused)) throw new LdapError(REFUSALS[refused.refused], refused.why)
  }

  // --- add ---

  async function add({ dn: text, attributes: given }: Extract<Request, { kind: 'add' }>, by: string): Promise<void> {
    const dn = nameIn(text)
    const place = tree.placeOf(dn)
    if (!place) throw new LdapError('namingViolation', 'accounts are uid=…, groups cn=…, units ou=…, below the suffix')
    if (!('unit' in place)) throw new LdapError('entryAlreadyExists', 'it is always there')
    if (await tree.nodeAt(place)) throw new LdapError('entryAlreadyExists', 'there is an entry of this name')
    await mustHaveParent(dn, place)
    const after: Attributes = new Map()
    let password: string | undefined
    for (const attribute of given) {
      const description = described(attribute)
      if (attribute.values.length === 0) throw new LdapError('protocolError', `${attribute.type} has no values`)
      if (description.base === 'userpassword') password = passwordIn(attribute)
      else apply(after, { how: 'add', attribute })
    }
    mustBeOf(place.kind, after)
    const named = withName(after, place)
    const { members, ...fields } = await fieldsOf(place.kind, new Map(), named)
    const entry = {
      kind: place.kind,
      ...fields,
      ...nameFields(place),
      ...(place.kind === 'unit' ? { path: await pathFor(place) } : {}),
      ...(members ? { members: members.add } : {}),
      ...(password === undefined ? {} : { password }),
    }
    await make([{ add: withoutNulls(entry) as unknown as NewEntry }], by)
  }

  async function mustHaveParent(dn: Dn, { unit }: Named): Promise<void> {
    const above = await tree.resolve(dn.slice(1))
    if (!above || (above.kind !== 'suffix' && above.kind !== 'unit' && above.kind !== 'list'))
      throw new LdapError('noSuchObject', unit === '' ? '' : `there is no unit ${unit}`, await tree.nearest(dn))
  }

  async function pathFor({ name, unit }: Named): Promise<string> {
    const own = name.split('/').at(-1) as string
    return unit === '' ? own : `${await tree.writtenPath(unit)}/${own}`
  }

  // --- modify ---

  async function modify(
    { dn, changes }: { readonly dn: string; readonly changes: readonly Modification[] },
    by: string,
  ): Promise<void> {
    for (let tries = 1; ; tries++) {
      const entry = await entryAt(dn)
      try {
        return await make(await changesOf(entry, changes), by)
      } catch (cause) {
        if (!(cause instanceof LdapError) || cause.result.result !== 'busy' || tries >= TRIES) throw cause
      }
    }
  }

  async function changesOf(entry: Entry, modifications: readonly Modification[]): Promise<Change[]> {
    const before = attributesOf(entry, [])
    const quick = await membersAlone(entry, modifications)
    if (quick) return quick
    for (const name of ['member', 'rfc822mailmember'] as const) {
      if (!modifications.some(({ attribute }) => describe(attribute.type)?.base === name)) continue
      const values = await lazy(entry, name)
      if (values.length > 0) before.set(name, values)
    }
    const after: Attributes = new Map(before)
    let password: string | null | undefined
    for (const modification of modifications) {
      if (described(modification.attribute).base === 'userpassword') password = newPassword(modification)
      else apply(after, modification)
    }
    mustKeepName(entry, after)
    const { members, ...fields } = await fieldsOf(entry.kind, before, after, entry)
    const patch = { ...fields, ...(password === undefined ? {} : { password }) } as EntryPatch
    if (password !== undefined && entry.kind !== 'account')
      throw new LdapError('objectClassViolation', 'only accounts have passwords')
    return [
      ...(Object.keys(patch).length > 0 ? [{ set: entry.id, to: patch, version: entry.version }] : []),
      ...(members ? [{ set: entry.id, members }] : []),
    ]
  }

  /** Members that come and go, without a look at all the others: a group may have very many. */
  async function membersAlone(entry: Entry, modifications: readonly Modification[]): Promise<Change[] | undefined> {
    const isQuick = ({ how, attribute }: Modification) =>
      how !== 'replace' && attribute.values.length > 0 && describe(attribute.type)?.key === 'member'
    if (entry.kind !== 'group' || !modifications.every(isQuick)) return undefined
    const add = new Map<string, Member>()
    const remove = new Map<string, Member>()
    for (const { how, attribute } of modifications) {
      for (const value of attribute.values) {
        const member = await memberOf(textOf(value, attribute))
        const id = 'id' in member ? member.id : ''
        const isIn = add.has(id) || (!remove.has(id) && (await isMember(entry.id, id)))
        if (how === 'add') {
          if (isIn) throw new LdapError('attributeOrValueExists', `${textOf(value, attribute)} is in the group`)
          if (!remove.delete(id)) add.set(id, member)
        } else {
          if (!isIn) throw new LdapError('noSuchAttribute', `${textOf(value, attribute)} is not in the group`)
          if (!add.delete(id)) remove.set(id, member)
        }
      }
    }
    return [{ set: entry.id, members: { add: [...add.values()], remove: [...remove.values()] } }]
  }

  async function isMember(group: string, id: string): Promise<boolean> {
    for await (const above of directory.memberOf(id)) if (above === group) return true
    return false
  }

  async function memberOf(dn: string): Promise<Member> {
    const node = await tree.resolve(nameIn(dn))
    if (!node) throw new LdapError('constraintViolation', `there is no ${dn}`)
    if (node.kind !== 'account' && node.kind !== 'group')
      throw new LdapError('constraintViolation', `${dn} can be in no group`)
    return { id: node.id }
  }

  // --- delete ---

  async function remove({ dn }: { readonly dn: string }, by: string): Promise<void> {
    await make([{ remove: (await entryAt(dn)).id }], by)
  }

  // --- rename ---

  async function rename(request: Extract<Request, { kind: 'rename' }>, by: string): Promise<void> {
    const entry = await entryAt(request.dn)
    const dn = nameIn(request.dn)
    const [rdn, ...more] = nameIn(request.newRdn)
    if (!rdn || more.length > 0) throw new LdapError('invalidDnSyntax', 'a new name is one level')
    const above = request.newSuperior === undefined ? dn.slice(1) : nameIn(request.newSuperior)
    const place = tree.placeOf([rdn, ...above])
    if (place?.kind !== entry.kind || !('unit' in place))
      throw new LdapError('namingViolation', `it is called by ${NAMING[entry.kind]}, and stands with its kind`)
    await mustHaveParent([rdn, ...above], place)
    const there = await tree.nodeAt(place)
    if (there && 'id' in there && there.id !== entry.id)
      throw new LdapError('entryAlreadyExists', 'there is an entry of this name')
    const fields =
      entry.kind === 'unit'
        ? { path: await pathFor(place) }
        : { ...nameFields(place), ...('unit' in entry ? { unit: place.unit } : {}) }
    const kept = request.deleteOld ? {} : oldName(entry, place)
    await make([{ set: entry.id, to: { ...fields, ...kept } as EntryPatch, version: entry.version }], by)
  }

  /** The name that was stays as a further value. */
  function oldName(entry: Entry, place: Named): EntryPatch {
    if (!('attributes' in entry)) return {}
    const key = NAMING[entry.kind]
    const old = entry.kind === 'unit' ? (entry.path.split('/').at(-1) as string) : entry.name
    const values = entry.attributes[key] ?? []
    const isSame = [place.name.split('/').at(-1) as string, ...values].some(
      (value) => foldText(value) === foldText(old),
    )
    return isSame ? {} : { attributes: { ...entry.attributes, [key]: [...values, old] } }
  }

  // --- what attributes come to ---

  interface Fields {
    readonly members?: { readonly add: readonly Member[]; readonly remove: readonly Member[] }
    readonly [field: string]: unknown
  }

  /** The fields that differ. */
  async function fieldsOf(kind: EntryKind, before: Attributes, after: Attributes, entry?: Entry): Promise<Fields> {
    const fields: Record<string, unknown> = {}
    const isChanged = (key: string) => !isSameList(before.get(key), after.get(key))
    const own = FIELDS[kind]
    for (const [key, { field, read }] of Object.entries(own))
      if (isChanged(key))
        fields[field] = (after.get(key)?.length ?? 0) > 0 ? read(after.get(key) as string[], key) : null
    if ((kind === 'account' || kind === 'group') && (isChanged('mail') || isChanged('maillocaladdress')))
      fields.addresses = addressesOf(before, after)
    if (kind === 'account') forwardAndRoute(fields, isChanged, after)
    if (kind === 'account' || kind === 'group' || kind === 'unit') {
      const attributes = furtherOf(kind, after, entry)
      const old = entry && 'attributes' in entry ? entry.attributes : {}
      if (!isSameAttributes(old, attributes)) fields.attributes = attributes
    } else {
      const strange = [...before.keys(), ...after.keys()].find(
        (key) => isChanged(key) && !Object.hasOwn(own, key) && key !== 'objectclass',
      )
      if (strange !== undefined) throw new LdapError('objectClassViolation', `a ${kind} has no ${strange}`)
    }
    const members = kind === 'group' ? await membersOf(before, after) : undefined
    return members ? { ...fields, members } : fields
  }

  function forwardAndRoute(fields: Record<string, unknown>, isChanged: (key: string) => boolean, after: Attributes) {
    if (isChanged('mailroutingaddress') || isChanged('iems-forward-keep')) {
      const to = after.get('mailroutingaddress') ?? []
      const keep = after.get('iems-forward-keep')?.[0]?.toUpperCase() === 'TRUE'
      fields.forward = to.length === 0 ? null : { to, keep }
    }
    if (!isChanged('mailhost') || isChanged('iems-route')) return
    const [host] = after.get('mailhost') ?? []
    if (host !== undefined && options.mailHostChannel === undefined)
      throw new LdapError(
        'unwillingToPerform',
        'mailHostChannel says to which channel a mailHost belongs; or write iems-route',
      )
    fields.route = host === undefined ? null : { channel: options.mailHostChannel, nexthop: host }
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

  async function membersOf(before: Attributes, after: Attributes): Promise<Fields['members']> {
    const read = async (all: Attributes): Promise<Member[]> => [
      ...(await Promise.all([...(all.get('member') ?? []), ...(all.get('uniquemember') ?? [])].map(memberOf))),
      ...(all.get('rfc822mailmember') ?? []).map((address) => ({ address })),
    ]
    const [old, now] = [await read(before), await read(after)]
    const textOfMember = (member: Member) => JSON.stringify(member).toLowerCase()
    const without = (list: readonly Member[], others: readonly Member[]) => {
      const known = new Set(others.map(textOfMember))
      return list.filter((member) => !known.has(textOfMember(member)))
    }
    const members = { add: without(now, old), remove: without(old, now) }
    return members.add.length + members.remove.length > 0 ? members : undefined
  }

  return { add, modify, remove, rename, entryAt, make }
}

/** What the directory says to those that were not made because of another one. */
const ALONE = 'another change of the same call was refused'

// --- single attributes -----------------------------------------------------------------------------------

function described(attribute: Attribute): AttributeDescription {
  const description = describe(attribute.type)
  if (!description) throw new LdapError('undefinedAttributeType', 'that is no name of an attribute')
  if (description.type?.isOperational)
    throw new LdapError('constraintViolation', `${description.shown}: no user modification allowed`)
  return description
}

/** Entries hold text: what is none is kept as base64 where that is meant, and refused elsewhere. */
function textOf(value: Buffer, { type }: Attribute): string {
  const description = describe(type)
  if (description && isBinary(description.base)) return value.toString('base64')
  if (!isUtf8(value)) throw new LdapError('invalidAttributeSyntax', `${type} is text`)
  return value.toString()
}

function apply(all: Attributes, { how, attribute }: Modification): void {
  const { base, key, shown, type } = described(attribute)
  const old = all.get(key) ?? []
  const given = attribute.values.map((value) => textOf(value, attribute))
  const fold = (value: string) => (isBinary(base) ? value : (foldValue(base, value) ?? value))
  if (type && given.some((value) => !isBinary(base) && foldValue(base, value) === undefined))
    throw new LdapError('invalidAttributeSyntax', `${shown}: invalid value`)
  if (given.includes('') || given.some((value) => value.trim() === ''))
    throw new LdapError('invalidAttributeSyntax', `${shown}: a value is empty`)
  const folded = new Set(how === 'replace' ? [] : old.map(fold))
  let left = how === 'replace' ? [] : [...old]
  if (how === 'delete') {
    if (old.length === 0) throw new LdapError('noSuchAttribute', `${shown}: no such attribute`)
    for (const value of given)
      if (!folded.delete(fold(value))) throw new LdapError('noSuchAttribute', `${shown}: no such value`)
    left = given.length === 0 ? [] : left.filter((value) => folded.has(fold(value)))
  } else {
    if (how === 'add' && given.length === 0) throw new LdapError('protocolError', `${shown} has no values`)
    for (const value of given) {
      // What an entry has anyway may be said.
      if (folded.has(fold(value)) && base === 'objectclass') continue
      if (folded.has(fold(value)))
        throw new LdapError('attributeOrValueExists', `${shown}: value is there already, or twice`)
      folded.add(fold(value))
      left.push(value)
    }
  }
  if (type?.isSingle && left.length > 1) throw new LdapError('constraintViolation', `${shown}: has one value`)
  if (left.length > 0) all.set(key, left)
  else all.delete(key)
}

function passwordIn(attribute: Attribute): string {
  const [value, ...more] = attribute.values
  if (!value || more.length > 0) throw new LdapError('constraintViolation', 'an account has one password')
  if (!isUtf8(value)) throw new LdapError('invalidAttributeSyntax', 'a password is text')
  return value.toString()
}

function newPassword({ how, attribute }: Modification): string | null | undefined {
  if (how === 'delete' || (how === 'replace' && attribute.values.length === 0)) return null
  return passwordIn(attribute)
}

function isSameList(a: readonly string[] = [], b: readonly string[] = []): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at])
}

function isSameAttributes(
  a: Readonly<Record<string, readonly string[]>>,
  b: Readonly<Record<string, readonly string[]>>,
): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => isSameList(a[name], b[name]))
}

const withoutNulls = (fields: object) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))

// --- names and classes ----------------------------------------------------------------------------------------

const ownNameOf = (entry: Entry | undefined) => entry && attributesOf(entry, []).get(NAMING[entry.kind])?.[0]
const ownName = (place: Named) => (place.kind === 'unit' ? (place.name.split('/').at(-1) as string) : place.name)

function nameFields(place: Named): object {
  switch (place.kind) {
    case 'unit':
      return {}
    case 'alias':
    case 'route':
      return { match: place.name }
    case 'domain':
      return { name: place.name }
    default:
      return { name: place.name, unit: place.unit }
  }
}

/** The attributes of a new entry with the one that it is called by, first. */
function withName(all: Attributes, place: Named): Attributes {
  const key = NAMING[place.kind]
  const name = ownName(place)
  const others = (all.get(key) ?? []).filter((value) => foldText(value) !== foldText(name))
  return new Map([...all, [key, [name, ...others]]])
}

function mustKeepName(entry: Entry, after: Attributes): void {
  const key = NAMING[entry.kind]
  const name = ownNameOf(entry)
  if (name !== undefined && !(after.get(key) ?? []).some((value) => foldText(value) === foldText(name)))
    throw new LdapError('notAllowedOnRdn', `${key} is what the entry is called by: rename it`)
}

/** Classes that say what an entry is; of these a new one must have one, if it has any of another kind it is refused. */
const MEANT: Readonly<Record<EntryKind, readonly string[]>> = {
  account: ['inetorgperson', 'organizationalperson', 'person', 'posixaccount', 'account'],
  group: ['groupofnames', 'groupofuniquenames', 'iems-group'],
  unit: ['organizationalunit'],
  domain: ['iems-domain'],
  alias: ['iems-alias'],
  route: ['iems-route'],
}

function mustBeOf(kind: EntryKind, all: Attributes): void {
  const classes = (all.get('objectclass') ?? []).map((name) => name.toLowerCase())
  if (classes.length === 0) throw new LdapError('objectClassViolation', 'an entry has an objectClass')
  if (!classes.some((name) => MEANT[kind].includes(name)))
    throw new LdapError('objectClassViolation', `${NAMING[kind]}=… is called what has the class ${MEANT[kind][0]}`)
}

// --- fields ---------------------------------------------------------------------------------------------------

interface Field {
  readonly field: string
  read(values: readonly string[], key: string): unknown
}
const first = ([value]: readonly string[]) => value
const isYes = ([value]: readonly string[]) => value?.toUpperCase() === 'TRUE'
function target([value = '']: readonly string[]): { readonly channel: string; readonly nexthop: string } {
  const [, channel = '', nexthop = ''] = /^([^:]+):(.+)$/.exec(value) ?? []
  if (channel === '') throw new LdapError('constraintViolation', 'iems-route is channel:nexthop')
  return { channel, nexthop }
}

/** Attributes that are fields of our own. */
const FIELDS: Readonly<Record<EntryKind, Readonly<Record<string, Field>>>> = {
  account: {
    displayname: { field: 'displayName', read: first },
    'iems-quota': { field: 'quota', read: ([value]) => Number(value) },
    'iems-status': { field: 'status', read: ([value]) => value?.toLowerCase() },
    'iems-route': { field: 'route', read: target },
    'iems-role': { field: 'roles', read: (values) => values },
    'iems-may-relay': { field: 'mayRelay', read: isYes },
    'iems-send-as': { field: 'sendAs', read: (values) => values },
  },
  group: { 'iems-senders': { field: 'senders', read: ([value]) => value?.toLowerCase() } },
  unit: {},
  domain: {
    'iems-name': { field: 'name', read: first },
    'iems-alias-of': { field: 'aliasOf', read: first },
    'iems-catch-all': { field: 'catchAll', read: first },
  },
  alias: {
    'iems-match': { field: 'match', read: first },
    'iems-target': { field: 'targets', read: (values) => values },
    mailroutingaddress: { field: 'targets', read: (values) => values },
  },
  route: { 'iems-match': { field: 'match', read: first }, 'iems-route': { field: 'target', read: target } },
}
/** Shown from fields, and written elsewhere or not at all. */
const IMPLIED: readonly string[] = [
  'objectclass',
  'mail',
  'maillocaladdress',
  'mailhost',
  'mailroutingaddress',
  'iems-forward-keep',
  'member',
  'uniquemember',
  'rfc822mailmember',
]

/** What is no field of ours. */
function furtherOf(kind: 'account' | 'group' | 'unit', after: Attributes, entry?: Entry): Record<string, string[]> {
  const naming = NAMING[kind]
  const name = ownNameOf(entry) ?? after.get(naming)?.[0] ?? ''
  const further: Record<string, string[]> = {}
  for (const [key, values] of after) {
    if (Object.hasOwn(FIELDS[kind], key)) continue
    if (key === naming)
      put(
        key,
        values.filter((value) => foldText(value) !== foldText(name)),
      )
    else if (key === 'objectclass') put(key, values.filter(isFurtherClass(kind)))
    else if (!IMPLIED.includes(key) || (kind === 'unit' && key === 'mail')) put(key, values)
  }
  if (kind === 'account' && entry?.kind === 'account') {
    // Shown because a person has it, not because anybody said so.
    const { attributes } = entry
    if (!attributes.cn?.length && isSameList(further.cn, [impliedCn(entry)])) delete further.cn
    if (!attributes.sn?.length && isSameList(further.sn, [impliedSn(entry)])) delete further.sn
  }
  return further

  function put(key: string, values: readonly string[]): void {
    if (values.length > 0) further[key] = [...values]
  }
}

const isFurtherClass = (kind: EntryKind) => (name: string) =>
  !CLASSES[kind].some((own) => own.toLowerCase() === name.toLowerCase()) && !MEANT[kind].includes(name.toLowerCase())
