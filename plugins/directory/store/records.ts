/**
 * The directory's records and their keys, below its own prefix. No other file names them:
 *
 *   e id                    an entry
 *   n kind name             the id of the entry with that name
 *   a address               the id of the account, group or alias that has it
 *   x attribute value id    an indexed attribute
 *   d path                  the id of the entry at that path
 *   u unit id               a direct child of that unit or entry
 *   p kind match            the id of an alias or routing entry with a wildcard in its local part
 *   m group member          a member
 *   o member group          the inverse
 *   w path                  a group had a member of that name before the entry existed
 *   h at number             a change
 *   y id at number          the same, by entry
 *   f number                the time of that change: the order of the change feed
 *   g                       the last number that was swept from the change feed
 *   q                       the next uidNumber or gidNumber
 *   i                       version of the indexes
 *   c                       time of the slowest password scheme
 *   r                       revision, incremented by every commit: changes are serialized
 *
 * Invariants: names and values are folded in keys, and only there.
 */
import { foldDomain, type Key, key, type Range } from 'iems'
import type {
  Alias,
  DirectoryAccount,
  DirectoryObject,
  Domain,
  EntryKind,
  Group,
  Member,
  Recorded,
  RoutingEntry,
  Unit,
} from './entries.ts'

export { decodeRecord as decode, encodeRecord as encode } from 'iems'

/** A passkey (WebAuthn). */
export interface Passkey {
  /** Credential id, in base64url. */
  readonly id: string
  readonly name: string
  /** COSE, in base64url. */
  readonly publicKey: string
  /** Signature counter of the authenticator; 0 where it has none. */
  readonly counter: number
  /** Host name that it is for. */
  readonly host: string
  /** ms since 1970. */
  readonly created: number
  readonly used?: number
}

/** An application password; it is random, so a fast hash suffices. */
export interface AppPasswordRecord {
  readonly id: string
  readonly name: string
  readonly sha256: string
  readonly scopes: readonly string[]
  readonly networks: readonly string[]
  readonly expires?: number
  readonly created: number
}

export interface AccountRecord extends Omit<DirectoryAccount, 'hasPassword'> {
  readonly password?: string
  /** The entry's version at the last password change. */
  readonly passwordVersion?: number
  readonly apps?: readonly AppPasswordRecord[]
  readonly passkeys?: readonly Passkey[]
  /** RFC 6238; `last` is the time step of the last used code. */
  readonly totp?: { readonly secret: string; readonly isConfirmed: boolean; readonly last: number }
}

export type EntryRecord = Unit | Domain | AccountRecord | Group | DirectoryObject | Alias | RoutingEntry

export interface RevisionRecord {
  readonly revision: number
}

/** A removed entry, with the groups that it was in. */
export interface RemovedRecord {
  readonly entry: EntryRecord
  readonly groups: readonly string[]
  readonly at: number
  readonly by: string
}

export type HistoryRecord = Recorded

// --- keys -------------------------------------------------------------------------------------

export const revisionKey = key('r')
export const entryKey = (id: string): Key => key('e', id)
export const nameKey = (kind: EntryKind, name: string): Key => key('n', kind, name)
export const addressKey = (address: string): Key => key('a', address)
export const attributeKey = (attribute: string, value: string, id: string): Key => key('x', attribute, value, id)
export const placeKey = (path: string): Key => key('d', path)
export const waitedForKey = (path: string): Key => key('w', path)
export const inUnitKey = (unit: string, id: string): Key => key('u', unit, id)
export const patternKey = (kind: EntryKind, match: string): Key => key('p', kind, match)
export const memberKey = (group: string, member: string): Key => key('m', group, member)
export const memberOfKey = (member: string, group: string): Key => key('o', member, group)
export const removedKey = (id: string): Key => key('z', id)
export const removedMemberKey = (group: string, member: string): Key => key('zm', group, member)
export const historyKey = (at: number, number: number): Key => key('h', at, number)
export const feedKey = (number: number): Key => key('f', number)
export const sweptKey = key('g')
export const numberKey = key('q')
export const historyOfKey = (id: string, at: number, number: number): Key => key('y', id, at, number)

/** A member's name in keys. */
export function memberName(member: Member): string {
  if ('id' in member) return `i${member.id}`
  if ('path' in member) return `p${foldPath(member.path)}`
  return 'dn' in member ? `d${foldText(member.dn)}` : `a${foldAddress(member.address) ?? member.address}`
}

/** All descendants of a path except its direct children. */
export function deeper(path: string): Pick<Range, 'from' | 'to'> {
  const from = key('u', path === '' ? '' : `${path}/`).subarray(0, -1)
  return { from, to: Buffer.concat([from, Buffer.from([0xff])]) }
}

/** All values of an attribute that begin with this one. */
export function beginning(attribute: string, value: string): Pick<Range, 'from' | 'to'> {
  const from = key('x', attribute, value)
  // Without the string's terminator, the range includes longer values.
  const open = from.subarray(0, -1)
  return { from: open, to: Buffer.concat([open, Buffer.from([0xff])]) }
}

// --- folding ----------------------------------------------------------------------------------

/** Attribute values in keys are cut to this length; longer ones are compared in the entry. */
const INDEXED_LENGTH = 200

export const foldName = (name: string) => name.normalize('NFC').trim().toLowerCase()

const foldText = (text: string) => text.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ')

export const foldValue = (value: string) => foldText(value).slice(0, INDEXED_LENGTH)

export interface Parted {
  readonly local: string
  readonly domain: string
}

/** A folded address in two parts. RFC 5321 section 4.1.2: quoting does not change the mailbox. */
export function partsOf(address: string): Parted | undefined {
  const at = address.lastIndexOf('@')
  const domain = at > 0 ? foldDomain(address.slice(at + 1)) : undefined
  if (domain === undefined) return undefined
  const local = address.slice(0, at)
  const plain = /^".*"$/s.test(local) ? local.slice(1, -1).replace(/\\(.)/gs, '$1') : local
  return { local: plain.normalize('NFC').toLowerCase(), domain }
}

export function foldAddress(address: string): string | undefined {
  const parts = partsOf(address)
  return parts && `${parts.local}@${parts.domain}`
}

/** Folds the match of an alias or routing entry: an address, a domain, `*.domain` or `*`, with wildcards. */
export function foldMatch(match: string): string | undefined {
  if (match === '*') return match
  const at = match.lastIndexOf('@')
  if (at > 0) {
    const domain = foldDomain(match.slice(at + 1))
    return domain && `${foldName(match.slice(0, at))}@${domain}`
  }
  if (!match.startsWith('*.')) return foldDomain(match)
  const parent = foldDomain(match.slice(2))
  return parent && `*.${parent}`
}

/** Whether a match must be compared as a pattern: `*@domain` and similar are found by name. */
export function isPattern(match: string): boolean {
  const at = match.lastIndexOf('@')
  return at > 0 && match.slice(0, at) !== '*' && match.slice(0, at).includes('*')
}

/** Names of units from the root, without separators. */
export const foldPath = (path: string) =>
  path
    .split('/')
    .map(foldText)
    .filter((name) => name !== '')
    .join('/')

export const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')))
