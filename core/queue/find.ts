/**
 * Finds waiting deliveries by filter. Every delivery is in a lane, so the lanes serve as the list; a search for an
 * address reads the records in their own order instead, because only they name it.
 *
 * Invariants: lanes that the filter excludes are not read; of records that do not name the address in question none is
 * decoded; deliveries that end during the search are skipped.
 */
import type { Clock } from '../api/clock.ts'
import type { Priority } from '../api/hooks.ts'
import { wordsOf } from '../delivery/report-text.ts'
import type { Key, Scheduled, Store, Value } from '../store/store.ts'
import {
  allDeliveries,
  allMessages,
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

/** A filter over deliveries; all given fields must match. */
export interface QueueFilter {
  /** A message id for all its deliveries; with a dot and a number, one delivery. */
  readonly message?: string
  readonly channel?: string
  /** A next hop; `.example.org` means every one below it. */
  readonly nexthop?: string
  /** The reverse-path: the message's, or that of the delivery's recipients. Addresses are compared without case. */
  readonly from?: string
  readonly recipient?: string
  readonly held?: boolean
  /** Scheduled for a time that has not come. */
  readonly scheduled?: boolean
}

/** A waiting delivery, as lists show it. */
export interface QueueEntry {
  /** Message id, dot, delivery number. */
  readonly id: string
  readonly message: string
  readonly from: string
  readonly channel: string
  readonly nexthop: string
  readonly priority: Priority
  readonly size: number
  /** Attempts made. */
  readonly attempt: number
  /** Time of acceptance, ms since 1970. */
  readonly since: number
  /** Time of the next attempt, ms since 1970; absent while held. */
  readonly due?: number
  /** Reason for holding it. */
  readonly held?: string
  /** No attempt before this time, ms since 1970; absent once it has passed. */
  readonly notBefore?: number
  /** Currently being attempted. */
  readonly active?: boolean
  readonly recipients: readonly {
    readonly address: string
    /** The last reply verbatim, and its interpreted enhanced code. */
    readonly last?: string
    readonly enhanced?: string
  }[]
}

/** The waiting deliveries of a channel for one next hop. */
export interface QueueHop {
  readonly channel: string
  readonly nexthop: string
  readonly held: boolean
  readonly count: number
  /** Time of the next attempt, ms since 1970; absent while held. */
  readonly due?: number
  /** The delivery that is due first. */
  readonly first?: QueueEntry
}

/** Deliveries read at once. */
const BATCH = 50
/** Messages that a search keeps at most. */
const MAX_MESSAGES = 100

export interface FindDeps {
  readonly store: Store
  readonly clock: Clock
}

export interface Found {
  readonly key: Key
  readonly lane: string
  readonly entry: QueueEntry
}

/** The parts of a lane's name, if the filter can match anything in it. */
export function matchingLane(lane: string, filter: QueueFilter) {
  const parts = readLane(lane)
  if (!parts) return undefined
  if (filter.channel !== undefined && parts.channel !== filter.channel) return undefined
  if (filter.held !== undefined && parts.held !== filter.held) return undefined
  const { nexthop } = filter
  if (nexthop === undefined) return parts
  return (nexthop.startsWith('.') ? parts.nexthop.endsWith(nexthop) : parts.nexthop === nexthop) ? parts : undefined
}

/** Whether the filter matches a delivery by its own record; checked again before a change. */
export function matchesDelivery(delivery: DeliveryRecord, filter: QueueFilter, now: number): boolean {
  if (filter.held !== undefined && (delivery.held !== undefined) !== filter.held) return false
  return filter.scheduled === undefined || (delivery.notBefore ?? 0) > now === filter.scheduled
}

const isSame = (address: string, wanted: string | undefined) => address.toLowerCase() === wanted?.toLowerCase()

/** Whether the octets of a record may name an address. */
function naming(address: string): (value: Value) => boolean {
  const wanted = JSON.stringify(address).slice(1, -1).toLowerCase()
  return (value) =>
    Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString().toLowerCase().includes(wanted)
}

/** Messages of a search: one with many recipients is read once, not once for each of its deliveries. */
class Messages {
  readonly #store: Store
  readonly #kept = new Map<string, Promise<MessageRecord | undefined>>()

  constructor(store: Store) {
    this.#store = store
  }

  get(id: string): Promise<MessageRecord | undefined> {
    const known = this.#kept.get(id)
    if (known) return known
    if (this.#kept.size >= MAX_MESSAGES) this.#kept.clear()
    const reading = this.#store.get(messageKey(id)).then((value) => value && decode<MessageRecord>(value))
    this.#kept.set(id, reading)
    return reading
  }
}

type Reader = FindDeps & { readonly messages: Messages }

async function read(
  { store, clock, messages }: Reader,
  lane: string,
  { key: at, at: due, leased }: Scheduled,
  filter: QueueFilter,
): Promise<Found | undefined> {
  const { id, number } = readKey(at)
  const [record, value] = await Promise.all([messages.get(id), store.get(at)])
  if (!record || !value) return undefined
  const delivery = decode<DeliveryRecord>(value)
  const from = reversePathOf(record, delivery)
  if (filter.from !== undefined && ![record.from, from].some((one) => isSame(one, filter.from))) return undefined
  if (!matchesDelivery(delivery, filter, clock.now())) return undefined
  if (filter.recipient !== undefined && !delivery.recipients.some(({ address }) => isSame(address, filter.recipient)))
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

/** Whether the name of a lane decides alone, so that deliveries can be passed over and counted without reading them. */
const isOfLanes = ({ message, from, recipient, scheduled }: QueueFilter): boolean =>
  message === undefined && from === undefined && recipient === undefined && scheduled === undefined

/** Every delivery that the filter matches, without the first `skip`. */
export async function* findDeliveries(deps: FindDeps, filter: QueueFilter, skip = 0): AsyncGenerator<Found> {
  let left = skip
  const reader = { ...deps, messages: new Messages(deps.store) }
  const found = candidates(reader, filter, () => left-- > 0)
  for await (const one of found) if (one && left-- <= 0) yield one
}

/** By what the filter names that narrows the search most. */
function candidates(reader: Reader, filter: QueueFilter, passes: () => boolean): AsyncGenerator<Found | undefined> {
  const { message, recipient, from } = filter
  if (message !== undefined) return findOf(reader, message, filter)
  if (recipient !== undefined) return findNaming(reader, recipient, filter)
  if (from !== undefined) return findFrom(reader, from, filter)
  return findInLanes(reader, filter, passes)
}

/** Undefined stands for a delivery that was passed over unread. */
async function* findInLanes(
  reader: Reader,
  filter: QueueFilter,
  passes: () => boolean,
): AsyncGenerator<Found | undefined> {
  const { store } = reader
  const isUnread = isOfLanes(filter)
  for await (const { lane } of store.lanes('')) {
    if (!matchingLane(lane, filter)) continue
    let batch: Scheduled[] = []
    const finish = () => Promise.all(batch.map((scheduled) => read(reader, lane, scheduled, filter)))
    for await (const scheduled of store.due(lane, Number.MAX_SAFE_INTEGER)) {
      if (isUnread && passes()) continue
      batch.push(scheduled)
      if (batch.length < BATCH) continue
      yield* await finish()
      batch = []
    }
    yield* await finish()
  }
}

/** Deliveries whose own records name an address, oldest message first. */
async function* findNaming(reader: Reader, address: string, filter: QueueFilter): AsyncGenerator<Found> {
  const isCandidate = naming(address)
  for await (const [at, bytes] of reader.store.scan(allDeliveries)) {
    const one = isCandidate(bytes) ? await readAt(reader, at, bytes, filter) : undefined
    if (one) yield one
  }
}

/** Those of messages with that reverse-path, then those whose recipients have it as their own. */
async function* findFrom(reader: Reader, from: string, filter: QueueFilter): AsyncGenerator<Found> {
  const isCandidate = naming(from)
  for await (const [, bytes] of reader.store.scan(allMessages)) {
    if (!isCandidate(bytes)) continue
    const { id, from: path } = decode<MessageRecord>(bytes)
    if (isSame(path, from)) yield* findOf(reader, id, filter)
  }
  for await (const one of findNaming(reader, from, filter)) {
    const record = await reader.messages.get(one.entry.message)
    if (record && !isSame(record.from, from)) yield one
  }
}

async function* findOf(reader: Reader, message: string, filter: QueueFilter): AsyncGenerator<Found> {
  const [id = '', ...rest] = message.split('.')
  const number = rest.length === 0 ? undefined : rest.join('.')
  for await (const [at, bytes] of reader.store.scan(deliveriesOf(id))) {
    if (number !== undefined && String(readKey(at).number) !== number) continue
    const one = await readAt(reader, at, bytes, filter)
    if (one) yield one
  }
}

/** A delivery that was found by its record. */
async function readAt(reader: Reader, at: Key, bytes: Value, filter: QueueFilter): Promise<Found | undefined> {
  const { store, messages } = reader
  const record = await messages.get(readKey(at).id)
  if (!record) return undefined
  const lane = laneForDelivery(decode<DeliveryRecord>(bytes), record.priority)
  if (!matchingLane(lane, filter)) return undefined
  const [due = 0, leased] = await Promise.all([store.dueAt(lane, at), store.isLeased(lane, at)])
  return read(reader, lane, { key: at, at: due, leased }, filter)
}

/** The lanes of a next hop, one for each priority, are one hop. */
export async function* findHops(deps: FindDeps): AsyncGenerator<QueueHop> {
  const { store } = deps
  const reader = { ...deps, messages: new Messages(store) }
  const hops = new Map<string, { lane: string; first?: Scheduled; count: number }[]>()
  for await (const { lane } of store.lanes('')) {
    const parts = readLane(lane)
    if (!parts) continue
    const at = JSON.stringify([parts.channel, parts.nexthop, parts.held])
    const found: { lane: string; first?: Scheduled; count: number } = { lane, count: 0 }
    for await (const scheduled of store.due(lane, Number.MAX_SAFE_INTEGER)) {
      found.first ??= scheduled
      found.count++
    }
    hops.set(at, [...(hops.get(at) ?? []), found])
  }
  for (const [at, lanes] of hops) {
    const [channel, nexthop, held] = JSON.parse(at) as [string, string, boolean]
    const soonest = lanes.reduce((a, b) => ((b.first?.at ?? Infinity) < (a.first?.at ?? Infinity) ? b : a))
    const found = soonest.first && (await read(reader, soonest.lane, soonest.first, {}))
    const count = lanes.reduce((sum, one) => sum + one.count, 0)
    if (count === 0) continue
    yield {
      channel,
      nexthop,
      held,
      count,
      ...(held || !soonest.first ? {} : { due: soonest.first.at }),
      ...(found ? { first: found.entry } : {}),
    }
  }
}
