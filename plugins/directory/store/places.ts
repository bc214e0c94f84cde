/**
 * Places of entries: a path of names from the root, ending in the entry's own name.
 *
 * A name in a path is a unit's plain name (`sales`), or an RDN of RFC 4514 (`cn=Users`, `uid=ann`, `cn=Ann+l=Paris`)
 * with `/` written as `\2f`. Invariants: an entry has one path and a path one entry; the values of an entry's RDN are
 * among its attributes.
 */
import type { Attributes, EntryKind, Placed } from './entries.ts'
import type { EntryRecord } from './records.ts'

/** The naming attribute in LDIF and LDAP, also in DNs. */
export const NAMING: Readonly<Record<EntryKind, string>> = {
  account: 'uid',
  group: 'cn',
  unit: 'ou',
  object: 'cn',
  domain: 'iems-name',
  alias: 'iems-match',
  route: 'iems-match',
}

/** Entries with a place in the tree. */
export type PlacedRecord = Extract<EntryRecord, { attributes: unknown }>

export const isPlaced = (entry: EntryRecord): entry is PlacedRecord => 'attributes' in entry

const TYPED = /^[a-z][a-z0-9-]*=/i

/** Escapes a value in a name (RFC 4514 section 2.4). */
export function escaped(value: string): string {
  // Most values need none, and searches write a name for every entry.
  if (!SPECIAL.test(value)) return value
  return value
    .replace(/[\\,+"<>;=]/g, '\\$&')
    .replace(/^[ #]| $/g, '\\$&')
    .replace(/\p{Cc}/gu, (letter) => [...Buffer.from(letter)].map(hex).join(''))
}
const SPECIAL = /[\\,+"<>;=\p{Cc}]|^[ #]| $/u
const hex = (octet: number) => `\\${octet.toString(16).padStart(2, '0')}`

/** Decodes the escapes of RFC 4514. */
export function unescaped(value: string): string {
  const octets = value.replace(/((?:\\[0-9a-fA-F]{2})+)/g, (run) =>
    Buffer.from(run.replaceAll('\\', ''), 'hex').toString(),
  )
  return octets.replace(/\\(.)/gs, '$1')
}

/** An RDN as a name in a path. */
export function nameInPath(rdn: string): string {
  const plain = /^ou=/i.test(rdn) && !/[+\\/]/.test(rdn) ? rdn.slice(3) : ''
  return plain.trim() !== '' && !TYPED.test(plain) ? plain : rdn.replaceAll('/', '\\2f')
}

/** The inverse. */
export const rdnInPath = (name: string): string => (TYPED.test(name) ? name : `ou=${escaped(name)}`)

/** Types and values of an RDN. */
export function valuesIn(rdn: string): (readonly [type: string, value: string])[] {
  const parts = rdn.match(/(?:\\.|[^\\+])+/gs) ?? []
  return parts.map((part) => {
    const at = part.indexOf('=')
    return [part.slice(0, at).trim().toLowerCase(), unescaped(part.slice(at + 1).trim())] as const
  })
}

export const lastOf = (path: string) => path.slice(path.lastIndexOf('/') + 1)
export const aboveOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')))
export const joined = (above: string, name: string) => (above === '' ? name : `${above}/${name}`)

/** An entry's RDN; '' for the root. */
export function rdnOf(entry: PlacedRecord | Placed): string {
  if (entry.kind === 'unit') return rdnInPath(lastOf(entry.path))
  return entry.kind === 'object' ? entry.rdn : (entry.rdn ?? `${NAMING[entry.kind]}=${escaped(entry.name)}`)
}

/** The entry's path as written, as far as the entry contains it. */
export function pathOf(entry: PlacedRecord | Placed): string {
  if (entry.kind === 'unit') return entry.path
  return entry.kind === 'object' && entry.rdn === '' ? '' : joined(entry.unit, nameInPath(rdnOf(entry)))
}

/** Moves the entry below another path, `above`, as written. */
export function movedTo<E extends PlacedRecord>(entry: E, above: string): E {
  return entry.kind === 'unit' ? { ...entry, path: joined(above, lastOf(entry.path)) } : { ...entry, unit: above }
}

/** Adds the values of the RDN to the attributes, unless a field shows them. */
export function withNameValues<E extends EntryRecord>(entry: E): E {
  const rdn = 'rdn' in entry ? entry.rdn : undefined
  if (!rdn || !('attributes' in entry)) return entry
  const attributes: Record<string, readonly string[]> = { ...(entry.attributes as Attributes) }
  const same = (one: string) => one.normalize('NFKC').toLowerCase().trim()
  for (const [type, value] of valuesIn(rdn)) {
    const isField = entry.kind === 'account' && type === 'uid' && same(value) === same(entry.name)
    const values = attributes[type] ?? []
    if (!isField && !values.some((one) => same(one) === same(value))) attributes[type] = [value, ...values]
  }
  return { ...entry, attributes }
}
