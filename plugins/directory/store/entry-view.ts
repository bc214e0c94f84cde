/**
 * Derives from an entry its display key, its indexed values, and its public form.
 *
 * Invariants: `shown` returns nothing secret.
 */
import { type Entry, INDEXED } from './api.ts'
import { lastOf, pathOf, rdnInPath, valuesIn } from './places.ts'
import type { EntryRecord } from './records.ts'

export function shown(record: EntryRecord): Entry {
  if (record.kind !== 'account') return record
  const { password, passwordVersion, apps, passkeys, totp, ...account } = record
  return { ...account, hasPassword: password !== undefined }
}

/** Display key of the entry. */
export function nameOfEntry(entry: EntryRecord | Entry): string {
  switch (entry.kind) {
    case 'unit':
      return entry.path
    case 'object':
      return pathOf(entry) || 'the top'
    case 'alias':
    case 'route':
      return entry.match
    default:
      return entry.name
  }
}

/** Addresses that belong to it alone. */
export function addressesOf(entry: EntryRecord): readonly string[] {
  if (entry.kind === 'account' || entry.kind === 'group') return entry.addresses
  return entry.kind === 'alias' && !entry.match.includes('*') ? [entry.match] : []
}

type IndexedValues = Partial<Record<(typeof INDEXED)[number], readonly string[]>>

/** Indexed attributes with their values, including fields. */
export function attributesOf(
  entry: EntryRecord,
): (readonly [attribute: (typeof INDEXED)[number], values: readonly string[]])[] {
  if (!('attributes' in entry)) return []
  const own = ownValues(entry)
  const all = new Map(INDEXED.map((name) => [name as string, [...(own[name] ?? [])]]))
  for (const [name, values] of Object.entries(entry.attributes)) all.get(name.split(';')[0] as string)?.push(...values)
  return [...all] as [(typeof INDEXED)[number], readonly string[]][]
}

function ownValues(entry: Extract<EntryRecord, { attributes: unknown }>): IndexedValues {
  if (entry.kind === 'object') return {}
  if (entry.kind === 'unit') return { ou: [valuesIn(rdnInPath(lastOf(entry.path)))[0]?.[1] ?? ''] }
  // With a separate RDN, `cn` is among its attributes.
  if (entry.kind === 'group') return { ...(entry.rdn === undefined ? { cn: [entry.name] } : {}), mail: entry.addresses }
  const { name, addresses, displayName, attributes } = entry
  const called = displayName ?? name
  return {
    uid: [name],
    // RFC 4519: a person always has both.
    ...(attributes.cn?.length ? {} : { cn: [called] }),
    ...(attributes.sn?.length ? {} : { sn: [called.split(' ').at(-1) as string] }),
    mail: addresses,
    ...(displayName === undefined ? {} : { displayname: [displayName] }),
  }
}
