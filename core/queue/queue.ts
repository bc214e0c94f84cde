/**
 * The shared queue: what is written when a message is accepted, and what when its deliveries are settled.
 *
 * What must stay true: accepting is one commit; settling is one commit with the reports it causes inside it, made only
 * while the lease is ours; the last delivery takes the message and its body with it. Nothing here knows hooks, plugins,
 * protocols, or why something was deferred.
 */

import type { Clock } from '../api/clock.ts'
import { IemsError } from '../api/errors.ts'
import type { Finding, Recipient, Route } from '../api/hooks.ts'
import { type AttemptRecord, type Step, withAttempt } from '../message/trace.ts'
import type { Emit } from '../runtime/log.ts'
import type { Check, Key, Lease, Op, Store, Value } from '../store/store.ts'
import {
  type DeliveryRecord,
  decode,
  deliveriesOf,
  deliveryKey,
  deliveryTraceOf,
  encode,
  historyKey,
  holdersKey,
  laneForDelivery,
  type MessageRecord,
  messageKey,
  onceKey,
  readKey,
  type Waiting,
} from './records.ts'

/** A message that is to be in the queue, with the ops that store its body. */
export interface NewMessage {
  readonly record: MessageRecord
  readonly routes: readonly { readonly route: Route; readonly recipients: readonly Recipient[] }[]
  readonly body: readonly Op[]
  readonly held?: string
  readonly once?: string
}

/** A delivery that has been taken. */
export interface Job {
  readonly number: number
  readonly key: Key
  readonly lane: string
  lease: Lease
  readonly record: MessageRecord
  readonly delivery: DeliveryRecord
  /** The delivery's record as it was read. */
  readonly value: Value
}

/** What an attempt leaves: who still waits and until when, or nobody. */
export interface Settlement {
  readonly waiting: readonly Waiting[]
  /** Ms until the next attempt. */
  readonly in: number
  /** What the biography gains; absent when nothing was tried. */
  readonly attempt?: AttemptRecord
  readonly route?: Route
  readonly state?: DeliveryRecord['state']
  readonly findings?: readonly Finding[]
  /** What taps did in this attempt. */
  readonly steps?: readonly Step[]
  readonly warned?: boolean
  /** Accepted in the same commit: two commits would lose a report in the crash between them. */
  readonly reports?: readonly NewMessage[]
}

/** Messages kept in memory between being accepted and being delivered. */
const FRESH = 1000
/** A delivery's record changes this often under a lease at most, once for each attempt that lost its lease. */
const SETTLE_TRIES = 10

/** Deliveries to make of recipients that have been routed: one for each channel and next hop. */
export function groupByRoute(recipients: readonly { readonly recipient: Recipient; readonly route: Route }[]) {
  const groups = new Map<string, { route: Route; recipients: Recipient[] }>()
  for (const { recipient, route } of recipients) {
    const name = `${route.channel}/${route.nexthop}`
    const group = groups.get(name)
    if (group) group.recipients.push(recipient)
    else groups.set(name, { route, recipients: [recipient] })
  }
  return [...groups.values()]
}

type Ended = Pick<Job, 'record' | 'number' | 'key' | 'lane'>

interface ChangeOptions {
  /** Also due so many ms from now. */
  readonly inMs?: number | undefined
  /** Also while a kernel delivers it, which notices when it settles. */
  readonly evenLeased?: boolean
}

const leaseIsOurs = ({ key: at, lane, lease }: Pick<Job, 'key' | 'lane' | 'lease'>): Check => ({
  due: at,
  lane,
  lease: lease.generation,
})

export interface QueueDeps {
  readonly store: Store
  readonly clock: Clock
  readonly emit: Emit
  /** Ms for which finished messages are remembered; 0 keeps nothing. */
  readonly historyMs: number
}

export type SharedQueue = ReturnType<typeof createQueue>

export function createQueue({ store, clock, emit, historyMs }: QueueDeps) {
  /** Taken by this kernel and not settled yet. */
  const active = new Set<Job>()
  /** Messages just accepted with one delivery, which usually follows at once. Their records never change. */
  const fresh = new Map<string, MessageRecord>()

  // --- accept ---

  function firstRecords({ routes, held }: NewMessage): DeliveryRecord[] {
    const start = { attempt: 0, attempts: [], state: {}, findings: [], ...(held === undefined ? {} : { held }) }
    return routes.map(({ route, recipients }) => ({ v: 1, ...route, recipients, ...start }))
  }

  function opsFor({ record, body, once }: NewMessage, deliveries: readonly DeliveryRecord[]) {
    const { id, priority } = record
    const ops: Op[] = [...body, { put: messageKey(id), value: encode(record) }]
    deliveries.forEach((delivery, index) => {
      const at = deliveryKey(id, index + 1)
      ops.push({ put: at, value: encode(delivery) }, { due: at, lane: laneForDelivery(delivery, priority), in: 0 })
    })
    const checks: Check[] = []
    if (once !== undefined) {
      const marker = onceKey(once)
      ops.push({ put: marker, value: encode(id) })
      checks.push({ key: marker, is: 'absent' })
    }
    return { ops, checks }
  }

  /** When this resolves the message is ours. The id is another's when the same `once` key was accepted before. */
  async function accept(message: NewMessage): Promise<string> {
    const deliveries = firstRecords(message)
    const { ops, checks } = opsFor(message, deliveries)
    const { record } = message
    // Before the commit, because its end wakes the channel at once.
    if (deliveries.length === 1 && message.held === undefined) remember(record)
    let accepted = false
    try {
      accepted = await store.commit(ops, checks)
    } finally {
      if (!accepted) fresh.delete(record.id)
    }
    if (accepted) return record.id
    const before = message.once === undefined ? undefined : await store.get(onceKey(message.once))
    if (before) return decode<string>(before)
    throw new IemsError('IEMS_STORE_FAILED', { path: 'the queue', why: 'a new message collided with another' })
  }

  /** Another kernel may deliver it, so that what is oldest goes. */
  function remember(record: MessageRecord) {
    if (fresh.size >= FRESH) fresh.delete(fresh.keys().next().value as string)
    fresh.set(record.id, record)
  }

  // --- deliver ---

  async function take(lane: string, limit: number, leaseMs: number): Promise<Job[]> {
    const jobs: Job[] = []
    for (const lease of await store.take(lane, limit, leaseMs)) {
      try {
        const job = await load(lane, lease)
        if (job) jobs.push(job)
      } catch (cause) {
        // It is due again when the lease ends; those that were read must not wait with it.
        emit('store.failing', { message: readKey(lease.key).id, cause })
      }
    }
    return jobs
  }

  async function load(lane: string, lease: Lease): Promise<Job | undefined> {
    const { id, number } = readKey(lease.key)
    const found = await read(id, lease.key)
    fresh.delete(id)
    if (!found) {
      await store.commit([{ undue: lease.key, lane }], [leaseIsOurs({ key: lease.key, lane, lease })])
      return undefined
    }
    const job: Job = { number, key: lease.key, lane, lease, ...found }
    active.add(job)
    return job
  }

  async function read(id: string, at: Key): Promise<Pick<Job, 'record' | 'delivery' | 'value'> | undefined> {
    const known = fresh.get(id)
    const [message, value] = await Promise.all([known ?? store.get(messageKey(id)), store.get(at)])
    if (!message || !value) return undefined
    const record = known ?? decode<MessageRecord>(message as Value)
    return { record, delivery: decode<DeliveryRecord>(value), value }
  }

  async function renew(job: Job, leaseMs: number): Promise<boolean> {
    const lease = await store.renew(job.lane, job.lease, leaseMs)
    if (lease) job.lease = lease
    return lease !== undefined
  }

  /** The delivery's record after an attempt. */
  function after({ delivery }: Job, settlement: Settlement): DeliveryRecord {
    const { attempt, route, state, findings, steps = [], warned } = settlement
    const known = new Set(delivery.recipients.map(({ address }) => address))
    const waiting = settlement.waiting.filter(({ address }) => known.has(address))
    const { giveUp: _, ...rest } = delivery
    return {
      ...rest,
      ...route,
      recipients: waiting,
      attempt: delivery.attempt + (attempt ? 1 : 0),
      attempts: attempt ? withAttempt(delivery.attempts, { ...attempt, steps }) : delivery.attempts,
      ...(state ? { state } : {}),
      ...(findings ? { findings } : {}),
      ...(warned ? { warned } : {}),
    }
  }

  /** What stays of a finished delivery, and of the message when it was the only one. */
  function endOps({ record, number, key: at, lane }: Ended, story: DeliveryRecord): Op[] {
    const ops: Op[] = [{ del: at }, { undue: at, lane }]
    const only = record.of === 1
    if (only) ops.push(forget(record))
    if (historyMs > 0) {
      if (only)
        ops.push({
          put: historyKey(record.id, 0),
          value: encode({ ...record, state: undefined, last: deliveryTraceOf(number, story) }),
        })
      else ops.push({ put: historyKey(record.id, number), value: encode(deliveryTraceOf(number, story)) })
    }
    return ops
  }

  const forget = ({ id }: MessageRecord): Op => ({ del: messageKey(id) })

  /** Writes what an attempt came to. False: the lease was no longer ours, and only what was delivered has been noted. */
  async function settle(job: Job, settlement: Settlement): Promise<boolean> {
    let present = job
    try {
      for (let tries = 0; tries < SETTLE_TRIES; tries++) {
        if (await commitSettlement(present, settlement)) return true
        // Another kernel's late settlement may have changed the record, and then the lease is still ours.
        const found = await read(job.record.id, job.key)
        if (!found || Buffer.compare(found.value, present.value) === 0) break
        present = { ...job, ...found }
      }
    } finally {
      active.delete(job)
    }
    await settleLate(job, settlement)
    return false
  }

  /** One try at the commit: false when the lease or the delivery's record is no longer what the job says. */
  async function commitSettlement(job: Job, settlement: Settlement): Promise<boolean> {
    const next = after(job, settlement)
    const finished = next.recipients.length === 0
    const lane = laneForDelivery(next, job.record.priority)
    const ops: Op[] = finished
      ? endOps(job, next)
      : [
          { put: job.key, value: encode(next) },
          { due: job.key, lane, in: settlement.in },
        ]
    if (!finished && lane !== job.lane) ops.push({ undue: job.key, lane: job.lane })
    for (const report of settlement.reports ?? []) ops.push(...opsFor(report, firstRecords(report)).ops)
    if (!(await store.commit(ops, [leaseIsOurs(job), { key: job.key, is: job.value }]))) return false
    if (finished) await afterEnd(job.record)
    return true
  }

  /** The lease was lost: recipients who have the message must nevertheless not get it again. */
  async function settleLate(job: Job, { attempt }: Settlement): Promise<void> {
    const had = new Set(
      (attempt?.fates ?? []).filter(({ status }) => status === 'delivered').map(({ address }) => address),
    )
    if (had.size === 0) return
    const edit = (delivery: DeliveryRecord): DeliveryRecord => ({
      ...delivery,
      recipients: delivery.recipients.filter(({ address }) => !had.has(address)),
      attempts: attempt ? withAttempt(delivery.attempts, attempt) : delivery.attempts,
    })
    await change(job.key, edit, { evenLeased: true })
  }

  /** A delivery has gone; was it the last, the message goes too. The only one took the record with it. */
  async function afterEnd(record: MessageRecord): Promise<void> {
    if (record.of === 1) await finish(record)
    else await endMessage(record)
  }

  /** Ends a message whose deliveries have all gone. */
  async function endMessage(record: MessageRecord): Promise<void> {
    for await (const _ of store.scan({ ...deliveriesOf(record.id), limit: 1 })) return
    const ops = [forget(record)]
    if (historyMs > 0) ops.push({ put: historyKey(record.id, 0), value: encode({ ...record, state: undefined }) })
    if (await store.commit(ops, [{ key: messageKey(record.id), is: 'present' }])) await finish(record)
  }

  /** The message's record has gone: its body follows. */
  async function finish(record: MessageRecord): Promise<void> {
    emit('message.finished', {
      message: record.id,
      from: record.from,
      findings: record.findings,
      ms: clock.now() - record.at,
    })
    await releaseBlob(record.blob)
  }

  /**
   * Removes the body unless somebody else holds it. He has put `r blob` in the commit that made him a holder, and that
   * commit checked that the message was still there: with it gone, nobody can become one.
   */
  async function releaseBlob(blob: string): Promise<void> {
    if (!(await store.get(holdersKey(blob)))) await store.blobs.remove(blob)
  }

  /**
   * Changes one delivery's record; when no recipient is left it ends. False: it has gone, or is being delivered by some
   * kernel.
   */
  async function change(
    at: Key,
    edit: (delivery: DeliveryRecord) => DeliveryRecord,
    { inMs, evenLeased }: ChangeOptions = {},
  ): Promise<boolean> {
    const { id, number } = readKey(at)
    for (let tries = 0; tries < 10; tries++) {
      const found = await read(id, at)
      if (!found) return false
      const { record, delivery, value } = found
      const next = edit(delivery)
      const [from, to] = [laneForDelivery(delivery, record.priority), laneForDelivery(next, record.priority)]
      const finished = next.recipients.length === 0
      if (!evenLeased && (await store.isLeased(from, at))) return false
      const ops: Op[] = finished
        ? endOps({ record, number, key: at, lane: from }, next)
        : [{ put: at, value: encode(next) }]
      if (!finished && (inMs !== undefined || from !== to)) ops.push({ due: at, lane: to, in: inMs ?? 0 })
      if (!finished && from !== to) ops.push({ undue: at, lane: from })
      const checks: Check[] = [{ key: at, is: value }]
      if (!evenLeased) checks.push({ free: at, lane: from })
      if (!(await store.commit(ops, checks))) continue
      if (finished) await afterEnd(record)
      return true
    }
    return false
  }

  return {
    accept,
    take,
    renew,
    settle,
    change,
    endMessage,
    /** Deliveries that this kernel has taken and not settled. */
    activeCount: () => active.size,
  }
}
