/**
 * Entries as LDAP shows them: attributes with values.
 *
 * Invariants: no password appears; indexed values (see the directory) and shown values are equal.
 */
import {
  type DirectoryAccount,
  type DirectoryApi,
  type EntryKind,
  type Placed,
  rdnOf,
  valuesIn,
} from '../../store/api.ts'
import { foldText, type Rdn } from './protocol/dn.ts'
import { className, classOf, describe, lineageOf } from './schema.ts'
import type { Node, Tree } from './tree.ts'

/** By the keys of `AttributeDescription`. */
export type Attributes = ReadonlyMap<string, readonly string[]>

export const SUBSCHEMA_DN = 'cn=Subschema'

/** The last is the structural class, apart from auxiliary ones after it. */
export const CLASSES: Readonly<Record<EntryKind | 'list', readonly string[]>> = {
  account: ['top', 'person', 'organizationalPerson', 'inetOrgPerson', 'inetLocalMailRecipient', 'iems-account'],
  group: ['top', 'groupOfNames', 'iems-group'],
  unit: ['top', 'organizationalUnit'],
  object: [],
  domain: ['top', 'iems-domain'],
  alias: ['top', 'iems-alias', 'inetLocalMailRecipient'],
  route: ['top', 'iems-route', 'inetLocalMailRecipient'],
  list: ['top', 'iems-container'],
}
const STRUCTURAL: Readonly<Record<EntryKind | 'list', string>> = {
  account: 'inetOrgPerson',
  group: 'groupOfNames',
  unit: 'organizationalUnit',
  object: 'top',
  domain: 'iems-domain',
  alias: 'iems-alias',
  route: 'iems-route',
  list: 'iems-container',
}
/** Top-level entries by their naming attribute. */
const TOPS: Readonly<Record<string, string>> = {
  dc: 'domain',
  o: 'organization',
  ou: 'organizationalUnit',
  c: 'country',
  l: 'locality',
}

/** RFC 4517 section 3.3.13. */
const timeOf = (ms: number) => `${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
const yes = (value: boolean) => (value ? 'TRUE' : 'FALSE')
const routeText = ({ channel, nexthop }: { readonly channel: string; readonly nexthop: string }) =>
  `${channel}:${nexthop}`

/** RFC 4519: a person always has cn and sn. */
export const impliedCn = ({ displayName, name }: DirectoryAccount) => displayName ?? name
export const impliedSn = ({ displayName, name }: DirectoryAccount) => (displayName ?? name).split(' ').at(-1) as string

/** Depends on the entry alone. */
export function attributesOf(node: Node, top: Rdn): Map<string, readonly string[]> {
  const all = new Map<string, readonly string[]>()
  const put = (key: string, ...values: readonly (string | undefined)[]) => {
    const there = values.filter((value) => value !== undefined && value !== '') as string[]
    if (there.length > 0) all.set(key, [...(all.get(key) ?? []), ...there])
  }
  if (node.kind === 'suffix') {
    const given = node.top?.attributes ?? {}
    const classes = given.objectclass ?? ['top', TOPS[baseOf(top[0]?.type ?? '')] ?? 'domain']
    put('objectclass', ...withSuperiors(classes))
    for (const { type, value } of top)
      if (!given[baseOf(type)]?.some((one) => foldText(one) === foldText(value))) put(baseOf(type), value)
    for (const [name, values] of Object.entries(given)) if (name !== 'objectclass') put(name, ...values)
    return all
  }
  put('objectclass', ...classesOf(node))
  if ('attributes' in node)
    for (const [name, values] of Object.entries(node.attributes))
      if (name !== 'objectclass' && !OWN_ATTRIBUTES[node.kind].includes(name)) all.set(name, values)
  switch (node.kind) {
    case 'account':
      account(node, all)
      break
    case 'group':
      if (node.rdn === undefined) all.set('cn', [node.name, ...(node.attributes.cn ?? [])])
      put('mail', ...node.addresses)
      put('iems-senders', node.senders)
      break
    case 'unit':
      all.set('ou', [valuesIn(rdnOf(node))[0]?.[1] ?? '', ...(node.attributes.ou ?? [])])
      break
    case 'domain':
      put('iems-name', node.name)
      put('iems-alias-of', node.aliasOf)
      put('iems-catch-all', node.catchAll)
      break
    case 'alias':
      put('iems-match', node.match)
      put('iems-target', ...node.targets)
      put('maillocaladdress', node.match)
      put('mailroutingaddress', ...node.targets)
      break
    case 'route':
      put('iems-match', node.match)
      put('iems-route', routeText(node.target))
      put('maillocaladdress', node.match)
      put('mailhost', node.target.nexthop)
      break
    case 'list':
      put('iems-list', node.name)
  }
  return all
}

const baseOf = (type: string) => describe(type)?.base ?? type.toLowerCase()

/** Adds the superclasses (RFC 4512 section 3.3), each once. */
function withSuperiors(classes: readonly string[]): string[] {
  const all = new Map<string, string>()
  for (const name of classes)
    for (const one of lineageOf(name).toReversed()) if (!all.has(one.toLowerCase())) all.set(one.toLowerCase(), one)
  return [...all.values()]
}

/** Members of this group are `uniqueMember` values. */
export const hasUniqueMembers = (node: Node) =>
  node.kind === 'group' && (node.attributes.objectclass ?? []).some((name) => className(name) === 'groupOfUniqueNames')

function classesOf(node: Exclude<Node, { kind: 'suffix' }>): readonly string[] {
  const own = CLASSES[node.kind]
  if (!('attributes' in node) || !node.attributes.objectclass) return own
  const kept = hasUniqueMembers(node) ? own.filter((name) => name !== 'groupOfNames') : own
  return withSuperiors([...kept, ...node.attributes.objectclass])
}

function account(node: DirectoryAccount, all: Map<string, readonly string[]>): void {
  const { name, addresses, displayName, quota, status, forward, route, roles, mayRelay, sendAs, attributes } = node
  const set = (key: string, values: readonly (string | undefined)[]) => {
    const there = values.filter((value) => value !== undefined)
    if (there.length > 0) all.set(key, there)
  }
  set('uid', [name, ...(attributes.uid ?? [])])
  if (!attributes.cn?.length) set('cn', [impliedCn(node)])
  if (!attributes.sn?.length) set('sn', [impliedSn(node)])
  set('mail', addresses)
  set('displayname', [displayName, ...(attributes.displayname ?? [])])
  set('maillocaladdress', addresses)
  set('mailhost', [route?.nexthop])
  set('mailroutingaddress', forward?.to ?? [])
  set('iems-quota', [quota?.toString()])
  set('iems-status', [status])
  set('iems-forward-keep', [forward && yes(forward.keep)])
  set('iems-route', [route && routeText(route)])
  set('iems-role', roles)
  set('iems-may-relay', [yes(mayRelay)])
  set('iems-send-as', sendAs)
}

/** Derived only from fields, because other values would not be found by address lookups. */
export const OWN_ATTRIBUTES: Readonly<Record<Placed['kind'], readonly string[]>> = {
  account: ['mail', 'maillocaladdress', 'mailhost', 'mailroutingaddress', 'iems-forward-keep'],
  group: ['mail', 'maillocaladdress', 'member', 'uniquemember', 'rfc822mailmember'],
  unit: [],
  object: [],
}

/** Computed only on request. */
export const LAZY = ['member', 'uniquemember', 'rfc822mailmember', 'memberof', 'hassubordinates', 'entrydn'] as const
export type LazyName = (typeof LAZY)[number]

/** Adds the operational attributes of every entry. */
export function addOperational(node: Node, all: Map<string, readonly string[]>): void {
  all.set('subschemasubentry', [SUBSCHEMA_DN])
  all.set('structuralobjectclass', [
    node.kind === 'suffix' || node.kind === 'object' || hasUniqueMembers(node)
      ? structuralOf(all.get('objectclass') ?? [])
      : STRUCTURAL[node.kind],
  ])
  const kept = node.kind === 'suffix' ? node.top : node
  if (!kept || !('id' in kept)) return
  all.set('entryuuid', [kept.id])
  all.set('createtimestamp', [timeOf(kept.created)])
  all.set('modifytimestamp', [timeOf(kept.modified)])
}

/** RFC 4512 section 2.4.2: the most derived structural class. */
function structuralOf(classes: readonly string[]): string {
  const structural = classes.filter((name) => classOf(name)?.kind === 'STRUCTURAL')
  return structural.sort((a, b) => lineageOf(b).length - lineageOf(a).length)[0] ?? classes.at(-1) ?? 'top'
}

export function createLazy(directory: DirectoryApi, tree: Tree) {
  async function members(group: string, isAddress: boolean): Promise<string[]> {
    const found: string[] = []
    for await (const member of directory.members(group)) {
      if ('address' in member !== isAddress) continue
      const text = 'address' in member ? member.address : await tree.dnOfMember(member)
      if (text !== undefined) found.push(text)
    }
    return found
  }
  async function groups(id: string): Promise<string[]> {
    const found: string[] = []
    for await (const group of directory.memberOf(id)) {
      const dn = await tree.dnOfId(group)
      if (dn !== undefined) found.push(dn)
    }
    return found
  }
  return async (node: Node, name: LazyName): Promise<readonly string[]> => {
    switch (name) {
      case 'member':
        return node.kind === 'group' && !hasUniqueMembers(node) ? members(node.id, false) : []
      case 'uniquemember':
        return node.kind === 'group' && hasUniqueMembers(node) ? members(node.id, false) : []
      case 'rfc822mailmember':
        return node.kind === 'group' ? members(node.id, true) : []
      case 'memberof':
        return 'attributes' in node ? groups(node.id) : []
      case 'hassubordinates':
        return [yes(await tree.hasChildren(node))]
      case 'entrydn':
        return [await tree.dnOf(node)]
    }
  }
}
