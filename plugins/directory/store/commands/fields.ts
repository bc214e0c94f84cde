/**
 * Entries in text form: `address=ann@example.org quota=5GB`, and columns of tables.
 *
 * Invariants: each field has the same name on the command line, in tables and in output; a field with several values is
 * repeated; a name that is neither a field nor an attribute (attributes.ts) is an error.
 */
import { withArticle } from 'iems'
import type { Entry, EntryKind } from '../api.ts'
import { attributeOf, columnOf, unknownField } from './attributes.ts'

/** Octets per unit, as in the configuration: powers of ten, and of two with an i. */
const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 1024,
  mi: 1024 ** 2,
  gi: 1024 ** 3,
  ti: 1024 ** 4,
}

type Value = string | number | boolean | null
interface Field {
  /** Field of the entry. */
  readonly field: string
  readonly isList?: true
  /** Value for empty text; default: the field is removed. */
  readonly empty?: string
  /** Throws the reason when invalid. */
  read?(text: string): unknown
  show?(value: never): string
}

function octets(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*((?:[kmgt]i?)?)b?$/i.exec(text) ?? []
  if (number === undefined) throw new Error(`${text} is no size such as 500MB, 5GB or 5GiB`)
  return Math.round(Number(number) * (UNITS[unit.toLowerCase()] as number))
}

function yes(text: string): boolean {
  if (/^(yes|true|1)$/i.test(text)) return true
  if (/^(no|false|0)$/i.test(text)) return false
  throw new Error(`${text} must be yes or no`)
}

function target(text: string): { channel: string; nexthop: string } {
  const [, channel = '', nexthop = ''] = /^([^:]+):(.+)$/.exec(text) ?? []
  if (channel === '') throw new Error(`${text} must be channel:nexthop, such as internet:mail.example.org`)
  return { channel, nexthop }
}
const showTarget = ({ channel, nexthop }: { channel: string; nexthop: string }) => `${channel}:${nexthop}`

const COMMON: Readonly<Record<string, Field>> = {
  unit: { field: 'unit', empty: '' },
  address: { field: 'addresses', isList: true },
}
const FIELDS: Readonly<Record<EntryKind, Readonly<Record<string, Field>>>> = {
  unit: { path: { field: 'path' } },
  domain: { name: { field: 'name' }, 'alias-of': { field: 'aliasOf' }, 'catch-all': { field: 'catchAll' } },
  account: {
    name: { field: 'name' },
    rdn: { field: 'rdn' },
    ...COMMON,
    'display-name': { field: 'displayName' },
    quota: { field: 'quota', read: octets, show: String },
    status: { field: 'status' },
    forward: { field: 'forward', isList: true },
    'forward-keep': { field: 'forwardKeep', read: yes },
    route: { field: 'route', read: target, show: showTarget },
    role: { field: 'roles', isList: true },
    'may-relay': { field: 'mayRelay', read: yes, show: (value: boolean) => (value ? 'yes' : 'no') },
    'send-as': { field: 'sendAs', isList: true },
    password: { field: 'password' },
  },
  group: {
    name: { field: 'name' },
    rdn: { field: 'rdn' },
    ...COMMON,
    senders: { field: 'senders' },
    member: { field: 'members', isList: true },
  },
  object: { rdn: { field: 'rdn' }, unit: { field: 'unit', empty: '' } },
  alias: { match: { field: 'match' }, target: { field: 'targets', isList: true } },
  route: { match: { field: 'match' }, to: { field: 'target', read: target, show: showTarget } },
}

/** The columns of a kind, without attributes. */
export const columnsOf = (kind: EntryKind): readonly string[] => Object.keys(FIELDS[kind])

const WITH_ATTRIBUTES: readonly EntryKind[] = ['account', 'group', 'unit', 'object']
const hasAttributes = (kind: EntryKind) => WITH_ATTRIBUTES.includes(kind)
const whyUnknown = (kind: EntryKind, name: string) =>
  unknownField(name, withArticle(kind), columnsOf(kind), hasAttributes(kind))

/** The errors for columns that a table of this kind cannot have, one sentence each. */
export const unknownColumns = (kind: EntryKind, columns: Iterable<string>): readonly string[] =>
  [...columns]
    .filter((name) => !Object.hasOwn(FIELDS[kind], name) && !(hasAttributes(kind) && attributeOf(name) !== undefined))
    .map((name) => whyUnknown(kind, name))

export interface Written {
  readonly name: string
  /** `=` sets, `+=` adds to and `-=` removes from the current values. */
  readonly how: '=' | '+=' | '-='
  readonly value: string
}

export function readWord(word: string): Written {
  const [, name, how, value] = /^([A-Za-z][\w;.:-]*?)([+-]?=)(.*)$/s.exec(word) ?? []
  if (name === undefined || value === undefined)
    throw new Error(`${word} must be field=value, field+=value or field-=value`)
  return { name, how: how as Written['how'], value }
}

export interface Patch {
  readonly fields: Readonly<Record<string, unknown>>
  readonly members?: {
    readonly set?: readonly string[]
    readonly add: readonly string[]
    readonly remove: readonly string[]
  }
}

/** The patch that the words describe; `before` is the current entry. Throws the reason when invalid. */
export function patchOf(kind: EntryKind, words: readonly Written[], before?: Entry): Patch {
  const fields: Record<string, unknown> = {}
  const attributes: Record<string, readonly string[]> = {
    ...(before && 'attributes' in before ? before.attributes : {}),
  }
  const members = { set: undefined as string[] | undefined, add: [] as string[], remove: [] as string[] }
  const fresh = new Set<string>()
  for (const { name, how, value } of words) {
    const known = Object.hasOwn(FIELDS[kind], name) ? FIELDS[kind][name] : undefined
    if (known?.field === 'members') {
      if (how === '=') members.set = [...(members.set ?? []), ...(value === '' ? [] : [value])]
      else members[how === '+=' ? 'add' : 'remove'].push(value)
      continue
    }
    const list = (old: readonly string[]): string[] => {
      const start = how === '=' && !fresh.has(name.toLowerCase()) ? [] : [...old]
      fresh.add(name.toLowerCase())
      if (how === '-=') return start.filter((one) => one.toLowerCase() !== value.toLowerCase())
      return value === '' ? start : [...start, value]
    }
    if (!known) {
      const attribute = hasAttributes(kind) ? attributeOf(name) : undefined
      if (attribute === undefined) throw new Error(whyUnknown(kind, name))
      const values = list(attributes[attribute] ?? [])
      if (values.length > 0) attributes[attribute] = values
      else delete attributes[attribute]
      fields.attributes = { ...attributes }
    } else if (known.isList) {
      const old = known.field in fields ? fields[known.field] : fieldOf(before, known.field)
      fields[known.field] = list((old as readonly string[] | undefined) ?? [])
    } else if (how !== '=') throw new Error(`${name} has one value: write ${name}=…`)
    else fields[known.field] = value === '' ? (known.empty ?? null) : known.read ? known.read(value) : value
  }
  if ('forward' in fields || 'forwardKeep' in fields) withForward(fields, before)
  const hasMembers = members.set || members.add.length > 0 || members.remove.length > 0
  return {
    fields,
    ...(hasMembers ? { members: { ...members, ...(members.set ? { set: members.set } : {}) } as never } : {}),
  }
}

/** Two words, for the addresses and for keeping a copy, set one field. */
function withForward(fields: Record<string, unknown>, before: Entry | undefined): void {
  const old = before?.kind === 'account' ? before.forward : undefined
  const to = (fields.forward as string[] | undefined) ?? old?.to ?? []
  const keep = (fields.forwardKeep as boolean | undefined) ?? old?.keep ?? false
  fields.forward = to.length === 0 ? null : { to, keep }
  delete fields.forwardKeep
}

function fieldOf(entry: Entry | undefined, field: string): unknown {
  const value = (entry as unknown as Record<string, unknown> | undefined)?.[field]
  return field === 'forward' ? (value as { to: readonly string[] } | undefined)?.to : value
}

/** Each field with its values in text form; passwords are not shown. */
export function shownFields(entry: Entry): [name: string, values: readonly string[]][] {
  const shown: [string, readonly string[]][] = []
  for (const [name, { field, isList, show = String }] of Object.entries(FIELDS[entry.kind])) {
    if (field === 'members' || field === 'password') continue
    if (field === 'forwardKeep') {
      if (entry.kind === 'account' && entry.forward) shown.push([name, [entry.forward.keep ? 'yes' : 'no']])
      continue
    }
    const value = fieldOf(entry, field) as Value | readonly string[] | undefined
    if (value === undefined || value === null || value === '') continue
    const values = isList ? (value as readonly string[]) : [(show as (value: unknown) => string)(value)]
    if (values.length > 0) shown.push([name, values])
  }
  if ('attributes' in entry)
    for (const [name, values] of Object.entries(entry.attributes)) shown.push([columnOf(name), values])
  return shown
}
