/**
 * The queue's records and their keys. No other file names them:
 *
 *   m id             the message: envelope, session, blob, header edits, findings, state; immutable after ACCEPT
 *   d id n           a delivery: channel, next hop, waiting recipients, attempts made
 *   r blob           the blob has holders besides the message that brought it; `r blob owner` names each
 *   f blob           a holder released the blob and its removal has not been checked yet; a new value each time
 *   h id n           history: the trace of finished and refused mail (0: the message, n: a delivery)
 *   o key            a `once` key and the id of its message
 *   s name           a secret of this server (auth/authenticator.ts)
 *   j owner name     the last run of a job (runtime/jobs.ts), which is due in the lane jobs/owner:name
 *   lanes            channel/priority/nexthop, and !/channel/priority/nexthop for held deliveries: every delivery is in one
 */
import type { Finding, MailParameters, Priority, Recipient, Session } from '../api/hooks.ts'
import type { Reply } from '../api/reply.ts'
import type { Edits } from '../message/edits.ts'
import type { AttemptRecord, DeliveryTrace, Step } from '../message/trace.ts'
import { below, key, unkey } from '../store/keys.ts'
import type { Key } from '../store/store.ts'

export { decodeRecord as decode, encodeRecord as encode } from '../store/record.ts'

export interface MessageRecord {
  readonly v: 1
  readonly id: string
  readonly at: number
  readonly session: Session
  readonly from: string
  readonly parameters: MailParameters
  readonly priority: Priority
  readonly recipients: readonly Recipient[]
  readonly blob: string
  /** The message is one of several holders of the blob, because others share it or it existed before. */
  readonly shared?: true
  readonly blobSize: number
  /** SHA-256 of the blob in base64url; absent in records of older versions. */
  readonly hash?: string
  readonly headerSize: number
  readonly edits: Edits
  readonly size: number
  readonly needs: { readonly eightBit: boolean; readonly binary: boolean; readonly utf8: boolean }
  readonly findings: readonly Finding[]
  readonly state: Readonly<Record<string, Record<string, unknown>>>
  readonly steps: readonly Step[]
  /** Subject and Message-ID as received, shortened, for searches. */
  readonly subject?: string
  readonly messageId?: string
  /** The first of the messages that a received one was split into. */
  readonly splitFrom?: string
  /** Number of initial deliveries. */
  readonly of: number
  /** A report of this server about another message: its own failure is reported to the postmaster only. */
  readonly report?: 'report' | 'double'
}

/** A waiting recipient with the last reply it got. */
export interface Waiting extends Recipient {
  readonly last?: Reply
}

export interface DeliveryRecord {
  readonly v: 1
  readonly channel: string
  readonly nexthop: string
  readonly recipients: readonly Waiting[]
  /** Attempts made. */
  readonly attempt: number
  readonly attempts: readonly AttemptRecord[]
  readonly state: Readonly<Record<string, Record<string, unknown>>>
  readonly findings: readonly Finding[]
  readonly warned?: boolean
  readonly held?: string
  /** No attempt before this time, ms since 1970. */
  readonly notBefore?: number
  /** To be ended with a report: an administrator's reason, or the reply of the check that refused it. */
  readonly giveUp?: string | Reply
}

/** Time from which a message could be attempted, ms since 1970; its age counts from then. */
export function startOf({ at, parameters }: Pick<MessageRecord, 'at' | 'parameters'>): number {
  return Math.max(at, parameters.notBefore ?? 0)
}

/** The reverse-path of a delivery: the one its recipients share, or the message's. */
export function reversePathOf({ from }: Pick<MessageRecord, 'from'>, { recipients }: DeliveryRecord): string {
  return recipients[0]?.from ?? from
}

// --- keys ---------------------------------------------------------------------------------

export const messageKey = (id: string): Key => key('m', id)
export const deliveryKey = (id: string, number: number): Key => key('d', id, number)
/** Exists when the blob has a holder other than its message. */
export const holdersKey = (blob: string): Key => key('r', blob)
/** The owner under which a queued message holds a blob; no plugin can have this name. */
export const messageHolder = (id: string): string => `!/${id}`
export const holderKey = (blob: string, owner: string): Key => key('r', blob, owner)
/** The holders of a blob, without the record that says it has some. */
export const holdersOf = (blob: string) => ({ from: key('r', blob, ''), to: below('r', blob).to })
/** A holder released the blob, and its removal has not been checked yet. */
export const freedKey = (blob: string): Key => key('f', blob)
export const allFreed = below('f')
export const historyKey = (id: string, number: number): Key => key('h', id, number)
export const onceKey = (once: string): Key => key('o', once)
export const allMessages = below('m')
export const allOnce = below('o')
export const allDeliveries = below('d')
export const deliveriesOf = (id: string) => below('d', id)
export const historyOf = (id: string) => below('h', id)
/** All messages accepted before that id. */
export const messagesBefore = (id: string) => ({ from: key('m'), to: key('m', id) })
/** All messages with ids from one up to but not including another. */
export const messagesSince = (from: string, to: string) => ({ from: key('m', from), to: key('m', to) })
export const historySince = (from: string, to: string) => ({ from: key('h', from), to: key('h', to) })
export const historyBefore = (id: string) => ({ from: key('h'), to: key('h', id) })

/** The message id and delivery number in the key of a delivery or history record. */
export function readKey(at: Key): { readonly id: string; readonly number: number } {
  const [, id, number] = unkey(at) as [string, string, number]
  return { id, number }
}

// --- values -----------------------------------------------------------------------------------

/** The trace of one delivery. */
export function deliveryTraceOf(number: number, delivery: DeliveryRecord): DeliveryTrace {
  const { channel, nexthop, attempts, findings } = delivery
  return { number, channel, nexthop, attempts, ...(findings.length > 0 ? { findings } : {}) }
}

// --- lanes --------------------------------------------------------------------------------------

const PRIORITIES: readonly Priority[] = ['urgent', 'normal', 'bulk']
const HELD = '!/'

export function laneOf(channel: string, priority: Priority, nexthop: string): string {
  return `${channel}/${priority}/${nexthop}`
}

/** The lane of a delivery. */
export function laneForDelivery({ channel, nexthop, held }: DeliveryRecord, priority: Priority): string {
  return `${held === undefined ? '' : HELD}${laneOf(channel, priority, nexthop)}`
}

/** The parts of a lane's name; undefined for a lane that is not the queue's. */
export function readLane(
  lane: string,
): { channel: string; priority: Priority; nexthop: string; held: boolean } | undefined {
  const held = lane.startsWith(HELD)
  const name = held ? lane.slice(HELD.length) : lane
  const first = name.indexOf('/')
  const second = name.indexOf('/', first + 1)
  const priority = PRIORITIES.find((known) => known === name.slice(first + 1, second))
  return second < 0 || !priority
    ? undefined
    : { channel: name.slice(0, first), priority, nexthop: name.slice(second + 1), held }
}
