/**
 * The shared queue: what is written when a message is accepted, what is written when deliveries are settled, and what
 * admins may do in between. The only file that names the queue's records:
 *
 *   m id             the message: envelope, session, blob, header edits, findings, boxes; not changed after ACCEPT
 *   d id n           a delivery: channel, next hop, recipients still waiting, attempts made
 *   r blob           somebody else than the message holds its blob, as `r blob owner` says
 *   h id n           history: the biography of what is finished (0: the message, n: a delivery)
 *   o key            a `once` key and the id of the message it became
 *   lanes            channel/priority/nexthop, and !/channel/priority/nexthop for what is held: every delivery is in one
 *
 * What must stay true: accepting is one commit; settling is one commit with the reports it causes inside it; nothing
 * here knows hooks, plugins, protocols, or why something was deferred.
 */
import { IemsError } from './errors.ts'
import type { Finding, MailParameters, Priority, Recipient, Route, Session } from './hooks.ts'
import type { Emit } from './log.ts'
import { type Edits, idAt } from './message.ts'
import type { Clock } from './plugin.ts'
import { format, type Reply } from './reply.ts'
import { below, key, unkey } from './store/keys.ts'
import type { Check, Key, Lease, Op, Store, Value } from './store/store.ts'
import { type AttemptRecord, type Biography, type DeliveryStory, type Fate, type Step, withAttempt } from './trace.ts'

// --- what admins see ------------------------------------------------------------------------

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
  readonly recipients: readonly { readonly address: string; readonly last?: string }[]
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
  /** A message's biography, also when it is finished; undefined when nothing is known of it. */
  biography(message: string): Promise<Biography | undefined>
}

// --- records ------------------------------------------------------------------------------------

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
  readonly blobSize: number
  readonly headerSize: number
  readonly edits: Edits
  readonly size: number
  readonly needs: { readonly eightBit: boolean; readonly binary: boolean; readonly utf8: boolean }
  readonly findings: readonly Finding[]
  readonly state: Readonly<Record<string, Record<string, unknown>>>
  readonly steps: readonly Step[]
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
  /** An admin wants it ended with a report. */
  readonly giveUp?: string
}

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
  readonly warned?: boolean
  /** Accepted in the same commit: two commits would lose a report in the crash between them. */
  readonly reports?: readonly NewMessage[]
}

const PRIORITIES: readonly Priority[] = ['urgent', 'normal', 'bulk']
const HELD = '!/'
/** How many deliveries one commit changes when an admin changes many. */
const BATCH = 500
/** Messages kept at hand between being accepted and being delivered. */
const FRESH = 1000
/** Most bodies that one sweep looks at. */
const SWEPT = 10_000

const encode = (value: unknown): Value => Buffer.from(JSON.stringify(value))
const decode = <T>(value: Value): T =>
  JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString()) as T

export function laneOf(channel: string, priority: Priority, nexthop: string): string {
  return `${channel}/${priority}/${nexthop}`
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

// --- the queue ---------------------------------------------------------------------------------------

export interface QueueParts {
  readonly store: Store
  readonly clock: Clock
  readonly emit: Emit
  /** Ms for which finished messages are remembered; 0 keeps nothing. */
  readonly historyMs: number
}

export type SharedQueue = ReturnType<typeof createQueue>

export function createQueue({ store, clock, emit, historyMs }: QueueParts) {
  /** Taken by this process and not settled yet: admins' changes leave them alone. */
  const active = new Set<string>()
  /** Just accepted and with one delivery, which usually follows at once; nothing depends on it. */
  const fresh = new Map<string, Pick<Job, 'record' | 'delivery'>>()
  /** Told when a next hop is flushed, so that channels forget it was unreachable. */
  const flushed = new Set<(channel: string, nexthop: string) => void>()

  // --- accept ---

  function deliveriesOf({ routes, held }: NewMessage): DeliveryRecord[] {
    const start = { attempt: 0, attempts: [], state: {}, findings: [], ...(held === undefined ? {} : { held }) }
    return routes.map(({ route, recipients }) => ({ v: 1, ...route, recipients, ...start }))
  }

  function opsFor({ record, body, held, once }: NewMessage, deliveries: readonly DeliveryRecord[]) {
    const { id, priority } = record
    const ops: Op[] = [...body, { put: key('m', id), value: encode(record) }]
    deliveries.forEach((delivery, index) => {
      const at = key('d', id, index + 1)
      const { channel, nexthop } = delivery
      const lane = laneOf(channel, priority, nexthop)
      ops.push({ put: at, value: encode(delivery) }, { due: at, lane: held === undefined ? lane : HELD + lane, in: 0 })
    })
    const checks: Check[] = []
    if (once !== undefined) {
      const marker = key('o', once)
      ops.push({ put: marker, value: encode(id) })
      checks.push({ key: marker, is: 'absent' })
    }
    return { ops, checks }
  }

  /** When this resolves the message is ours. The id is another's when the same `once` key was accepted before. */
  async function accept(message: NewMessage): Promise<string> {
    const deliveries = deliveriesOf(message)
    const { ops, checks } = opsFor(message, deliveries)
    const { record } = message
    const [only] = deliveries
    // Before the commit, because its end wakes the channel at once.
    if (only && deliveries.length === 1 && fresh.size < FRESH && message.held === undefined)
      fresh.set(record.id, { record, delivery: only })
    let accepted = false
    try {
      accepted = await store.commit(ops, checks)
    } finally {
      if (!accepted) fresh.delete(record.id)
    }
    if (accepted) return record.id
    const before = message.once === undefined ? undefined : await store.get(key('o', message.once))
    if (before) return decode<string>(before)
    throw new IemsError('IEMS_STORE_FAILED', { path: 'the queue', why: 'a new message collided with another' })
  }

  // --- deliver ---

  async function take(lane: string, limit: number, leaseMs: number): Promise<Job[]> {
    const jobs: Job[] = []
    for (const lease of await store.take(lane, limit, leaseMs)) {
      const job = await load(lane, lease)
      if (job) jobs.push(job)
    }
    return jobs
  }

  async function load(lane: string, lease: Lease): Promise<Job | undefined> {
    const [, id, number] = unkey(lease.key) as [string, string, number]
    const found = fresh.get(id) ?? (await read(id, lease.key))
    // Once taken it may have changed.
    fresh.delete(id)
    if (!found) {
      await store.commit([{ undue: lease.key, lane }])
      return undefined
    }
    active.add(`${id}.${number}`)
    return { number, key: lease.key, lane, lease, ...found }
  }

  async function read(id: string, at: Key): Promise<Pick<Job, 'record' | 'delivery'> | undefined> {
    const [record, delivery] = await Promise.all([store.get(key('m', id)), store.get(at)])
    return record && delivery ? { record: decode(record), delivery: decode(delivery) } : undefined
  }

  async function renew(job: Job, leaseMs: number): Promise<boolean> {
    const lease = await store.renew(job.lane, job.lease, leaseMs)
    if (lease) job.lease = lease
    return lease !== undefined
  }

  /** The delivery's record after an attempt. */
  function after({ delivery }: Job, settlement: Settlement): DeliveryRecord {
    const { waiting, attempt, route, state, findings, warned } = settlement
    const { giveUp: _, ...rest } = delivery
    return {
      ...rest,
      ...route,
      recipients: waiting,
      attempt: delivery.attempt + (attempt ? 1 : 0),
      attempts: attempt ? withAttempt(delivery.attempts, attempt) : delivery.attempts,
      ...(state ? { state } : {}),
      ...(findings ? { findings } : {}),
      ...(warned ? { warned } : {}),
    }
  }

  /** What stays of a finished delivery, and of the message when it was the only one. */
  function endOps({ record, number, key: at, lane }: Job, story: DeliveryRecord): Op[] {
    const ops: Op[] = [{ del: at }, { undue: at, lane }]
    const only = record.of === 1
    if (only) ops.push(forget(record))
    if (historyMs > 0) {
      if (only)
        ops.push({
          put: key('h', record.id, 0),
          value: encode({ ...record, state: undefined, last: storyOf(number, story) }),
        })
      else ops.push({ put: key('h', record.id, number), value: encode(storyOf(number, story)) })
    }
    return ops
  }

  const forget = ({ id }: MessageRecord): Op => ({ del: key('m', id) })

  /** Writes what an attempt came to. False: the lease was no longer ours, and only what was delivered has been noted. */
  async function settle(job: Job, settlement: Settlement): Promise<boolean> {
    const next = after(job, settlement)
    const finished = next.recipients.length === 0
    const lane = laneOf(next.channel, job.record.priority, next.nexthop)
    const ops: Op[] = finished
      ? endOps(job, next)
      : [
          { put: job.key, value: encode(next) },
          { due: job.key, lane, in: settlement.in },
        ]
    if (!finished && lane !== job.lane) ops.push({ undue: job.key, lane: job.lane })
    const checks: Check[] = [{ due: job.key, lane: job.lane, at: job.lease.until }]
    for (const report of settlement.reports ?? []) ops.push(...opsFor(report, deliveriesOf(report)).ops)
    try {
      if (!(await store.commit(ops, checks))) {
        await settleLate(job, settlement)
        return false
      }
    } finally {
      active.delete(`${job.record.id}.${job.number}`)
    }
    if (finished) await afterEnd(job.record)
    return true
  }

  /** Somebody moved the delivery meanwhile: who has the message already must all the same not get it again. */
  async function settleLate(job: Job, { attempt }: Settlement): Promise<void> {
    const had = new Set(
      (attempt?.fates ?? []).filter(({ status }) => status === 'delivered').map(({ address }) => address),
    )
    if (had.size === 0) return
    await change(job.key, (delivery) => ({
      ...delivery,
      recipients: delivery.recipients.filter(({ address }) => !had.has(address)),
      attempts: attempt ? withAttempt(delivery.attempts, attempt) : delivery.attempts,
    }))
  }

  /** The last delivery has gone: the message's record, then its body. */
  async function afterEnd(record: MessageRecord): Promise<void> {
    if (record.of > 1) {
      for await (const _ of store.scan({ ...below('d', record.id), limit: 1 })) return
      const ops = [forget(record)]
      if (historyMs > 0) ops.push({ put: key('h', record.id, 0), value: encode({ ...record, state: undefined }) })
      if (!(await store.commit(ops, [{ key: key('m', record.id), is: 'present' }]))) return
    }
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
    if (!(await store.get(key('r', blob)))) await store.blobs.remove(blob)
  }

  // --- admins ---

  function* lanesMatching(lane: string, filter: QueueFilter) {
    const parts = readLane(lane)
    if (!parts) return
    if (filter.channel !== undefined && parts.channel !== filter.channel) return
    if (filter.held !== undefined && parts.held !== filter.held) return
    if (
      filter.nexthop?.startsWith('.')
        ? !parts.nexthop.endsWith(filter.nexthop)
        : filter.nexthop !== undefined && parts.nexthop !== filter.nexthop
    )
      return
    yield parts
  }

  interface Found {
    readonly key: Key
    readonly lane: string
    readonly entry: QueueEntry
  }

  async function found(lane: string, at: Key, due: number, filter: QueueFilter): Promise<Found | undefined> {
    const [, id, number] = unkey(at) as [string, string, number]
    const [message, value] = await Promise.all([store.get(key('m', id)), store.get(at)])
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
      ...(active.has(name) ? { active: true } : {}),
      recipients: delivery.recipients.map(({ address, last }) => ({
        address,
        ...(last ? { last: format(last) } : {}),
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
      for (const _ of lanesMatching(lane, filter)) {
        for await (const { key: at, at: due } of store.due(lane, Number.MAX_SAFE_INTEGER)) {
          const one = await found(lane, at, due, filter)
          if (one) yield one
        }
      }
    }
  }

  async function* findOf(message: string, filter: QueueFilter): AsyncGenerator<Found> {
    const [id = '', number] = message.split('.')
    const value = await store.get(key('m', id))
    if (!value) return
    const { priority } = decode<MessageRecord>(value)
    for await (const [at, bytes] of store.scan(below('d', id))) {
      if (number !== undefined && (unkey(at)[2] as number) !== Number(number)) continue
      const { channel, nexthop, held } = decode<DeliveryRecord>(bytes)
      const lane = `${held === undefined ? '' : HELD}${laneOf(channel, priority, nexthop)}`
      for (const _ of lanesMatching(lane, filter)) {
        const one = await found(lane, at, (await store.dueAt(lane, at)) ?? 0, filter)
        if (one) yield one
      }
    }
  }

  /** Changes one delivery's record unless it has gone; what it is no longer waiting for ends it. */
  async function change(at: Key, edit: (delivery: DeliveryRecord) => DeliveryRecord, inMs?: number): Promise<boolean> {
    const [, id, number] = unkey(at) as [string, string, number]
    fresh.delete(id)
    for (let tries = 0; tries < 10; tries++) {
      const [message, value] = await Promise.all([store.get(key('m', id)), store.get(at)])
      if (!message || !value) return false
      const record = decode<MessageRecord>(message)
      const delivery = decode<DeliveryRecord>(value)
      const next = edit(delivery)
      const place = (one: DeliveryRecord) =>
        `${one.held === undefined ? '' : HELD}${laneOf(one.channel, record.priority, one.nexthop)}`
      const [from, to] = [place(delivery), place(next)]
      const finished = next.recipients.length === 0
      const job: Job = { number, key: at, lane: from, lease: { key: at, until: 0 }, record, delivery }
      const ops: Op[] = finished ? endOps(job, next) : [{ put: at, value: encode(next) }]
      if (!finished && (inMs !== undefined || from !== to)) ops.push({ due: at, lane: to, in: inMs ?? 0 })
      if (!finished && from !== to) ops.push({ undue: at, lane: from })
      if (!(await store.commit(ops, [{ key: at, is: value }]))) continue
      if (finished) await afterEnd(record)
      return true
    }
    return false
  }

  /** Applies a change to everything that matches and is not being delivered at this moment. */
  async function changeAll(
    filter: QueueFilter,
    edit: (delivery: DeliveryRecord, entry: QueueEntry) => DeliveryRecord,
    inMs?: number,
  ): Promise<number> {
    let count = 0
    let batch: Promise<boolean>[] = []
    const finish = async () => {
      count += (await Promise.all(batch)).filter(Boolean).length
      batch = []
    }
    for await (const { key: at, entry } of find(filter)) {
      if (entry.active) continue
      batch.push(change(at, (delivery) => edit(delivery, entry), inMs))
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
      const count = await changeAll({ ...filter, held: true }, released, 0)
      if (count > 0) emit('delivery.released', { ...filter, count })
      return count
    },
    async retry(filter) {
      for (const forget of flushed) forget(filter.channel ?? '', filter.nexthop ?? '')
      return changeAll({ ...filter, held: false }, (delivery) => delivery, 0)
    },
    async flush(nexthop, channel) {
      let count = 0
      const filter = { nexthop, held: false, ...(channel === undefined ? {} : { channel }) }
      for await (const { lane } of store.lanes('')) {
        for (const parts of lanesMatching(lane, filter)) {
          for (const forget of flushed) forget(parts.channel, parts.nexthop)
          let ops: Op[] = []
          for await (const { key: at } of store.due(lane, Number.MAX_SAFE_INTEGER)) {
            const [, id, number] = unkey(at)
            if (active.has(`${id}.${number}`)) continue
            ops.push({ due: at, lane, in: 0 })
            count++
            if (ops.length < BATCH) continue
            await store.commit(ops)
            ops = []
          }
          if (ops.length > 0) await store.commit(ops)
        }
      }
      emit('queue.flushed', { nexthop, ...(channel === undefined ? {} : { channel }), count })
      return count
    },
    async reroute(filter, route) {
      const count = await changeAll(filter, (delivery) => ({ ...delivery, ...route }), 0)
      if (count > 0) emit('delivery.rerouted', { ...filter, to: `${route.channel} ${route.nexthop}`, count })
      return count
    },
    // The report is written where all reports are, by the channel's loop, which takes it at once.
    bounce: (filter, reason) => changeAll(filter, (delivery) => ({ ...released(delivery), giveUp: reason }), 0),
    async remove(filter) {
      const now = clock.now()
      const gone = ({ address }: Recipient): Fate => ({ address, status: 'removed', reply: 'removed by an admin' })
      const count = await changeAll(filter, (delivery) => ({
        ...delivery,
        recipients: [],
        attempts: withAttempt(delivery.attempts, { at: now, ms: 0, fates: delivery.recipients.map(gone) }),
      }))
      if (count > 0) emit('delivery.removed', { ...filter, count })
      return count
    },
    biography,
  }

  // --- history ---

  function storyOf(number: number, delivery: DeliveryRecord): DeliveryStory {
    return { number, channel: delivery.channel, nexthop: delivery.nexthop, attempts: delivery.attempts }
  }

  async function biography(id: string): Promise<Biography | undefined> {
    const live = await store.get(key('m', id))
    const value = live ?? (await store.get(key('h', id, 0)))
    if (!value) return undefined
    const { last, ...record } = decode<MessageRecord & { last?: DeliveryStory }>(value)
    const deliveries: DeliveryStory[] = last ? [last] : []
    for await (const [at, bytes] of store.scan(below('h', id))) if (unkey(at)[2] !== 0) deliveries.push(decode(bytes))
    for await (const [at, bytes] of store.scan(below('d', id))) {
      const delivery = decode<DeliveryRecord>(bytes)
      const due = await store.dueAt(laneOf(delivery.channel, record.priority, delivery.nexthop), at)
      const when = delivery.held === undefined ? (due === undefined ? {} : { due }) : { held: delivery.held }
      deliveries.push({
        ...storyOf(unkey(at)[2] as number, delivery),
        waiting: { recipients: delivery.recipients, ...when },
      })
    }
    const { at, session, from, recipients, size, priority, steps, findings } = record
    deliveries.sort((a, b) => a.number - b.number)
    return { id, at, session, from, recipients, size, priority, steps, findings, deliveries, finished: !live }
  }

  // --- sweep ---

  /** Removes what a crash or time has left: history past its time, `once` keys, messages without deliveries, bodies nobody holds. */
  async function sweep(
    signal: AbortSignal,
  ): Promise<{ readonly history: number; readonly messages: number; readonly blobs: number }> {
    const day = clock.now() - 86_400_000
    const history = await removeRange('h', key('h', idAt(clock.now() - historyMs)), signal)
    const messages = await sweepMessages(idAt(day), signal)
    await sweepOnce(idAt(clock.now() - 7 * 86_400_000), signal)
    const blobs = await sweepBlobs(day, signal)
    return { history, messages, blobs }
  }

  /** Bodies older than a day that neither a message nor anybody else holds: what a crash left between body and record. */
  async function sweepBlobs(before: number, signal: AbortSignal): Promise<number> {
    const idle = new Set<string>()
    for await (const { id, since } of store.blobs.list()) {
      if (idle.size >= SWEPT || signal.aborted) break
      if (since <= before && !(await store.get(key('r', id)))) idle.add(id)
    }
    if (idle.size === 0) return 0
    for await (const [, value] of store.scan(below('m'))) idle.delete(decode<MessageRecord>(value).blob)
    for (const id of idle) {
      if (signal.aborted) break
      await store.blobs.remove(id)
    }
    return idle.size
  }

  async function removeRange(first: string, to: Key, signal: AbortSignal): Promise<number> {
    let count = 0
    for (;;) {
      const ops: Op[] = []
      for await (const [at] of store.scan({ from: key(first), to, limit: BATCH })) ops.push({ del: at })
      if (ops.length === 0 || signal.aborted) return count
      await store.commit(ops)
      count += ops.length
    }
  }

  async function sweepMessages(before: string, signal: AbortSignal): Promise<number> {
    let count = 0
    for await (const [, value] of store.scan({ from: key('m'), to: key('m', before) })) {
      if (signal.aborted) break
      const record = decode<MessageRecord>(value)
      let waits = false
      for await (const _ of store.scan({ ...below('d', record.id), limit: 1 })) waits = true
      if (waits) continue
      await afterEnd(record.of > 1 ? record : { ...record, of: 2 })
      count++
    }
    return count
  }

  async function sweepOnce(before: string, signal: AbortSignal): Promise<void> {
    for await (const [at, value] of store.scan(below('o'))) {
      if (signal.aborted) return
      if (decode<string>(value) < before) await store.commit([{ del: at }])
    }
  }

  return {
    admin,
    accept,
    take,
    renew,
    settle,
    sweep,
    activeCount: () => active.size,
    onFlush(forget: (channel: string, nexthop: string) => void) {
      flushed.add(forget)
      return () => flushed.delete(forget)
    },
  }
}
