/**
 * One attempt at a delivery: dispatch ▸ the channel delivers ▸ an outcome for each recipient.
 *
 * Invariants: each recipient has exactly one outcome, whatever a plugin or channel does; a fault is a deferral.
 */
import { reasonOf } from '../api/errors.ts'
import type { Delivery, Disposition, Outcome } from '../api/hooks.ts'
import { defer, FAULT, type Reply, refuse } from '../api/reply.ts'
import { createTrace, type Trace } from '../message/trace.ts'
import type { Settlement } from '../queue/settle.ts'
import type { Job } from '../queue/state.ts'
import { isOutcome } from '../runtime/answers.ts'
import { noteReached, restOf } from './backoff.ts'
import type { DelivererDeps } from './deps.ts'
import { openDelivery, unreadable } from './open-delivery.ts'

/** Ms to postpone a delivery after a fault in `dispatch`. */
const UNDECIDED_MS = 300_000

const CLOSED = defer(451, '4.4.1', 'Waits until the delivery window of the next hop opens')

export interface AttemptResult {
  readonly delivery: Delivery
  readonly outcomes: readonly Outcome[]
  /** The next hop was contacted, or the delivery ends. */
  readonly counts: boolean
  readonly disposition?: Disposition
  readonly change: Pick<Settlement, 'state' | 'findings' | 'steps'>
}

export async function attempt(deps: DelivererDeps, job: Job, signal: AbortSignal): Promise<AttemptResult> {
  const all = (status: Outcome['status'], reply: Reply) =>
    job.delivery.recipients.map((recipient): Outcome => ({ recipient, status, reply }))
  let delivery: Delivery
  try {
    delivery = await openDelivery(job, deps)
  } catch (cause) {
    deps.emit('delivery.unreadable', { message: job.record.id, cause })
    delivery = unreadable(job, deps.parseLimit)
    return { delivery, outcomes: all('deferred', FAULT.reply), counts: true, change: {} }
  }
  const { giveUp, nexthop } = job.delivery
  if (giveUp !== undefined) {
    const reply = typeof giveUp === 'string' ? refuse(550, '5.7.1', giveUp).reply : giveUp
    return { delivery, outcomes: all('failed', reply), counts: true, change: {} }
  }
  const opens = deps.online.admit(nexthop, job.record.size)
  if (opens !== undefined) {
    const { reply } = CLOSED
    const disposition: Disposition = { kind: 'postpone', until: new Date(opens), reply }
    return { delivery, outcomes: all('deferred', reply), counts: false, disposition, change: {} }
  }
  const trace = traceOf(deps, job, delivery)
  const disposition = await dispatch(deps, delivery, trace)
  if (disposition?.kind === 'fail')
    return { delivery, outcomes: all('failed', disposition.reply), counts: true, change: changeIn(trace) }
  if (disposition) {
    const reply = disposition.kind === 'postpone' ? disposition.reply : FAULT.reply
    return { delivery, outcomes: all('deferred', reply), counts: false, disposition, change: changeIn(trace) }
  }
  const rest = restOf(deps, nexthop)
  if (rest) {
    const { reply } = rest.outcome
    const text = `Not tried, the next hop did not answer: ${reply.text}`
    return { delivery, outcomes: all('deferred', { ...reply, text }), counts: false, change: changeIn(trace) }
  }
  const since = performance.now()
  const outcomes = complete(delivery, await ask(deps, delivery, { trace, signal }))
  spanOf(deps, delivery, outcomes, since)
  noteReached(deps, nexthop, outcomes)
  return { delivery, outcomes, counts: true, change: changeIn(trace) }
}

/** Collects the trace of this attempt: dispatch taps, the channel and its own hooks. */
function traceOf(
  { clock, channel, hooks }: DelivererDeps,
  { record, delivery: known }: Job,
  delivery: Delivery,
): Trace {
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

const changeIn = ({ state, findings, steps }: Trace): AttemptResult['change'] => ({ state, findings, steps })

function spanOf({ spans, channel }: DelivererDeps, { message }: Delivery, outcomes: readonly Outcome[], since: number) {
  if (!spans.isHeard) return
  const counts = { delivered: 0, deferred: 0, failed: 0 }
  for (const { status } of outcomes) counts[status]++
  const ms = performance.now() - since
  const start = performance.timeOrigin + since
  const fault = outcomes.find(({ status }) => status !== 'delivered')?.reply
  const why = fault === undefined ? {} : { fault: `${fault.code} ${fault.enhanced ?? ''}`.trim() }
  spans.record({
    kind: 'deliver',
    name: channel,
    plugin: channel,
    message: message.id,
    start,
    ms,
    facts: counts,
    ...why,
  })
}

async function dispatch(
  { hooks, clock }: DelivererDeps,
  delivery: Delivery,
  { run }: Trace,
): Promise<Disposition | undefined> {
  try {
    return await hooks.call('dispatch', delivery, run)
  } catch {
    // The guard has logged the fault; the delivery is postponed.
    return { kind: 'postpone', until: new Date(clock.now() + UNDECIDED_MS), reply: FAULT.reply }
  }
}

function faulty({ emit, channel }: DelivererDeps, { message }: Delivery, cause: unknown): void {
  emit('plugin.fault', { plugin: channel, hook: 'deliver', message: message.id, cause })
}

/** Drops values that are not outcomes; each is a fault of the channel. */
function usable(deps: DelivererDeps, delivery: Delivery, outcomes: unknown): readonly Outcome[] {
  const list: readonly unknown[] = Array.isArray(outcomes) ? outcomes : [outcomes]
  const wrong = list.find((one) => !isOutcome(one))
  if (list.some((one) => !isOutcome(one))) {
    const what = JSON.stringify(wrong)?.slice(0, 200)
    faulty(deps, delivery, new TypeError(`deliver must answer a list of outcomes, not ${what}`))
  }
  return list.filter(isOutcome)
}

async function ask(
  deps: DelivererDeps,
  delivery: Delivery,
  { trace: { run }, signal }: { readonly trace: Trace; readonly signal: AbortSignal },
): Promise<readonly Outcome[]> {
  const { channel, log } = deps
  try {
    const outcomes = await deps.deliver(delivery, {
      log,
      signal,
      get state() {
        return run.box(channel)
      },
      note: (name, value) => run.note(channel, name, value),
    })
    return usable(deps, delivery, outcomes)
  } catch (cause) {
    faulty(deps, delivery, cause)
    const why = reasonOf(cause)
      .replace(/[^\x20-\x7e]+/g, ' ')
      .slice(0, 200)
    const { reply } = defer(451, '4.3.0', `${channel} failed: ${why}`)
    return delivery.recipients.map((recipient) => ({ recipient, status: 'deferred', reply }))
  }
}

/** Completes the list to one outcome for each recipient: those the channel omits are deferred. */
function complete(delivery: Delivery, outcomes: readonly Outcome[]): Outcome[] {
  const given = new Map(outcomes.map((outcome) => [outcome.recipient.address, outcome]))
  return delivery.recipients.map((recipient) => {
    const outcome = given.get(recipient.address)
    return outcome
      ? { ...outcome, recipient }
      : { recipient, status: 'deferred', reply: defer(451, '4.3.0', 'No answer for this recipient').reply }
  })
}
