/**
 * Finding deliveries that wait, by what a filter says of them. Every delivery is in a lane, so the lanes are the list.
 *
 * What must stay true: nothing is read of lanes that the filter rules out; a delivery that has gone meanwhile is passed
 * over.
 */
import type { Clock } from '../api/clock.ts'
import type { Priority } from '../api/hooks.ts'
import { wordsOf } from '../delivery/report-text.ts'
import type { Key, Scheduled, Store } from '../store/store.ts'
import {
  type DeliveryRecord,
  decode,
  deliveriesOf,
  laneForDelivery,
  type MessageRecord,
  messageKey,
  readKey,
  readLane,
  reversePathOf,
} from './records.ts'

/** Which deliveries are meant; every field that is given must match. */
export interface QueueFilter {
  readonly message?: string
  readonly channel?: string
  /** A next hop; `.example.org` means every one below it. */
  readonly nexthop?: string
  /** The reverse-path: the message's, or that of the delivery's recipients. */
  readonly from?: string
  readonly recipient?: string
  readonly held?: boolean
  /** Waits for the time before which it is not to be tried. */
  readonly scheduled?: boolean
}

/** One delivery that waits, as lists show it. */
export interface QueueEntry {
  /** The message's id, a dot, the delivery's number. */
  readonly id: string
  readonly message: string
  readonly from: string
  readonly channel: string
  readonly nexthop: string
  readonly priority: Priority
  readonly size: number
  /** Attempts made. */
  readonly attempt: number
  /** When the message was accepted, ms since 1970. */
  readonly since: number
  /** When the next attempt is due, ms since 1970; absent while it is held. */
  readonly due?: number
  /** Why it is held. */
  readonly held?: string
  /** It is not tried before this time, ms since 1970: absent once that has come. */
  readonly notBefore?: number
  /** Being delivered at this moment. */
  readonly active?: boolean
  readonly recipients: readonly {
    readonly address: string
    /** The last reply as it was said, and its enhanced code as it was understood. */
    readonly last?: string
    readonly enhanced?: string
  }[]
}

export interface FindDeps {
  readonly store: Store
  readonly clock: Clock
}

export interface Found {
  readonly key: Key
  readonly lane: string
  readonly entry: QueueEntry
}

/** The parts of a lane's name if the filter means what is in it. */
export function matchingLane(lane: string, filter: QueueFilter) {
  const parts = readLane(lane)
  if (!parts) return undefined
  if (filter.channel !== undefined && parts.channel !== filter.channel) return undefined
  if (filter.held !== undefined && parts.held !== filter.held) return undefined
  const { nexthop } = filter
  if (nexthop === undefined) return parts
  return (nexthop.startsWith('.') ? parts.nexthop.endsWith(nexthop) : parts.nexthop === nexthop) ? parts : undefined
}

/** Whether the filter means a delivery, as far as its own record tells; asked again before it is changed. */
export function matchesDelivery(delivery: DeliveryRecord, filter: QueueFilter, now: number): boolean {
  if (filter.held !== undefined && (delivery.held !== undefined) !== filter.held) return false
  return filter.scheduled === undefined || (delivery.notBefore ?? 0) > now === filter.scheduled
}

async function read(
  { store, clock }: FindDeps,
  lane: string,
  { key: at, at: due, leased }: Scheduled,
  filter: QueueFilter,
): Promise<Found | undefined> {
  const { id, number } = readKey(at)
  const [message, value] = await Promise.all([store.get(messageKey(id)), store.get(at)])
  if (!message || !value) return undefined
  const record = decode<MessageRecord>(message)
  const delivery = decode<DeliveryRecord>(value)
  const from = reversePathOf(record, delivery)
  if (filter.from !== undefined && ![record.from, from].includes(filter.from)) return undefined
  if (!matchesDelivery(delivery, filter, clock.now())) return undefined
  if (filter.recipient !== undefined && !delivery.recipients.some(({ address }) => address === filter.recipient))
    return undefined
  const { channel, nexthop, attempt, held, notBefore = 0, recipients } = delivery
  const entry: QueueEntry = {
    id: `${id}.${number}`,
    message: id,
    from,
    channel,
    nexthop,
    priority: record.priority,
    size: record.size,
    attempt,
    since: record.at,
    ...(held === undefined ? { due } : { held }),
    ...(notBefore > clock.now() ? { notBefore } : {}),
    ...(leased ? { active: true } : {}),
    recipients: recipients.map(({ address, last }) => ({
      address,
      ...(last ? { last: wordsOf(last), enhanced: last.enhanced } : {}),
    })),
  }
  return { key: at, lane, entry }
}

/** Every delivery that the filter means. */
export async function* findDeliveries(deps: FindDeps, filter: QueueFilter): AsyncGenerator<Found> {
  const { store } = deps
  if (filter.message !== undefined) {
    yield* findOf(deps, filter.message, filter)
    return
  }
  for await (const { lane } of store.lanes('')) {
    if (!matchingLane(lane, filter)) continue
    for await (const scheduled of store.due(lane, Number.MAX_SAFE_INTEGER)) {
      const one = await read(deps, lane, scheduled, filter)
      if (one) yield one
    }
  }
}

async function* findOf(deps: FindDeps, message: string, filter: QueueFilter): AsyncGenerator<Found> {
  const { store } = deps
  const [id = '', number] = message.split('.')
  const value = await store.get(messageKey(id))
  if (!value) return
  const { priority } = decode<MessageRecord>(value)
  for await (const [at, bytes] of store.scan(deliveriesOf(id))) {
    if (number !== undefined && readKey(at).number !== Number(number)) continue
    const lane = laneForDelivery(decode<DeliveryRecord>(bytes), priority)
    if (!matchingLane(lane, filter)) continue
    const [due = 0, leased] = await Promise.all([store.dueAt(lane, at), store.isLeased(lane, at)])
    const one = await read(deps, lane, { key: at, at: due, leased }, filter)
    if (one) yield one
  }
}
