/**
 * The way out: one loop for each channel. Take what is due ▸ dispatch ▸ the channel delivers ▸ settle.
 *
 * What must stay true: each delivery is settled once, by whoever holds its lease; whatever a channel or a plugin does,
 * the message is delivered, waits or is reported; a channel's answer is complete before anything is written. How a
 * channel delivers, when to try again, and what a report says stand elsewhere.
 */

import type { Clock } from '../api/clock.ts'
import { IemsError, reasonOf } from '../api/errors.ts'
import type { EventName } from '../api/events.ts'
import type { Delivery, Disposition, Outcome } from '../api/hooks.ts'
import type { DeliverContext } from '../api/plugin.ts'
import { defer, FAULT, type Reply, refuse } from '../api/reply.ts'
import { type Body, openWith, sizeWith } from '../message/edits.ts'
import { createHeaders } from '../message/headers.ts'
import { createMessage, type MessageDeps } from '../message/message.ts'
import { createTrace, resultOf, type Trace } from '../message/trace.ts'
import { Flushed } from '../queue/admin.ts'
import { STORED, type StoredDelivery } from '../queue/blob-references.ts'
import type { SharedQueue } from '../queue/queue.ts'
import { type DeliveryRecord, type MessageRecord, reversePathOf } from '../queue/records.ts'
import type { Settlement } from '../queue/settle.ts'
import type { Job } from '../queue/state.ts'
import { isOutcome } from '../runtime/answers.ts'
import type { Emit, Log } from '../runtime/log.ts'
import type { Signals } from '../runtime/signals.ts'
import type { Hooks } from '../runtime/wiring.ts'
import type { Store } from '../store/store.ts'
import { createLanes, type Lane } from './lane-scheduler.ts'
import type { CompletedAttempt, EvaluateOutcomes } from './outcomes.ts'
import { wordsOf } from './report-text.ts'

export interface DeliverySettings {
  /** Deliveries at a time. */
  readonly concurrency: number
  readonly perNextHop: number
  /** Ms between two deliveries to one next hop; 0 for no limit. */
  readonly gapMs: number
  readonly leaseMs: number
}

export interface DelivererDeps {
  readonly channel: string
  /** Next hops that just could not be reached: a hint, not a record. */
  readonly resting: Map<string, Rest>
  readonly settings: DeliverySettings
  readonly deliver: (delivery: Delivery, ctx: DeliverContext) => Promise<readonly Outcome[]>
  readonly store: Store
  readonly queue: SharedQueue
  readonly signals: Signals
  readonly hooks: Hooks
  readonly conclude: EvaluateOutcomes
  readonly clock: Clock
  readonly emit: Emit
  readonly log: Log
  readonly parseLimit: number
}

export interface Deliverer {
  start(): void
  /** Takes nothing more and waits for what is under way; at the signal, cuts it. */
  stop(signal: AbortSignal): Promise<void>
}

/** Ms between looks at the store for what no hint told of. */
const POLL_MS = 30_000
/** A small body is read at once with its message. */
const SMALL = 65_536
/** Ms for which a next hop that nobody answered at is left alone, at first and at most. */
const REST_MS = { first: 30_000, most: 600_000 }
const SETTLE_TRIES = 10
/** Ms until a lane is asked again that the store called due and gave nothing of. */
const SKEW_MS = 100
/** When an attempt whose reports could not be written is looked at again. */
const UNCONCLUDED_MS = 60_000
const NOT_YET = defer(451, '4.3.0', 'It is to be sent later')
/** Ms that channels have to end when they are cut. */
const CUT_MS = 1000

export interface Rest {
  readonly until: number
  readonly failures: number
  readonly outcome: Outcome
}

export function createDeliverer(parts: DelivererDeps): Deliverer {
  const { channel, resting, settings, store, queue, signals, hooks, conclude, clock, emit, log } = parts
  const lanes = createLanes({ now: store.now, perNextHop: settings.perNextHop, gapMs: settings.gapMs })
  const drained = new Set<Lane>()
  const abort = new AbortController()
  let stopping = false
  let pumping = false
  let again = false
  let delivering = 0
  let settling = 0
  let idle: () => void = () => {}
  let cancelWake: () => void = () => {}
  let wakeAt = Number.POSITIVE_INFINITY

  // --- the loop ---

  /** Deliveries that may begin; what has been answered but not settled counts too, at a more generous limit. */
  const free = () => Math.min(settings.concurrency - delivering, 2 * settings.concurrency - delivering - settling)

  async function pump(): Promise<void> {
    if (pumping) {
      again = true
      return
    }
    pumping = true
    try {
      do {
        again = false
        for (
          let turn = free() > 0 && !stopping ? lanes.next(free()) : undefined;
          turn;
          turn = free() > 0 && !stopping ? lanes.next(free()) : undefined
        ) {
          await takeTurn(turn.lane, turn.limit)
        }
        if (!again && !stopping && !lanes.hasReady()) await refresh()
      } while (again)
    } catch (cause) {
      emit('kernel.fault', { channel, cause })
      clock.after(1000, wake)
    } finally {
      pumping = false
    }
    scheduleWake()
    if (stopping && delivering + settling === 0) idle()
  }

  const wake = () => void pump()

  async function takeTurn(lane: Lane, limit: number): Promise<void> {
    let jobs: Job[] = []
    try {
      jobs = await queue.take(lane.name, limit, settings.leaseMs)
    } finally {
      if (lanes.taken(lane, limit, jobs.length)) drained.add(lane)
    }
    delivering += jobs.length
    for (const job of jobs) void run(job, lane)
  }

  /** Lanes that had no more: when their next delivery falls due, or that they are empty. */
  async function refresh(): Promise<void> {
    const looked = [...drained]
    drained.clear()
    for (const lane of looked) {
      let at: number | undefined
      for await (const next of store.lanes(lane.name)) {
        if (next.lane === lane.name) at = next.at
        break
      }
      if (at === undefined) lanes.drop(lane)
      else lanes.add(lane.name, at)
    }
  }

  async function discover(): Promise<void> {
    for await (const { lane, at } of store.lanes(`${channel}/`)) lanes.add(lane, at)
    await pump()
  }

  function scheduleWake() {
    // A lane that is due and yet gave nothing: the store's clock is a little behind what this kernel takes it for.
    const at = lanes.hasReady() && free() > 0 ? store.now() + SKEW_MS : lanes.nextAt()
    if (stopping || at === undefined || at >= wakeAt) return
    cancelWake()
    wakeAt = at
    cancelWake = clock.after(Math.max(0, at - store.now()), () => {
      wakeAt = Number.POSITIVE_INFINITY
      wake()
    })
  }

  // --- one delivery ---

  async function run(job: Job, lane: Lane): Promise<void> {
    const began = clock.now()
    const cut = new AbortController()
    const endNow = () => cut.abort(abort.signal.reason)
    abort.signal.addEventListener('abort', endNow, { once: true })
    const stopRenewing = renewLease(job, cut)
    let freed = false
    const leaveSlot = () => {
      if (freed) return
      freed = true
      delivering--
      settling++
      lanes.done(lane)
      wake()
    }
    try {
      const attempted = await attempt(job, cut.signal)
      leaveSlot()
      await settle(job, { ...attempted, began })
    } catch (cause) {
      // The lease ends by itself and the delivery is due again: nothing is lost.
      emit('kernel.fault', { channel, message: job.record.id, cause })
    } finally {
      leaveSlot()
      settling--
      stopRenewing()
      abort.signal.removeEventListener('abort', endNow)
      wake()
    }
  }

  function renewLease(job: Job, cut: AbortController): () => void {
    let cancel: () => void = () => {}
    let stopped = false
    const schedule = () => {
      cancel = clock.after(settings.leaseMs / 2, () => {
        queue.renew(job, settings.leaseMs).then(
          (held) => {
            if (stopped) return
            if (held) schedule()
            else cut.abort(new IemsError('IEMS_CLOSED'))
          },
          (cause: unknown) => emit('kernel.fault', { channel, message: job.record.id, cause }),
        )
      })
    }
    schedule()
    return () => {
      stopped = true
      cancel()
    }
  }

  interface Result {
    readonly delivery: Delivery
    readonly outcomes: readonly Outcome[]
    readonly counts: boolean
    readonly disposition?: Disposition
    readonly change: Pick<Settlement, 'state' | 'findings' | 'steps'>
  }

  async function attempt(job: Job, signal: AbortSignal): Promise<Result> {
    const all = (status: Outcome['status'], reply: Reply) =>
      job.delivery.recipients.map((recipient): Outcome => ({ recipient, status, reply }))
    let delivery: Delivery
    try {
      delivery = await openDelivery(job, parts)
    } catch (cause) {
      emit('delivery.unreadable', { message: job.record.id, cause })
      return {
        delivery: unreadable(job, parts.parseLimit),
        outcomes: all('deferred', FAULT.reply),
        counts: true,
        change: {},
      }
    }
    const { giveUp, notBefore = 0 } = job.delivery
    if (giveUp !== undefined) {
      const reply = typeof giveUp === 'string' ? refuse(550, '5.7.1', giveUp).reply : giveUp
      return { delivery, outcomes: all('failed', reply), counts: true, change: {} }
    }
    // A flush makes whole next hops due, and knows nothing of single deliveries.
    if (notBefore > clock.now()) {
      const disposition: Disposition = { kind: 'postpone', until: new Date(notBefore), reply: NOT_YET.reply }
      return { delivery, outcomes: all('deferred', NOT_YET.reply), counts: false, disposition, change: {} }
    }
    const trace = traceOf(job, delivery)
    const disposition = await dispatch(delivery, trace)
    if (disposition?.kind === 'fail')
      return { delivery, outcomes: all('failed', disposition.reply), counts: true, change: changeIn(trace) }
    if (disposition)
      return {
        delivery,
        outcomes: all('deferred', disposition.kind === 'postpone' ? disposition.reply : FAULT.reply),
        counts: false,
        disposition,
        change: changeIn(trace),
      }
    const rest = resting.get(job.delivery.nexthop)
    if (rest && rest.until > clock.now()) {
      const { reply } = rest.outcome
      return {
        delivery,
        outcomes: all('deferred', { ...reply, text: `Not tried, the next hop did not answer: ${reply.text}` }),
        counts: false,
        change: changeIn(trace),
      }
    }
    const outcomes = complete(delivery, await ask(delivery, trace, signal))
    remember(job.delivery.nexthop, outcomes)
    return { delivery, outcomes, counts: true, change: changeIn(trace) }
  }

  /** Collects what dispatch taps, the channel and its own hooks say of this attempt. */
  function traceOf({ record, delivery: known }: Job, delivery: Delivery): Trace {
    const trace = createTrace({
      clock,
      message: record.id,
      from: record.session.channel,
      to: channel,
      state: { ...record.state, ...known.state },
      findings: known.findings,
    })
    hooks.bind(delivery, trace.run)
    hooks.bind(delivery.message, trace.run)
    return trace
  }

  const changeIn = ({ state, findings, steps }: Trace): Result['change'] => ({ state, findings, steps })

  async function dispatch(delivery: Delivery, { run }: Trace): Promise<Disposition | undefined> {
    try {
      return await hooks.call('dispatch', delivery, run)
    } catch {
      // The guard has logged the fault; what a plugin could not decide waits.
      return { kind: 'postpone', until: new Date(clock.now() + 300_000), reply: FAULT.reply }
    }
  }

  const faulty = ({ message }: Delivery, cause: unknown) =>
    emit('plugin.fault', { plugin: channel, hook: 'deliver', message: message.id, cause })

  /** What is no outcome counts as none, and is a fault of the channel. */
  function usable(delivery: Delivery, outcomes: unknown): readonly Outcome[] {
    const list: readonly unknown[] = Array.isArray(outcomes) ? outcomes : [outcomes]
    const wrong = list.find((one) => !isOutcome(one))
    if (list.some((one) => !isOutcome(one)))
      faulty(
        delivery,
        new TypeError(`deliver must answer a list of outcomes, not ${JSON.stringify(wrong)?.slice(0, 200)}`),
      )
    return list.filter(isOutcome)
  }

  async function ask(delivery: Delivery, { run }: Trace, signal: AbortSignal): Promise<readonly Outcome[]> {
    try {
      const outcomes = await parts.deliver(delivery, {
        log,
        signal,
        get state() {
          return run.box(channel)
        },
        note: (name, value) => run.note(channel, name, value),
      })
      return usable(delivery, outcomes)
    } catch (cause) {
      faulty(delivery, cause)
      const why = reasonOf(cause)
        .replace(/[^\x20-\x7e]+/g, ' ')
        .slice(0, 200)
      const { reply } = defer(451, '4.3.0', `${channel} failed: ${why}`)
      return delivery.recipients.map((recipient) => ({ recipient, status: 'deferred', reply }))
    }
  }

  function remember(nexthop: string, outcomes: readonly Outcome[]) {
    const silent = outcomes.find(({ unreachable }) => unreachable)
    const before = resting.get(nexthop)
    if (!silent) {
      if (before && resting.delete(nexthop)) emit('nexthop.reachable', { channel, nexthop })
      return
    }
    // Several attempts under way when it fell silent are one failure.
    if (before && before.until > clock.now()) return
    const failures = (before?.failures ?? 0) + 1
    const until = clock.now() + Math.min(REST_MS.most, REST_MS.first * 2 ** (failures - 1))
    resting.delete(nexthop)
    resting.set(nexthop, { until, failures, outcome: silent })
    if (resting.size > 10_000) for (const oldest of [...resting.keys()].slice(0, 1000)) resting.delete(oldest)
    emit('nexthop.unreachable', { channel, nexthop, until, reply: wordsOf(silent.reply) })
  }

  // --- settling ---

  async function settle(job: Job, { disposition, change, ...attempted }: Result & { began: number }): Promise<void> {
    const { settlement, outcomes } = await conclude({ job, ...attempted }).catch((cause: unknown) =>
      unconcluded(job, attempted, cause),
    )
    const held = await write(job, { ...settlement, ...change, ...moved(disposition) })
    if (!held) emit('delivery.lease-lost', { message: job.record.id, channel })
    if (disposition?.kind === 'reroute')
      emit('delivery.rerouted', {
        message: job.record.id,
        channel,
        to: `${disposition.route.channel} ${disposition.route.nexthop}`,
      })
    else tell(job, attempted.delivery, outcomes)
  }

  /** No report could be written: who has the message must not get it again, the others wait for the next attempt. */
  function unconcluded(job: Job, { outcomes, began }: Omit<CompletedAttempt, 'job'>, cause: unknown) {
    emit('kernel.fault', { channel, message: job.record.id, cause })
    const waiting = outcomes
      .filter(({ status }) => status !== 'delivered')
      .map(({ recipient, reply }) => ({ ...recipient, last: reply }))
    const attempt = { at: began, ms: clock.now() - began, fates: outcomes.map(resultOf) }
    return { settlement: { waiting, in: UNCONCLUDED_MS, attempt }, outcomes }
  }

  function moved(disposition: Disposition | undefined): Partial<Settlement> {
    if (disposition?.kind === 'reroute') return { route: disposition.route, in: 0 }
    return disposition?.kind === 'postpone' ? { in: Math.max(1000, disposition.until.getTime() - clock.now()) } : {}
  }

  /** A store that fails now may be well again in a second; after that the lease decides. */
  async function write(job: Job, settlement: Settlement): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      try {
        return await queue.settle(job, settlement)
      } catch (cause) {
        if (tries >= SETTLE_TRIES || stopping || store.now() >= job.lease.until) throw cause
        emit('store.failing', { message: job.record.id, cause })
        await new Promise<void>((resolve) => {
          clock.after(1000, resolve)
          abort.signal.addEventListener('abort', () => resolve(), { once: true })
        })
      }
    }
  }

  function tell(job: Job, delivery: Delivery, outcomes: readonly Outcome[]) {
    const { record } = job
    for (const { recipient, status, reply, remote } of outcomes) {
      const fields = {
        message: record.id,
        channel,
        nexthop: job.delivery.nexthop,
        to: recipient.address,
        reply: wordsOf(reply),
        enhanced: reply.enhanced,
        remote,
        attempt: delivery.attempt,
      }
      emit(`delivery.${status}` as EventName, fields)
    }
    if (hooks.isTapped('settled')) {
      const trace = createTrace({
        clock,
        message: record.id,
        from: record.session.channel,
        to: channel,
        state: record.state,
      })
      hooks
        .call('settled', { delivery, outcomes }, trace.run)
        .catch((cause: unknown) => emit('kernel.fault', { hook: 'settled', message: record.id, cause }))
    }
  }

  // --- life ---

  let unwatch: () => void = () => {}
  let cancelPoll: () => void = () => {}
  const forgetRest = (flushed: { readonly channel: string; readonly nexthop: string } | undefined) => {
    if (!flushed) resting.clear()
    else if (flushed.channel === channel) resting.delete(flushed.nexthop)
  }
  let unflush: () => void = () => {}

  function poll() {
    discover().catch((cause: unknown) => emit('kernel.fault', { channel, cause }))
    cancelPoll = clock.after(POLL_MS, poll)
  }

  return {
    start() {
      unwatch = store.watch(`${channel}/`, (lane, at) => {
        lanes.add(lane, at)
        wake()
      })
      unflush = signals.subscribe(Flushed, forgetRest)
      poll()
    },
    async stop(signal) {
      stopping = true
      unwatch()
      unflush()
      cancelPoll()
      cancelWake()
      if (delivering + settling === 0 && !pumping) return
      await new Promise<void>((resolve) => {
        idle = resolve
        const cutAll = () => {
          abort.abort(signal.reason)
          // What does not even heed that is left to its lease.
          setTimeout(resolve, CUT_MS).unref()
        }
        if (signal.aborted) cutAll()
        signal.addEventListener('abort', cutAll, { once: true })
        wake()
      })
    },
  }
}

/** Exactly one outcome for each recipient: what a channel does not mention waits. */
function complete(delivery: Delivery, outcomes: readonly Outcome[]): Outcome[] {
  const given = new Map(outcomes.map((outcome) => [outcome.recipient.address, outcome]))
  return delivery.recipients.map((recipient) => {
    const outcome = given.get(recipient.address)
    return outcome
      ? { ...outcome, recipient }
      : { recipient, status: 'deferred', reply: defer(451, '4.3.0', 'No answer for this recipient').reply }
  })
}

async function readAll(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks)
}

/** The delivery as plugins and channels see it: its header is in memory, its body is read as a stream. */
async function openDelivery(job: Job, { store, parseLimit }: { store: Store; parseLimit: number }): Promise<Delivery> {
  const { record } = job
  const { blob, blobSize, headerSize } = record
  const small = blobSize <= SMALL
  const stored: Body = { size: blobSize, open: (range) => store.blobs.open(blob, range) }
  const bytes = await readAll(
    openWith(stored, { prefix: '', cuts: [] }, { start: 0, end: small ? blobSize : headerSize }),
  )
  const body = small ? { ...stored, bytes } : stored
  return createDelivery(job, body, bytes.subarray(0, headerSize), parseLimit)
}

function unreadable(job: Job, parseLimit: number): Delivery {
  const empty = new Uint8Array(0)
  return createDelivery(job, { size: 0, bytes: empty, async *open() {} }, empty, parseLimit)
}

function createDelivery(
  { record, number, delivery }: Job,
  body: Body,
  header: Uint8Array,
  parseLimit: number,
): StoredDelivery {
  const edits = { prefix: record.edits.prefix, cuts: [...record.edits.cuts] }
  const message = createMessage(messageParts(record, delivery, { body, header, parseLimit }))
  return {
    id: `${record.id}.${number}`,
    message,
    route: { channel: delivery.channel, nexthop: delivery.nexthop },
    recipients: delivery.recipients,
    attempt: delivery.attempt + 1,
    from: reversePathOf(record, delivery),
    headers: createHeaders(header, edits),
    get size() {
      return sizeWith(body, edits)
    },
    needs: record.needs,
    open: () => openWith(body, edits),
    [STORED]: { record, edits },
  }
}

function messageParts(
  record: MessageRecord,
  delivery: DeliveryRecord,
  rest: Pick<MessageDeps, 'body' | 'header' | 'parseLimit'>,
): MessageDeps {
  const { id, session, from, parameters, priority, recipients, edits } = record
  return {
    id,
    session,
    from,
    parameters,
    priority,
    recipients,
    edits,
    findings: () => [...record.findings, ...delivery.findings],
    ...rest,
  }
}
