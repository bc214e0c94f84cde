/**
 * Records of aggregate reports: counts of unreported days, sent reports, received reports.
 *
 * Invariants: a change of a row also changes its day's record, with a check, so that no count is lost between
 * concurrent writers; every list is a single range.
 */
import { createHash } from 'node:crypto'
import { type Key, key, type Range } from 'iems'
import type { Override } from '../policy.ts'
import type { Policy, Signature, SpfVerdict } from '../verify.ts'

export { decodeRecord as decode, encodeRecord as encode } from 'iems'

/** The key of messages that are counted together (RFC 9990: address, results, identifiers). */
export interface Row {
  readonly ip: string
  readonly disposition: string
  readonly isDkimAligned: boolean
  readonly isSpfAligned: boolean
  readonly override?: Override
  readonly from: string
  readonly envelopeFrom: string
  readonly dkim: readonly Signature[]
  readonly spf: SpfVerdict
}

export interface CountedRow {
  readonly row: Row
  readonly count: number
}

/** A domain's policy as last seen on that day. */
export interface PublishedPolicy {
  readonly domain: string
  readonly organization: string
  /** Text of the record. */
  readonly record: string
  readonly published: Policy
}

export interface DayRecord extends PublishedPolicy {
  readonly messages: number
  readonly rows: number
  /** Messages beyond the maximum number of rows. */
  readonly missed: number
}

export interface SentTo {
  readonly address: string
  readonly outcome: 'queued' | 'refused' | 'too large' | 'not authorised'
  readonly message?: string
  readonly reply?: string
}

export interface SentReport {
  readonly day: string
  readonly domain: string
  readonly id: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly messages: number
  readonly rows: number
  readonly to: readonly SentTo[]
}

const DAY_MS = 86_400_000

/** `2026-01-31`, UTC. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

/** First and last second of a day, in seconds since 1970. */
export function secondsOf(day: string): { readonly begin: number; readonly end: number } {
  const begin = Date.parse(`${day}T00:00:00Z`) / 1000
  return { begin, end: begin + DAY_MS / 1000 - 1 }
}

export function hashOf(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 32)
}

export const dayKey = (day: string, domain: string): Key => key('day', day, domain)
export const rowKey = (day: string, domain: string, row: string): Key => key('row', day, domain, row)
export const sentKey = (day: string, domain: string): Key => key('sent', day, domain)
export const receivedKey = (day: string, report: string): Key => key('received', day, report)

export const daysBefore = (day: string): Range => ({ from: key('day'), to: key('day', day) })
export const rowsBefore = (day: string): Range => ({ from: key('row'), to: key('row', day) })
export const rowsOf = (day: string, domain: string): Range => allUnder('row', day, domain)
export const sentSince = (day: string): Range => ({ from: key('sent', day), to: key('sent', Number.MAX_SAFE_INTEGER) })
export const sentBefore = (day: string): Range => ({ from: key('sent'), to: key('sent', day) })
export const receivedOn = (day: string): Range => allUnder('received', day)
export const receivedSince = (day: string): Range => ({
  from: key('received', day),
  to: key('received', Number.MAX_SAFE_INTEGER),
})
export const receivedBefore = (day: string): Range => ({ from: key('received'), to: key('received', day) })

/** Strings sort before numbers. */
function allUnder(...parts: readonly string[]): Range {
  return { from: key(...parts), to: key(...parts, Number.MAX_SAFE_INTEGER) }
}
