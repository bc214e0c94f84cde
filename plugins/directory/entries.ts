/**
 * What can be read off an entry: what it is called, what it is found by, and what may be shown of it.
 *
 * What must stay true: nothing secret is in what `shown` answers.
 */
import type { Entry, INDEXED } from './api.ts'
import type { EntryRecord } from './records.ts'

export function shown(record: EntryRecord): Entry {
  if (record.kind !== 'account') return record
  const { password, apps, totp, ...account } = record
  return { ...account, hasPassword: password !== undefined }
}

/** What people call it. */
export function nameOfEntry(entry: EntryRecord | Entry): string {
  switch (entry.kind) {
    case 'unit':
      return entry.path
    case 'alias':
    case 'route':
      return entry.match
    default:
      return entry.name
  }
}

/** Addresses that are its own and nobody else's. */
export function addressesOf(entry: EntryRecord): readonly string[] {
  if (entry.kind === 'account' || entry.kind === 'group') return entry.addresses
  return entry.kind === 'alias' && !entry.match.includes('*') ? [entry.match] : []
}

/** Indexed attributes with their values, the fields of our own among them. */
export function attributesOf(entry: EntryRecord): [attribute: (typeof INDEXED)[number], values: readonly string[]][] {
  if (entry.kind === 'unit') return [['ou', [entry.path.split('/').at(-1) ?? '', ...(entry.attributes.ou ?? [])]]]
  if (entry.kind !== 'account' && entry.kind !== 'group') return []
  const { name, addresses, attributes } = entry
  const more = (attribute: string) => attributes[attribute] ?? []
  if (entry.kind === 'group')
    return [
      ['cn', [name, ...more('cn')]],
      ['mail', addresses],
    ]
  const display = entry.displayName === undefined ? [] : [entry.displayName]
  return [
    ['uid', [name, ...more('uid')]],
    ['cn', more('cn').length > 0 ? more('cn') : display.length > 0 ? display : [name]],
    ['sn', more('sn')],
    ['givenname', more('givenname')],
    ['mail', [...addresses, ...more('mail')]],
    ['displayname', display],
    ['telephonenumber', more('telephonenumber')],
    ['ou', more('ou')],
  ]
}
