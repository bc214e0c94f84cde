/**
 * Add, modify, delete and rename (RFC 4511 sections 4.6 to 4.9) as changes of the directory.
 *
 * Invariants: an operation is one commit that fails if the entry has changed since it was read; it has the same effect
 * as the command line; a password is written and never returned.
 */
import type { Log } from 'iems'
import {
  type Change,
  type DirectoryApi,
  type Entry,
  type EntryKind,
  type EntryPatch,
  isRefused,
  NAMING,
  type NewEntry,
  type Placed,
  pathOf,
  type Refused,
} from '../../store/api.ts'
import { EntryFields } from './entry-fields.ts'
import { EntryNames, groupNameOf, nameOf, withName } from './entry-names.ts'
import { accountName, baseOf, furtherOf, kindOf } from './kinds.ts'
import { MemberChanges } from './member-changes.ts'
import { type Dn, foldText, parseDn } from './protocol/dn.ts'
import type { Modification, Request } from './protocol/requests.ts'
import { LdapError, type ResultName } from './protocol/responses.ts'
import { describe } from './schema.ts'
import { type SchemaCheck, violationsOf } from './schema-check.ts'
import type { ListedKind, Node, Place, Tree, TreePlace } from './tree.ts'
import { type Attributes, apply, described, hasValue, newPassword, passwordIn } from './values.ts'
import { attributesOf, CLASSES, createLazy } from './view.ts'

const REFUSALS: Readonly<Record<Refused['refused'], ResultName>> = {
  NONEXISTENT: 'noSuchObject',
  ALREADYEXISTS: 'entryAlreadyExists',
  INVALID: 'constraintViolation',
  INUSE: 'notAllowedOnNonLeaf',
  CHANGED: 'busy',
  READONLY: 'unwillingToPerform',
}
/** Maximum retries when other clients change the same entry. */
const TRIES = 5

type ListedPlace = Extract<Place, { kind: ListedKind }>
type Renamed = Extract<Request, { kind: 'rename' }>

export interface WritingOptions {
  readonly mailHostChannel?: string | undefined
  readonly schemaCheck: SchemaCheck
  readonly log: Pick<Log, 'warn'>
}

export class Writing {
  readonly #directory: DirectoryApi
  readonly #tree: Tree
  readonly #options: WritingOptions
  readonly #lazy
  readonly #fields: EntryFields
  readonly #names: EntryNames
  readonly #members: MemberChanges

  constructor(directory: DirectoryApi, tree: Tree, options: WritingOptions) {
    this.#directory = directory
    this.#tree = tree
    this.#options = options
    this.#lazy = createLazy(directory, tree)
    this.#fields = new EntryFields(tree, options.mailHostChannel)
    this.#names = new EntryNames(directory)
    this.#members = new MemberChanges(directory, this.#fields)
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

  /** The parent of an entry; undefined at the suffix. */
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
    return withoutNulls({ kind: place.kind, ...(await this.#fields.changed(place.kind, new Map(), after)), ...name })
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
    const { name, ...fields } = await this.#names.naming(kind, place, above, after)
    // In a group with a separate RDN, `cn` is an ordinary attribute.
    const shownName = kind === 'group' && fields.rdn !== null ? undefined : name
    const { members, ...rest } = await this.#fields.changed(kind, new Map(), after, { name: shownName })
    return withoutNulls({
      kind,
      ...rest,
      ...fields,
      ...(kind === 'account' || kind === 'group' ? { name } : {}),
      ...(members ? { members: members.add } : {}),
      ...(password === undefined ? {} : { password }),
    })
  }

  /** Checks the schema, if the administrator enforces it. */
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
    const quick = await this.#members.alone(entry, modifications)
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
    const { members, ...fields } = await this.#fields.changed(entry.kind, before, after, { name, entry })
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
    const { name, ...fields } = await this.#names.naming(entry.kind, place, above, after, entry)
    const isCalled = entry.kind === 'account' || entry.kind === 'group'
    const shownName = entry.kind === 'group' && fields.rdn !== null ? undefined : name
    const attributes = furtherOf({ kind: entry.kind, name: shownName }, after, entry)
    return { ...fields, ...(isCalled ? { name } : {}), attributes } as EntryPatch
  }
}

function nameIn(text: string): Dn {
  const dn = parseDn(text)
  if (!dn) throw new LdapError('invalidDnSyntax', 'this is no name')
  return dn
}

/** The directory's message for changes refused because of another one. */
const ALONE = 'another change of the same call was refused'

const withoutNulls = (fields: object) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)) as unknown as NewEntry
