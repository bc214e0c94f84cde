/**
 * Settling: what an attempt leaves, in one commit with the reports that it causes.
 *
 * What must stay true: it is made only while the lease is this kernel's; after a lost lease, recipients who have the
 * message never get it again.
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

/** What an attempt leaves: the recipients that still wait and until when, or none. */
export interface Settlement {
  readonly waiting: readonly Waiting[]
  /** Ms until the next attempt. */
  readonly in: number
  /** What the message trace gains; absent when nothing was tried. */
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

/** A delivery's record changes this often under a lease at most, once for each attempt that lost its lease. */
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

/** Writes the result of an attempt. False: the lease was lost, and only what was delivered has been noted. */
export async function settle(state: QueueState, job: Job, settlement: Settlement): Promise<boolean> {
  let present = job
  try {
    for (let tries = 0; tries < SETTLE_TRIES; tries++) {
      if (await commitSettlement(state, present, settlement)) return true
      // Another kernel's late settlement may have changed the record, and then the lease is still ours.
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

/** One try at the commit: false when the lease or the delivery's record is no longer what the job says. */
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

/** The lease was lost: recipients who have the message must nevertheless not get it again. */
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
