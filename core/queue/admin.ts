/**
 * The queue as administrators, ETRN and web administration see and change it.
 *
 * Invariants: a delivery that any kernel is currently attempting is never touched; every change is one commit that
 * fails if the delivery changed meanwhile; only removal by an administrator ends a delivery without a report.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Recipient, Route } from '../api/hooks.ts'
import { openWith } from '../message/edits.ts'
import { type MessageTrace, type RecipientResult, withAttempt } from '../message/trace.ts'
import type { Emit } from '../runtime/log.ts'
import { defineSignal, type Signals } from '../runtime/signals.ts'
import type { ByteRange, Key, Op } from '../store/store.ts'
import {
  type FindDeps,
  findDeliveries,
  findHops,
  matchesDelivery,
  matchingLane,
  type QueueEntry,
  type QueueFilter,
  type QueueHop,
} from './find.ts'
import { traceOf } from './history.ts'
import type { SharedQueue } from './queue.ts'
import { type DeliveryRecord, decode, type MessageRecord, messageKey } from './records.ts'

import { type FoundMessage, findMessages, type MessageFilter } from './search.ts'

export type { QueueEntry, QueueFilter, QueueHop } from './find.ts'

/**
 * Changes that administrators, ETRN and web administration may make. Each returns the number of deliveries affected.
 */
export interface Queue {
  /** Up to `limit` deliveries after the first `skip`. */
  list(filter?: QueueFilter, limit?: number, skip?: number): AsyncIterable<QueueEntry>
  /** Next hops with what waits for each, without reading the deliveries: the way to show a large queue. */
  hops(): AsyncIterable<QueueHop>
  count(filter?: QueueFilter): Promise<number>
  hold(filter: QueueFilter, reason: string): Promise<number>
  /** Releases held deliveries; with `scheduled: true`, sends scheduled ones at once. */
  release(filter: QueueFilter): Promise<number>
  /** Makes deliveries due at once. Held ones stay held, and scheduled ones keep their time. */
  retry(filter: QueueFilter): Promise<number>
  /** Makes all deliveries of a next hop due at once and resets its backoff; `.example.org` means every one below it. */
  flush(nexthop: string, channel?: string): Promise<number>
  reroute(filter: QueueFilter, route: Route): Promise<number>
  /** Ends deliveries with a failure report to the sender. */
  bounce(filter: QueueFilter, reason: string): Promise<number>
  /**
   * Ends deliveries without a report. With `scheduled: true` it cancels scheduled ones before their time: those counted
   * are never delivered.
   */
  remove(filter: QueueFilter): Promise<number>
  /** Content of a waiting or held message, or a range of it; undefined when it does not wait. */
  open(message: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array> | undefined>
  /** Waiting, finished and refused messages, newest first, until the signal aborts. */
  search(filter: MessageFilter, signal: AbortSignal): AsyncIterable<FoundMessage>
  /** The trace of a message, also of a finished one; undefined when unknown. */
  trace(message: string): Promise<MessageTrace | undefined>
}

/** Deliveries changed in one commit of a bulk change. */
const BATCH = 500

export interface AdminDeps extends FindDeps {
  readonly emit: Emit
  readonly queue: SharedQueue
  readonly signals: Signals
}

/** Signals that a next hop is to be tried again: channels reset its backoff. */
export const Flushed = defineSignal<{ readonly channel: string; readonly nexthop: string }>('queue:flushed')

export interface Admin {
  readonly queue: Queue
}

export function createAdmin(deps: AdminDeps): Admin {
  return {
    queue: {
      list: (filter = {}, limit = Number.MAX_SAFE_INTEGER, skip = 0) => list(deps, filter, limit, skip),
      hops: () => findHops(deps),
      count: (filter = {}) => count(deps, filter),
      hold: (filter, reason) => hold(deps, filter, reason),
      release: (filter) => release(deps, filter),
      retry: (filter) => retry(deps, filter),
      flush: (nexthop, channel) => flush(deps, nexthop, channel),
      reroute: (filter, route) => reroute(deps, filter, route),
      // The channel's loop writes the report, as it does all others, and takes the delivery at once.
      bounce: (filter, reason) =>
        changeAll(deps, filter, (delivery) => ({ ...letGo(delivery), giveUp: reason }), { inMs: 0 }),
      remove: (filter) => remove(deps, filter),
      open: (message, range) => open(deps, message, range),
      search: (filter, signal) => findMessages(deps.store, filter, signal),
      trace: (message) => traceOf(deps.store, message),
    },
  }
}

/** Applies a change to all matching deliveries that are not being attempted. */
async function changeAll(
  deps: AdminDeps,
  filter: QueueFilter,
  edit: (delivery: DeliveryRecord) => DeliveryRecord,
  { inMs, announce = () => {} }: { readonly inMs?: number; readonly announce?: (entry: QueueEntry) => void } = {},
): Promise<number> {
  let changed = 0
  let batch: Key[] = []
  // An attempt may have changed it since the search found it.
  const change = (delivery: DeliveryRecord) =>
    matchesDelivery(delivery, filter, deps.clock.now()) ? edit(delivery) : undefined
  const finish = async () => {
    // Lets listeners handle the announcement before the change takes effect.
    await turn()
    const done = await Promise.all(batch.map((at) => deps.queue.change(at, change, { inMs })))
    changed += done.filter(Boolean).length
    batch = []
  }
  for await (const { key: at, entry } of findDeliveries(deps, filter)) {
    if (entry.active) continue
    announce(entry)
    batch.push(at)
    if (batch.length >= BATCH) await finish()
  }
  await finish()
  return changed
}

const released = ({ held: _, ...delivery }: DeliveryRecord): DeliveryRecord => delivery
const letGo = ({ held: _, notBefore: __, ...delivery }: DeliveryRecord): DeliveryRecord => delivery

async function* list(deps: AdminDeps, filter: QueueFilter, limit: number, skip: number): AsyncGenerator<QueueEntry> {
  let left = limit
  if (left <= 0) return
  for await (const { entry } of findDeliveries(deps, filter, skip)) {
    yield entry
    if (--left <= 0) return
  }
}

async function count(deps: AdminDeps, filter: QueueFilter): Promise<number> {
  let found = 0
  for await (const _ of findDeliveries(deps, filter)) found++
  return found
}

async function hold(deps: AdminDeps, filter: QueueFilter, reason: string): Promise<number> {
  const held = await changeAll(deps, { ...filter, held: false }, (delivery) => ({ ...delivery, held: reason }))
  if (held > 0) deps.emit('delivery.held', { ...filter, count: held, reason })
  return held
}

async function release(deps: AdminDeps, filter: QueueFilter): Promise<number> {
  const isScheduled = filter.scheduled === true
  const wanted = isScheduled ? { held: false, ...filter } : { ...filter, held: true }
  const done = await changeAll(deps, wanted, isScheduled ? letGo : released, { inMs: 0 })
  if (done > 0) deps.emit('delivery.released', { ...filter, count: done })
  return done
}

function retry(deps: AdminDeps, filter: QueueFilter): Promise<number> {
  return changeAll(deps, { ...filter, held: false, scheduled: false }, (delivery) => delivery, {
    inMs: 0,
    announce: ({ channel, nexthop }) => deps.signals.publish(Flushed, { channel, nexthop }),
  })
}

async function flush({ store, emit, signals }: AdminDeps, nexthop: string, channel?: string): Promise<number> {
  let flushed = 0
  const filter = { nexthop, held: false, ...(channel === undefined ? {} : { channel }) }
  for await (const { lane } of store.lanes('')) {
    const parts = matchingLane(lane, filter)
    if (!parts) continue
    signals.publish(Flushed, { channel: parts.channel, nexthop: parts.nexthop })
    await turn()
    let ops: Op[] = []
    for await (const { key: at, leased } of store.due(lane, Number.MAX_SAFE_INTEGER)) {
      if (leased) continue
      ops.push({ due: at, lane, in: 0, ifFree: true })
      flushed++
      if (ops.length < BATCH) continue
      await store.commit(ops)
      ops = []
    }
    if (ops.length > 0) await store.commit(ops)
  }
  emit('queue.flushed', { nexthop, ...(channel === undefined ? {} : { channel }), count: flushed })
  return flushed
}

async function reroute(deps: AdminDeps, filter: QueueFilter, route: Route): Promise<number> {
  const done = await changeAll(deps, filter, (delivery) => ({ ...delivery, ...route }), { inMs: 0 })
  if (done > 0) deps.emit('delivery.rerouted', { ...filter, to: `${route.channel} ${route.nexthop}`, count: done })
  return done
}

async function remove(deps: AdminDeps, filter: QueueFilter): Promise<number> {
  const now = deps.clock.now()
  const gone = ({ address }: Recipient): RecipientResult => ({
    address,
    status: 'removed',
    reply: 'removed by an admin',
  })
  const done = await changeAll(deps, filter, (delivery) => ({
    ...delivery,
    recipients: [],
    attempts: withAttempt(delivery.attempts, { at: now, ms: 0, fates: delivery.recipients.map(gone) }),
  }))
  if (done > 0) deps.emit('delivery.removed', { ...filter, count: done })
  return done
}

async function open({ store }: AdminDeps, message: string, range?: ByteRange) {
  const value = await store.get(messageKey(message))
  if (!value) return undefined
  const { blob, blobSize, edits } = decode<MessageRecord>(value)
  return openWith({ size: blobSize, open: (some) => store.blobs.open(blob, some) }, edits, range)
}
