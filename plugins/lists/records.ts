/**
 * Keys of the plugin's records, and addresses as keys have them. Pure.
 */
import { domainToASCII } from 'node:url'
import { below, type Content, type Key, key, type Range } from 'iems'
import type { HeldItem } from './api.ts'

export { decodeRecord as decode, encodeRecord as encode } from 'iems'

const LONGEST = 254

/** In lower case, with A-labels; undefined unless it is the address of one mailbox. */
export function foldAddress(text: string): string | undefined {
  const at = text.lastIndexOf('@')
  const local = text.slice(0, at).toLowerCase()
  const domain = domainToASCII(text.slice(at + 1).trim()).toLowerCase()
  const folded = `${local.trim()}@${domain}`
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no address has them
  const isWrong = at < 1 || domain === '' || /[\s<>",;:\\()[\]\x00-\x1f\x7f]|^@/.test(folded)
  return isWrong || folded.length > LONGEST ? undefined : folded
}

export interface ListAddress {
  /** The address where posts go. */
  readonly list: string
  readonly role: Role
  /** The part after the `+`. */
  readonly detail: string
}
export type Role = 'post' | 'request' | 'join' | 'leave' | 'owner' | 'bounces' | 'confirm' | 'approved'
export const SUFFIXES: Readonly<Record<string, Role>> = {
  request: 'request',
  join: 'join',
  subscribe: 'join',
  leave: 'leave',
  unsubscribe: 'leave',
  owner: 'owner',
  bounces: 'bounces',
  confirm: 'confirm',
  approved: 'approved',
}

/** Readings of an address, without a look whether the list exists: the list itself, then one of its further addresses. */
export function readingsOf(address: string): ListAddress[] {
  const folded = foldAddress(address)
  if (folded === undefined) return []
  const at = folded.lastIndexOf('@')
  const [local, domain] = [folded.slice(0, at), folded.slice(at)]
  const readings: ListAddress[] = [{ list: folded, role: 'post', detail: '' }]
  const plus = local.indexOf('+')
  const bare = plus < 0 ? local : local.slice(0, plus)
  const dash = bare.lastIndexOf('-')
  const role = dash > 0 ? SUFFIXES[bare.slice(dash + 1)] : undefined
  if (role) readings.push({ list: bare.slice(0, dash) + domain, role, detail: plus < 0 ? '' : local.slice(plus + 1) })
  return readings
}

/** `dev@lists.test` with a suffix: `dev-bounces+x@lists.test`. */
export function roleAddress(list: string, role: Role, detail = ''): string {
  const at = list.lastIndexOf('@')
  return `${list.slice(0, at)}-${role}${detail === '' ? '' : `+${detail}`}${list.slice(at)}`
}

/** RFC 2919: `dev.lists.test`. */
export const listIdOf = (address: string): string => address.replace('@', '.')

export const secretKey = (): Key => key('secret')
export const listKey = (address: string): Key => key('list', address)
export const everyList = (): Pick<Range, 'from' | 'to'> => below('list')
export const memberKey = (list: string, address: string): Key => key('member', list, address)
export const membersOf = (list: string): Pick<Range, 'from' | 'to'> => below('member', list)
export const memberTokenKey = (token: string): Key => key('member-token', token)
export const membershipKey = (address: string, list: string): Key => key('membership', address, list)
export const membershipsOf = (address: string): Pick<Range, 'from' | 'to'> => below('membership', address)
export const countKey = (list: string): Key => key('count', list)
export const heldKey = (list: string, id: string): Key => key('held', list, id)
export const heldOf = (list: string): Pick<Range, 'from' | 'to'> => below('held', list)
export const tokenKey = (hash: string): Key => key('token', hash)
export const everyToken = (): Pick<Range, 'from' | 'to'> => below('token')
export const mailingKey = (id: string): Key => key('mailing', id)
export const everyMailing = (): Pick<Range, 'from' | 'to'> => below('mailing')
export const repliesKey = (day: number, address: string): Key => key('replies', day, address)
export const repliesBefore = (day: number): Pick<Range, 'from' | 'to'> => ({
  from: key('replies'),
  to: key('replies', day),
})
export const postsKey = (list: string, author: string, day: number): Key => key('posts', list, author, day)
export const digestKey = (list: string, number: number): Key => key('digest', list, number)
export const digestOf = (list: string): Pick<Range, 'from' | 'to'> => below('digest', list)
export const archivedKey = (list: string, hash: string): Key => key('archived', list, hash)
export const starKey = (list: string, account: string, hash: string): Key => key('star', list, account, hash)
export const starsOf = (list: string, account: string): Pick<Range, 'from' | 'to'> => below('star', list, account)
export const subjectKey = (list: string, hash: string): Key => key('subject', list, hash)
export const everythingOf = (list: string): Pick<Range, 'from' | 'to'>[] =>
  ['member', 'held', 'digest', 'archived', 'posts', 'star', 'subject'].map((kind) => below(kind, list))

/** A post or a request that waits for a moderator. */
export interface Held extends Omit<HeldItem, 'size'> {
  readonly v: 1
  readonly from: string
  /** Of a post. */
  readonly content?: Content
  readonly approved?: true
}
