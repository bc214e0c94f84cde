/**
 * After an attempt: writes the result in one commit, then emits its events.
 *
 * Invariants: no event precedes the commit; a brief store failure loses no outcome; a delivered recipient never waits
 * because a report could not be written.
 */
import type { EventName } from '../api/events.ts'
import type { Delivery, Disposition, Outcome } from '../api/hooks.ts'
import { createTrace, resultOf } from '../message/trace.ts'
import type { Settlement } from '../queue/settle.ts'
import type { Job } from '../queue/state.ts'
import type { AttemptResult } from './attempt.ts'
import type { CompletedAttempt } from './completed-attempt.ts'
import type { DelivererDeps } from './deps.ts'
import { wordsOf } from './report-text.ts'

const SETTLE_TRIES = 10
/** Ms between two tries to write a settlement. */
const SETTLE_PAUSE_MS = 1000
/** Ms until a delivery whose reports could not be written is attempted again. */
const UNCONCLUDED_MS = 60_000

/** Signals the end of the kernel to settling. */
export interface Ending {
  /** Only one try is allowed. */
  isStopping(): boolean
  /** Aborts when waiting must end. */
  readonly signal: AbortSignal
}

export async function settleAttempt(
  deps: DelivererDeps,
  job: Job,
  { disposition, change, ...attempted }: AttemptResult & { readonly began: number },
  ending: Ending,
): Promise<void> {
  const { conclude, emit, channel } = deps
  const { settlement, outcomes } = await conclude({ job, ...attempted }).catch((cause: unknown) =>
    unconcluded(deps, job, attempted, cause),
  )
  const held = await write(deps, job, { ...settlement, ...change, ...moved(deps, disposition) }, ending)
  if (!held) emit('delivery.lease-lost', { message: job.record.id, channel })
  if (disposition?.kind === 'reroute')
    emit('delivery.rerouted', {
      message: job.record.id,
      channel,
      to: `${disposition.route.channel} ${disposition.route.nexthop}`,
    })
  else notify(deps, job, attempted.delivery, outcomes)
}

/**
 * Reschedules a delivery that was made due early: a flush makes whole next hops due, regardless of single deliveries.
 */
export async function waitOn({ queue, clock }: DelivererDeps, job: Job, until: number): Promise<void> {
  await queue.settle(job, { waiting: job.delivery.recipients, in: Math.max(1, until - clock.now()) })
}

/** No report could be written: recipients that were delivered must not get the message again, the others wait. */
function unconcluded(
  { emit, channel, clock }: DelivererDeps,
  job: Job,
  { outcomes, began }: Omit<CompletedAttempt, 'job'>,
  cause: unknown,
): { settlement: Settlement; outcomes: readonly Outcome[] } {
  emit('kernel.fault', { channel, message: job.record.id, cause })
  const waiting = outcomes
    .filter(({ status }) => status !== 'delivered')
    .map(({ recipient, reply }) => ({ ...recipient, last: reply }))
  const attempt = { at: began, ms: clock.now() - began, fates: outcomes.map(resultOf) }
  return { settlement: { waiting, in: UNCONCLUDED_MS, attempt }, outcomes }
}

function moved({ clock }: DelivererDeps, disposition: Disposition | undefined): Partial<Settlement> {
  if (disposition?.kind === 'reroute') return { route: disposition.route, in: 0 }
  return disposition?.kind === 'postpone' ? { in: Math.max(1000, disposition.until.getTime() - clock.now()) } : {}
}

/** Retries for a while, because store failures are often brief; after that the lease expires. */
async function write(
  { queue, store, clock, emit }: DelivererDeps,
  job: Job,
  settlement: Settlement,
  { isStopping, signal }: Ending,
): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    try {
      return await queue.settle(job, settlement)
    } catch (cause) {
      if (tries >= SETTLE_TRIES || isStopping() || store.now() >= job.lease.until) throw cause
      emit('store.failing', { message: job.record.id, cause })
      await new Promise<void>((resolve) => {
        clock.after(SETTLE_PAUSE_MS, resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }
}

function notify(
  { emit, hooks, clock, channel }: DelivererDeps,
  job: Job,
  delivery: Delivery,
  outcomes: readonly Outcome[],
): void {
  const { record } = job
  for (const { recipient, status, reply, remote } of outcomes) {
    emit(`delivery.${status}` as EventName, {
      message: record.id,
      channel,
      nexthop: job.delivery.nexthop,
      to: recipient.address,
      reply: wordsOf(reply),
      enhanced: reply.enhanced,
      remote,
      attempt: delivery.attempt,
    })
  }
  if (!hooks.isTapped('settled')) return
  const { id: message, session, state } = record
  const { run } = createTrace({ clock, message, from: session.channel, to: channel, state })
  hooks
    .call('settled', { delivery, outcomes }, run)
    .catch((cause: unknown) => emit('kernel.fault', { hook: 'settled', message, cause }))
}
