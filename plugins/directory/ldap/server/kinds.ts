/**
 * Derives the kind of an entry from its classes and attributes, and the attributes that are fields of the directory.
 *
 * Invariants: every entry with a class has a kind; all other attributes are stored unchanged.
 */
import {
  type DirectoryAccount,
  type Entry,
  type EntryKind,
  type Group,
  kindOfClasses,
  type Placed,
} from '../../store/api.ts'
import { foldText, type Rdn } from './protocol/dn.ts'
import { LdapError } from './protocol/responses.ts'
import { describe } from './schema.ts'
import { type Attributes, isSameList } from './values.ts'
import { CLASSES, impliedCn, impliedSn, OWN_ATTRIBUTES } from './view.ts'

export const baseOf = (type: string) => describe(type)?.base ?? type.toLowerCase()
/** The RDN's value of an attribute. */
export const inName = (rdn: Rdn, base: string) => rdn.find(({ type }) => baseOf(type) === base)?.value

export function kindOf(rdn: Rdn, all: Attributes, hasPassword: boolean): Placed['kind'] {
  const classes = all.get('objectclass') ?? []
  if (classes.length === 0) throw new LdapError('objectClassViolation', 'an entry has an objectClass')
  const isUnitName = rdn.length === 1 && inName(rdn, 'ou') !== undefined
  return kindOfClasses({ classes, has: (name) => all.has(name), isUnitName, hasPassword })
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

/** Attributes that are fields of the directory. */
export const FIELDS: Readonly<Record<EntryKind, Readonly<Record<string, Field>>>> = {
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
  object: {},
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

/** Indexed attributes that only entries of their own kinds may have. */
const RESERVED: readonly string[] = [
  'iems-match',
  'iems-name',
  'iems-list',
  'rfc822mailmember',
  'member',
  'uniquemember',
]

export interface Named {
  readonly kind: Placed['kind']
  /** The value of `uid`, `cn` or `ou` that comes from the entry's name; undefined if none. */
  readonly name: string | undefined
}
const NAMED_BY: Readonly<Record<Placed['kind'], string>> = { account: 'uid', group: 'cn', unit: 'ou', object: '' }

/** The attributes that are not fields. */
export function furtherOf({ kind, name }: Named, after: Attributes, entry?: Entry): Record<string, string[]> {
  const further: Record<string, string[]> = {}
  for (const [key, values] of after) {
    if (Object.hasOwn(FIELDS[kind], key) || OWN_ATTRIBUTES[kind].includes(key)) continue
    if (RESERVED.includes(key))
      throw new LdapError('objectClassViolation', `${describe(key)?.shown} is not for ${kind}s`)
    const isOwn = (value: string) => name !== undefined && foldText(value) === foldText(name)
    const left =
      key === 'objectclass'
        ? values.filter(isFurtherClass(kind))
        : key === NAMED_BY[kind]
          ? values.filter((value) => !isOwn(value))
          : values
    if (left.length > 0) further[key] = [...left]
  }
  if (entry?.kind === 'account') {
    // Implied by the class, not set by a client.
    const { attributes } = entry
    if (!attributes.cn?.length && isSameList(further.cn, [impliedCn(entry)])) delete further.cn
    if (!attributes.sn?.length && isSameList(further.sn, [impliedSn(entry)])) delete further.sn
  }
  return further
}

const isFurtherClass = (kind: Placed['kind']) => (name: string) =>
  kind === 'object' || !CLASSES[kind].some((own) => own.toLowerCase() === name.toLowerCase())

/** An account's name: its `uid`, or the closest attribute. */
export function accountName(rdn: Rdn, after: Attributes, entry?: DirectoryAccount): string {
  const uids = after.get('uid') ?? []
  const isStill = entry && uids.some((uid) => foldText(uid) === foldText(entry.name))
  const kept = isStill ? entry.name : undefined
  const name = inName(rdn, 'uid') ?? kept ?? uids[0] ?? after.get('samaccountname')?.[0] ?? entry?.name
  return (name ?? inName(rdn, 'cn') ?? rdn[0]?.value ?? '').trim()
}

export const groupName = (rdn: Rdn, after: Attributes, entry?: Group): string =>
  (inName(rdn, 'cn') ?? entry?.name ?? after.get('cn')?.[0] ?? rdn[0]?.value ?? '').trim()
