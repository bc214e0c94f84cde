/**
 * Settlement: the result of an attempt, in one commit with the reports it causes.
 *
 * Invariants: settling requires this kernel's lease; after a lost lease, recipients that were delivered never get the
 * message again.
 */
import type { Finding, Route } from '../api/hooks.ts'
import { type AttemptRecord, type Step, withAttempt } from '../message/trace.ts'
import type { Op } from '../store/store.ts'
import { acceptOps, type NewMessage } from './accept.ts'
import { change } from './change.ts'
import { afterEnd, endOps } from './end.ts'
import { type DeliveryRecord, encode, laneForDelivery, type Waiting } from './records.ts'
import type { Job, QueueState } from './state.ts'
import { leaseIsOurs, read } from './take.ts'

/** The result of an attempt: the recipients that still wait and until when, or none. */
export interface Settlement {
  readonly waiting: readonly Waiting[]
  /** Ms until the next attempt. */
  readonly in: number
  /** Addition to the message trace; absent when nothing was attempted. */
  readonly attempt?: AttemptRecord
  readonly route?: Route
  readonly state?: DeliveryRecord['state']
  readonly findings?: readonly Finding[]
  /** Steps of taps in this attempt. */
  readonly steps?: readonly Step[]
  readonly warned?: boolean
  /** In the same commit, because a crash between two commits would lose a report. */
  readonly reports?: readonly NewMessage[]
}

/** Maximum retries: the record changes under a lease once for each earlier attempt that lost its lease. */
const SETTLE_TRIES = 10

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

/** Writes the result of an attempt. False: the lease was lost, and only successful deliveries were recorded. */
export async function settle(state: QueueState, job: Job, settlement: Settlement): Promise<boolean> {
  let present = job
  try {
    for (let tries = 0; tries < SETTLE_TRIES; tries++) {
      if (await commitSettlement(state, present, settlement)) return true
      // Another kernel's late settlement may have changed the record while this kernel still holds the lease.
      const found = await read(state, job.record.id, job.key)
      if (!found || Buffer.compare(found.value, present.value) === 0) break
      present = { ...job, ...found }
    }
  } finally {
    state.active.delete(job)
  }
  await settleLate(state, job, settlement)
  return false
}

/** Tries the commit once. False: the lease or the delivery's record has changed. */
async function commitSettlement(state: QueueState, job: Job, settlement: Settlement): Promise<boolean> {
  const next = after(job, settlement)
  const finished = next.recipients.length === 0
  const lane = laneForDelivery(next, job.record.priority)
  const ops: Op[] = finished
    ? endOps(state, job, next)
    : [
        { put: job.key, value: encode(next) },
        { due: job.key, lane, in: settlement.in },
      ]
  if (!finished && lane !== job.lane) ops.push({ undue: job.key, lane: job.lane })
  for (const report of settlement.reports ?? []) ops.push(...acceptOps(report, state.clock.now()).ops)
  if (!(await state.store.commit(ops, [leaseIsOurs(job), { key: job.key, is: job.value }]))) return false
  if (finished) await afterEnd(state, job.record)
  return true
}

/** After a lost lease: recipients that were delivered must not get the message again. */
async function settleLate(state: QueueState, job: Job, { attempt }: Settlement): Promise<void> {
  const had = new Set(
    (attempt?.fates ?? []).filter(({ status }) => status === 'delivered').map(({ address }) => address),
  )
  if (had.size === 0) return
  const edit = (delivery: DeliveryRecord): DeliveryRecord => ({
    ...delivery,
    recipients: delivery.recipients.filter(({ address }) => !had.has(address)),
    attempts: attempt ? withAttempt(delivery.attempts, attempt) : delivery.attempts,
  })
  await change(state, job.key, edit, { evenLeased: true })
}
