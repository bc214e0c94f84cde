/**
 * What the directory writes, and under which keys, below its own prefix. Nothing else names these records:
 *
 *   e id                    an entry
 *   n kind name             the id of the entry that people call so
 *   a address               the id of the account, group or alias that has it
 *   x attribute value id    an indexed attribute
 *   d path                  the id of the entry that stands there
 *   u unit id               an entry stands directly in that unit, or below that entry
 *   p kind match            the id of an alias or routing entry with a wildcard in its local part
 *   m group member          a member
 *   o member group          the other way round
 *   w path                  some group had a member of that name before there was such an entry
 *   h at number             a change that was made
 *   y id at number          the same, by entry
 *   f number                when that change was made: the order of the change feed
 *   g                       the last number that has been swept from the change feed
 *   q                       the next uidNumber or gidNumber
 *   i                       which indexes entries have been written with
 *   c                       how long the slowest password scheme takes
 *   r                       grows with every commit: changes are made one after the other
 *
 * What must stay true: names and values in keys are in the form in which they are compared, and only there.
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

/** A password for one program; a random one, so that a quick hash is enough. */
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
  /** The entry's version when the password was last changed. */
  readonly passwordVersion?: number
  readonly apps?: readonly AppPasswordRecord[]
  /** RFC 6238; `last` is the time step of the last code that was taken. */
  readonly totp?: { readonly secret: string; readonly isConfirmed: boolean; readonly last: number }
}

export type EntryRecord = Unit | Domain | AccountRecord | Group | DirectoryObject | Alias | RoutingEntry

export interface RevisionRecord {
  readonly revision: number
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
export const historyKey = (at: number, number: number): Key => key('h', at, number)
export const feedKey = (number: number): Key => key('f', number)
export const sweptKey = key('g')
export const numberKey = key('q')
export const historyOfKey = (id: string, at: number, number: number): Key => key('y', id, at, number)

/** How a member is named in keys. */
export function memberName(member: Member): string {
  if ('id' in member) return `i${member.id}`
  if ('path' in member) return `p${foldPath(member.path)}`
  return 'dn' in member ? `d${foldText(member.dn)}` : `a${foldAddress(member.address) ?? member.address}`
}

/** Everything below a path but what stands directly in it. */
export function deeper(path: string): Pick<Range, 'from' | 'to'> {
  const from = key('u', path === '' ? '' : `${path}/`).subarray(0, -1)
  return { from, to: Buffer.concat([from, Buffer.from([0xff])]) }
}

/** Everything from a value on that begins with it, within one attribute. */
export function beginning(attribute: string, value: string): Pick<Range, 'from' | 'to'> {
  const from = key('x', attribute, value)
  // Without the string's end, what goes on behind it is in the range as well.
  const open = from.subarray(0, -1)
  return { from: open, to: Buffer.concat([open, Buffer.from([0xff])]) }
}

// --- forms in which things are compared -------------------------------------------------------

/** Attribute values in keys are cut here: longer ones are looked at themselves. */
const INDEXED_LENGTH = 200

export const foldName = (name: string) => name.normalize('NFC').trim().toLowerCase()

const foldText = (text: string) => text.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ')

export const foldValue = (value: string) => foldText(value).slice(0, INDEXED_LENGTH)

export interface Parted {
  readonly local: string
  readonly domain: string
}

/** An address in two, as it is compared. RFC 5321 section 4.1.2: quotes say nothing about which mailbox is meant. */
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

/** What an alias or a routing entry is about: an address, a domain, `*.domain` or `*`, with wildcards. */
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

/** Whether a match needs looking at one by one: `*@domain` and the like are found by their names. */
export function isPattern(match: string): boolean {
  const at = match.lastIndexOf('@')
  return at > 0 && match.slice(0, at) !== '*' && match.slice(0, at).includes('*')
}

/** Names of units from the top, without what divides them. */
export const foldPath = (path: string) =>
  path
    .split('/')
    .map(foldText)
    .filter((name) => name !== '')
    .join('/')

export const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')))
