/**
 * What admins, ETRN and web administration see of the queue and may do with what waits.
 *
 * What must stay true: what is being delivered at this moment, by whatever kernel, is left alone; every change is one commit that holds only
 * if nothing else changed the delivery; nothing ends without a report but what an admin removes.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '../api/clock.ts'
import type { Priority, Recipient, Route } from '../api/hooks.ts'
import { format, type Reply } from '../api/reply.ts'
import { wordsOf } from '../delivery/report-text.ts'
import { openWith } from '../message/message.ts'
import { type DeliveryTrace, type MessageTrace, type RecipientResult, withAttempt } from '../message/trace.ts'
import type { Emit } from '../runtime/log.ts'
import { defineSignal, type Signals } from '../runtime/signals.ts'
import type { ByteRange, Key, Op, Scheduled, Store } from '../store/store.ts'
import type { SharedQueue } from './queue.ts'
import {
  type DeliveryRecord,
  decode,
  deliveriesOf,
  deliveryTraceOf,
  historyKey,
  historyOf,
  laneForDelivery,
  type MessageRecord,
  messageKey,
  readKey,
  readLane,
} from './records.ts'

/** Which deliveries are meant; every field that is given must match. */
export interface QueueFilter {
  readonly message?: string
  readonly channel?: string
  /** A next hop; `.example.org` means every one below it. */
  readonly nexthop?: string
  readonly from?: string
  readonly recipient?: string
  readonly held?: boolean
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
  /** Being delivered at this moment. */
  readonly active?: boolean
  readonly recipients: readonly {
    readonly address: string
    /** The last reply as it was said, and its enhanced code as it was understood. */
    readonly last?: string
    readonly enhanced?: string
  }[]
}

/** What admins, ETRN and web administration may do with what waits. Each answers how many deliveries it concerned. */
export interface Queue {
  list(filter?: QueueFilter, limit?: number): AsyncIterable<QueueEntry>
  count(filter?: QueueFilter): Promise<number>
  hold(filter: QueueFilter, reason: string): Promise<number>
  release(filter: QueueFilter): Promise<number>
  /** Due at once; what is held stays held. */
  retry(filter: QueueFilter): Promise<number>
  /** A whole next hop due at once, forgetting that it was unreachable; `.example.org` is every one below it. */
  flush(nexthop: string, channel?: string): Promise<number>
  reroute(filter: QueueFilter, route: Route): Promise<number>
  /** Ends them with a failure report to the sender. */
  bounce(filter: QueueFilter, reason: string): Promise<number>
  /** Ends them without a report. */
  remove(filter: QueueFilter): Promise<number>
  /** The content of a waiting message, or a range of it, held ones included; undefined when it does not wait. */
  open(message: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array> | undefined>
  /** A message's biography, also when it is finished; undefined when nothing is known of it. */
  biography(message: string): Promise<MessageTrace | undefined>
}

/** How many deliveries one commit changes when an admin changes many. */
const BATCH = 500

export interface AdminDeps {
  readonly store: Store
  readonly clock: Clock
  readonly emit: Emit
  readonly queue: SharedQueue
  readonly signals: Signals
}

/** A next hop is to be tried again: channels forget that it was unreachable. */
export const Flushed = defineSignal<{ readonly channel: string; readonly nexthop: string }>('queue:flushed')

export type Admin = ReturnType<typeof createAdmin>

export function createAdmin({ store, clock, emit, queue, signals }: AdminDeps) {
  /** The parts of a lane's name if the filter means what is in it. */
  function matching(lane: string, filter: QueueFilter) {
    const parts = readLane(lane)
    if (!parts) return undefined
    if (filter.channel !== undefined && parts.channel !== filter.channel) return undefined
    if (filter.held !== undefined && parts.held !== filter.held) return undefined
    const { nexthop } = filter
    if (nexthop === undefined) return parts
    return (nexthop.startsWith('.') ? parts.nexthop.endsWith(nexthop) : parts.nexthop === nexthop) ? parts : undefined
  }

  interface Found {
    readonly key: Key
    readonly lane: string
    readonly entry: QueueEntry
  }

  async function found(
    lane: string,
    { key: at, at: due, leased }: Scheduled,
    filter: QueueFilter,
  ): Promise<Found | undefined> {
    const { id, number } = readKey(at)
    const [message, value] = await Promise.all([store.get(messageKey(id)), store.get(at)])
    if (!message || !value) return undefined
    const record = decode<MessageRecord>(message)
    const delivery = decode<DeliveryRecord>(value)
    if (filter.from !== undefined && record.from !== filter.from) return undefined
    if (filter.recipient !== undefined && !delivery.recipients.some(({ address }) => address === filter.recipient))
      return undefined
    const name = `${id}.${number}`
    const entry: QueueEntry = {
      id: name,
      message: id,
      from: record.from,
      channel: delivery.channel,
      nexthop: delivery.nexthop,
      priority: record.priority,
      size: record.size,
      attempt: delivery.attempt,
      since: record.at,
      ...(delivery.held === undefined ? { due } : { held: delivery.held }),
      ...(leased ? { active: true } : {}),
      recipients: delivery.recipients.map(({ address, last }) => ({
        address,
        ...(last ? { last: wordsOf(last), enhanced: last.enhanced } : {}),
      })),
    }
    return { key: at, lane, entry }
  }

  /** Every delivery is in a lane, so the lanes are the list. */
  async function* find(filter: QueueFilter): AsyncGenerator<Found> {
    if (filter.message !== undefined) {
      yield* findOf(filter.message, filter)
      return
    }
    for await (const { lane } of store.lanes('')) {
      if (!matching(lane, filter)) continue
      for await (const scheduled of store.due(lane, Number.MAX_SAFE_INTEGER)) {
        const one = await found(lane, scheduled, filter)
        if (one) yield one
      }
    }
  }

  async function* findOf(message: string, filter: QueueFilter): AsyncGenerator<Found> {
    const [id = '', number] = message.split('.')
    const value = await store.get(messageKey(id))
    if (!value) return
    const { priority } = decode<MessageRecord>(value)
    for await (const [at, bytes] of store.scan(deliveriesOf(id))) {
      if (number !== undefined && readKey(at).number !== Number(number)) continue
      const lane = laneForDelivery(decode<DeliveryRecord>(bytes), priority)
      if (!matching(lane, filter)) continue
      const [due = 0, leased] = await Promise.all([store.dueAt(lane, at), store.isLeased(lane, at)])
      const one = await found(lane, { key: at, at: due, leased }, filter)
      if (one) yield one
    }
  }

  /** Applies a change to everything that matches and is not being delivered at this moment. */
  async function changeAll(
    filter: QueueFilter,
    edit: (delivery: DeliveryRecord) => DeliveryRecord,
    { inMs, announce = () => {} }: { readonly inMs?: number; readonly announce?: (entry: QueueEntry) => void } = {},
  ): Promise<number> {
    let count = 0
    let batch: Key[] = []
    const finish = async () => {
      // What was announced is heard before it takes effect.
      await turn()
      const done = await Promise.all(batch.map((at) => queue.change(at, edit, { inMs })))
      count += done.filter(Boolean).length
      batch = []
    }
    for await (const { key: at, entry } of find(filter)) {
      if (entry.active) continue
      announce(entry)
      batch.push(at)
      if (batch.length >= BATCH) await finish()
    }
    await finish()
    return count
  }

  const released = ({ held: _, ...delivery }: DeliveryRecord): DeliveryRecord => delivery

  const admin: Queue = {
    async *list(filter = {}, limit = Number.MAX_SAFE_INTEGER) {
      let left = limit
      if (left <= 0) return
      for await (const { entry } of find(filter)) {
        yield entry
        if (--left <= 0) return
      }
    },
    async count(filter = {}) {
      let count = 0
      for await (const _ of find(filter)) count++
      return count
    },
    async hold(filter, reason) {
      const count = await changeAll({ ...filter, held: false }, (delivery) => ({ ...delivery, held: reason }))
      if (count > 0) emit('delivery.held', { ...filter, count, reason })
      return count
    },
    async release(filter) {
      const count = await changeAll({ ...filter, held: true }, released, { inMs: 0 })
      if (count > 0) emit('delivery.released', { ...filter, count })
      return count
    },
    retry: (filter) =>
      changeAll({ ...filter, held: false }, (delivery) => delivery, {
        inMs: 0,
        announce: ({ channel, nexthop }) => signals.publish(Flushed, { channel, nexthop }),
      }),
    async flush(nexthop, channel) {
      let count = 0
      const filter = { nexthop, held: false, ...(channel === undefined ? {} : { channel }) }
      for await (const { lane } of store.lanes('')) {
        const parts = matching(lane, filter)
        if (!parts) continue
        signals.publish(Flushed, { channel: parts.channel, nexthop: parts.nexthop })
        await turn()
        let ops: Op[] = []
        for await (const { key: at, leased } of store.due(lane, Number.MAX_SAFE_INTEGER)) {
          if (leased) continue
          ops.push({ due: at, lane, in: 0, ifFree: true })
          count++
          if (ops.length < BATCH) continue
          await store.commit(ops)
          ops = []
        }
        if (ops.length > 0) await store.commit(ops)
      }
      emit('queue.flushed', { nexthop, ...(channel === undefined ? {} : { channel }), count })
      return count
    },
    async reroute(filter, route) {
      const count = await changeAll(filter, (delivery) => ({ ...delivery, ...route }), { inMs: 0 })
      if (count > 0) emit('delivery.rerouted', { ...filter, to: `${route.channel} ${route.nexthop}`, count })
      return count
    },
    // The report is written where all reports are, by the channel's loop, which takes it at once.
    bounce: (filter, reason) =>
      changeAll(filter, (delivery) => ({ ...released(delivery), giveUp: reason }), { inMs: 0 }),
    async remove(filter) {
      const now = clock.now()
      const gone = ({ address }: Recipient): RecipientResult => ({
        address,
        status: 'removed',
        reply: 'removed by an admin',
      })
      const count = await changeAll(filter, (delivery) => ({
        ...delivery,
        recipients: [],
        attempts: withAttempt(delivery.attempts, { at: now, ms: 0, fates: delivery.recipients.map(gone) }),
      }))
      if (count > 0) emit('delivery.removed', { ...filter, count })
      return count
    },
    async open(message, range) {
      const value = await store.get(messageKey(message))
      if (!value) return undefined
      const { blob, blobSize, edits } = decode<MessageRecord>(value)
      return openWith({ size: blobSize, open: (some) => store.blobs.open(blob, some) }, edits, range)
    },
    biography,
  }

  async function biography(id: string): Promise<MessageTrace | undefined> {
    const live = await store.get(messageKey(id))
    const value = live ?? (await store.get(historyKey(id, 0)))
    if (!value) return undefined
    const { last, refused, ...record } = decode<MessageRecord & { last?: DeliveryTrace; refused?: Reply }>(value)
    const deliveries: DeliveryTrace[] = last ? [last] : []
    for await (const [at, bytes] of store.scan(historyOf(id)))
      if (readKey(at).number !== 0) deliveries.push(decode(bytes))
    for await (const [at, bytes] of store.scan(deliveriesOf(id))) {
      const delivery = decode<DeliveryRecord>(bytes)
      const due = await store.dueAt(laneForDelivery(delivery, record.priority), at)
      const when = delivery.held === undefined ? (due === undefined ? {} : { due }) : { held: delivery.held }
      deliveries.push({
        ...deliveryTraceOf(readKey(at).number, delivery),
        waiting: { recipients: delivery.recipients, ...when },
      })
    }
    const { at, session, from, recipients, size, priority, steps, findings } = record
    deliveries.sort((a, b) => a.number - b.number)
    const story = { id, at, session, from, recipients, size, priority, steps, findings, deliveries, finished: !live }
    return refused ? { ...story, refused: format(refused) } : story
  }

  return { queue: admin }
}
