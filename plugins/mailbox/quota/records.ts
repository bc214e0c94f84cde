/**
 * The plugin's records and their keys. No other file names them:
 *
 *   limit kind name   limits that an administrator set: of an `account` by id, a `domain`, or `total` with no name
 *   over account      since when the account is above its limit, ms since 1970
 *   warned kind name  the last threshold passed, and the mail sent about it
 *   seen account      the last known login, ms since 1970
 *   mark account      the usage some days ago, for the growth in reports
 *   day date domain   the usage of a domain on a day
 *   flow date         deliveries of a day, and their duration
 */
import { decodeRecord, type Key, key, type Store } from 'iems'

export { decodeRecord as decode, encodeRecord as encode } from 'iems'

export type Kind = 'account' | 'domain' | 'total'

export interface LimitRecord {
  /** Null: no limit. Absent: the next rule decides. */
  readonly octets?: number | null | undefined
  readonly messages?: number | null | undefined
  /** Of an account. */
  readonly mailboxes?: number | null | undefined
}
export interface WarnedRecord {
  readonly level: number
  /** Counts the mails, so that each is sent once. */
  readonly number: number
  /** The mail has not been handed in yet. */
  readonly isUnsent: boolean
}
export interface MarkRecord {
  readonly at: number
  readonly octets: number
  /** The mark before, which reports compare with until this one is old enough. */
  readonly before?: { readonly at: number; readonly octets: number }
}
export interface DayRecord {
  readonly octets: number
  readonly messages: number
  readonly accounts: number
}

export interface FlowRecord {
  readonly delivered: number
  /** Attempts that are made again. */
  readonly deferred: number
  readonly failed: number
  /** Deliveries by the bounds of `LATENCIES`. */
  readonly latencies: readonly number[]
}

export const limitKey = (kind: Kind, name: string): Key => key('limit', kind, name)
export const overKey = (account: string): Key => key('over', account)
export const warnedKey = (kind: Kind, name: string): Key => key('warned', kind, name)
export const seenKey = (account: string): Key => key('seen', account)
export const markKey = (account: string): Key => key('mark', account)
export const dayKey = (date: string, domain: string): Key => key('day', date, domain)
export const flowKey = (date: string): Key => key('flow', date)
export const flows = (from: string, to: string) => ({ from: key('flow', from), to: key('flow', to) })
export const days = (from: string, to: string) => ({ from: key('day', from), to: key('day', to) })

export async function read<T>(store: Store, at: Key): Promise<T | undefined> {
  const value = await store.get(at)
  return value && decodeRecord<T>(value)
}
