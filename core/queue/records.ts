/**
 * What the queue writes, and under which keys. Nothing else in IEMS names these records:
 *
 *   m id             the message: envelope, session, blob, header edits, findings, boxes; not changed after ACCEPT
 *   d id n           a delivery: channel, next hop, recipients still waiting, attempts made
 *   r blob           the blob has holders, not only the message that brought it; `r blob owner` names each
 *   f blob           a holder let go of the blob; whether it was the last is still to be seen. Another value each time
 *   h id n           history: the biography of what is finished or was refused (0: the message, n: a delivery)
 *   o key            a `once` key and the id of the message it became
 *   s name           a secret of this server (login.ts)
 *   j owner name     when a job last ran (runtime/jobs.ts); it is due in the lane jobs/owner:name
 *   lanes            channel/priority/nexthop, and !/channel/priority/nexthop for what is held: every delivery is in one
 */
import type { Finding, MailParameters, Priority, Recipient, Session } from '../api/hooks.ts'
import type { Reply } from '../api/reply.ts'
import type { Edits } from '../message/edits.ts'
import type { AttemptRecord, DeliveryTrace, Step } from '../message/trace.ts'
import { below, key, unkey } from '../store/keys.ts'
import type { Key, Value } from '../store/store.ts'

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
  /** The blob was there before, or other messages have it too: the message is one of its holders. */
  readonly shared?: true
  readonly blobSize: number
  /** SHA-256 of the blob in base64url; absent in records of versions before it was kept. */
  readonly hash?: string
  readonly headerSize: number
  readonly edits: Edits
  readonly size: number
  readonly needs: { readonly eightBit: boolean; readonly binary: boolean; readonly utf8: boolean }
  readonly findings: readonly Finding[]
  readonly state: Readonly<Record<string, Record<string, unknown>>>
  readonly steps: readonly Step[]
  /** The Subject and Message-ID fields as they came, shortened: for searching. */
  readonly subject?: string
  readonly messageId?: string
  /** The first of the messages that were made of what was received, when it was split. */
  readonly splitFrom?: string
  /** How many deliveries it began with. */
  readonly of: number
  /** Written by us about another message: its own failure is not reported to anybody but the postmaster. */
  readonly report?: 'report' | 'double'
}

/** A recipient that waits, with the last answer it got. */
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
  /** Not tried before this time, ms since 1970. */
  readonly notBefore?: number
  /** It is to be ended with a report: an administrator's reason, or the reply of the check that refused it. */
  readonly giveUp?: string | Reply
}

/** When a message could first be tried, ms since 1970: its age counts from then. */
export function startOf({ at, parameters }: Pick<MessageRecord, 'at' | 'parameters'>): number {
  return Math.max(at, parameters.notBefore ?? 0)
}

/** The reverse-path of a delivery: that of its recipients, which have the same one, or the message's. */
export function reversePathOf({ from }: Pick<MessageRecord, 'from'>, { recipients }: DeliveryRecord): string {
  return recipients[0]?.from ?? from
}

// --- keys ---------------------------------------------------------------------------------

export const messageKey = (id: string): Key => key('m', id)
export const deliveryKey = (id: string, number: number): Key => key('d', id, number)
/** There is one when somebody else than the message holds the blob. */
export const holdersKey = (blob: string): Key => key('r', blob)
/** The owner under which a message of the queue holds a blob; no plugin has such a name. */
export const messageHolder = (id: string): string => `!/${id}`
export const holderKey = (blob: string, owner: string): Key => key('r', blob, owner)
/** Who holds a blob, without the record that says there is somebody. */
export const holdersOf = (blob: string) => ({ from: key('r', blob, ''), to: below('r', blob).to })
/** Somebody let go of the blob, and it has not been looked whether he was the last. */
export const freedKey = (blob: string): Key => key('f', blob)
export const allFreed = below('f')
export const historyKey = (id: string, number: number): Key => key('h', id, number)
export const onceKey = (once: string): Key => key('o', once)
export const allMessages = below('m')
export const allOnce = below('o')
export const deliveriesOf = (id: string) => below('d', id)
export const historyOf = (id: string) => below('h', id)
/** Everything about messages accepted before that id. */
export const messagesBefore = (id: string) => ({ from: key('m'), to: key('m', id) })
/** Everything about messages of ids from one up to and without another. */
export const messagesSince = (from: string, to: string) => ({ from: key('m', from), to: key('m', to) })
export const historySince = (from: string, to: string) => ({ from: key('h', from), to: key('h', to) })
export const historyBefore = (id: string) => ({ from: key('h'), to: key('h', id) })

/** Whose record a delivery's or a history record's key names. */
export function readKey(at: Key): { readonly id: string; readonly number: number } {
  const [, id, number] = unkey(at) as [string, string, number]
  return { id, number }
}

// --- values -----------------------------------------------------------------------------------

export const encode = (value: unknown): Value => Buffer.from(JSON.stringify(value))
export const decode = <T>(value: Value): T =>
  JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString()) as T

/** A delivery's part of the biography. */
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

/** The lane a delivery stands in. */
export function laneForDelivery({ channel, nexthop, held }: DeliveryRecord, priority: Priority): string {
  return `${held === undefined ? '' : HELD}${laneOf(channel, priority, nexthop)}`
}

/** The parts of a lane's name, or undefined for a name that is not the queue's. */
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
