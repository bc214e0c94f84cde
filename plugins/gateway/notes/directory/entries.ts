/**
 * Converts entries of a Notes directory to entries of this server: persons, groups, mail-in databases, forwarding
 * addresses.
 *
 * Passwords are not imported: HTTPPassword is a hash in Domino's own format. Deny lists and groups of servers are
 * skipped.
 */
import type { WantedEntry } from '../../sync/api.ts'
import { NAME_ATTRIBUTE } from '../book.ts'
import { parseName } from '../names.ts'

/** A person, group or mail-in database, independent of its file format. Names of values are in lower case. */
export interface NotesEntry {
  readonly type: string
  readonly values: Readonly<Record<string, readonly string[]>>
}

export interface EntryOptions {
  /** Domain of addresses that the directory does not name. */
  readonly domain: string
  /** Addresses of Notes names, for members of groups. */
  addressOf(name: string): string | undefined
}

const MAX_MEMBERS = 100_000
/** Group types: 0 all purposes, 1 mail, 2 access lists, 3 deny, 4 servers. */
const MAIL_GROUPS = new Set(['', '0', '1'])

const first = ({ values }: NotesEntry, name: string) => values[name]?.[0]?.trim() ?? ''
const all = ({ values }: NotesEntry, name: string) =>
  (values[name] ?? []).map((value) => value.trim()).filter((value) => value !== '')

/** A local part, or an account's name, from a name of people. */
const plainName = (text: string) =>
  text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .split(/[^a-z0-9_-]/)
    .filter((word) => word !== '')
    .join('.')

/** The names of an entry, and its address. */
export function namesOf(
  entry: NotesEntry,
  domain: string,
): { readonly names: readonly string[]; readonly address: string } {
  const names = entry.type === 'group' ? all(entry, 'listname') : all(entry, 'fullname')
  const [short = ''] = all(entry, 'shortname')
  const given = first(entry, 'internetaddress')
  const common = parseName(names[0] ?? '').common
  const address = given.includes('@')
    ? given
    : `${plainName(entry.type === 'person' ? short || common : common)}@${domain}`
  return { names, address }
}

/** Undefined for what mail has no use for. */
export function wantedOf(entry: NotesEntry, options: EntryOptions): WantedEntry | undefined {
  const { names, address } = namesOf(entry, options.domain)
  if (names.length === 0) return undefined
  if (entry.type === 'group') return groupOf(entry, { address, options })
  const [canonical = ''] = names
  const forward = forwardOf(entry)
  const isPerson = entry.type === 'person'
  // An entry that leads to its own address is one that this server has written.
  if (isPerson && forward?.toLowerCase() === address.toLowerCase()) return undefined
  // A person with nothing but an address elsewhere has no mailbox: their address leads there.
  if (isPerson && forward !== undefined && first(entry, 'mailfile') === '') {
    return { kind: 'alias', match: address, targets: [forward] }
  }
  const short = isPerson ? (all(entry, 'shortname')[0] ?? '') : ''
  return {
    kind: 'account',
    name: plainName(short || parseName(canonical).common),
    addresses: [address],
    displayName: parseName(canonical).common,
    attributes: {
      [NAME_ATTRIBUTE]: [...new Set(names.map((name) => parseName(name).abbreviated))],
      ...attribute('sn', first(entry, 'lastname')),
      ...attribute('givenname', first(entry, 'firstname')),
      ...attribute('telephonenumber', first(entry, 'officephonenumber')),
    },
    ...(forward === undefined ? {} : { forwardTo: forward }),
  }
}

const attribute = (name: string, value: string) => (value === '' ? {} : { [name]: [value] })

/** MailAddress, of a person whose mail is delivered elsewhere (MailSystem 5). */
function forwardOf(entry: NotesEntry): string | undefined {
  const address = first(entry, 'mailaddress')
  return address.includes('@') && address.slice(address.lastIndexOf('@')).includes('.') ? address : undefined
}

function groupOf(
  entry: NotesEntry,
  { address, options }: { readonly address: string; readonly options: EntryOptions },
): WantedEntry | undefined {
  const type = first(entry, 'grouptype')
  const [name = ''] = all(entry, 'listname')
  if (type === '3' || type === '4' || name === '') return undefined
  const members = all(entry, 'members')
    .slice(0, MAX_MEMBERS)
    .map((member) =>
      member.includes('@') && !member.includes('/') && member.includes('.') ? member : options.addressOf(member),
    )
    .filter((member) => member !== undefined)
  return {
    kind: 'group',
    name: plainName(name),
    addresses: MAIL_GROUPS.has(type) ? [address] : [],
    members,
    attributes: {
      [NAME_ATTRIBUTE]: [parseName(name).abbreviated],
      ...attribute('description', first(entry, 'listdescription')),
    },
  }
}
