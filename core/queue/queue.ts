/**
 * The shared queue: the records written when a message is accepted and when its deliveries are settled.
 *
 * Invariants: accepting is one commit; settling is one commit, including the reports it causes, and only while this
 * kernel holds the lease; the last delivery removes the message and its body. The queue knows nothing of hooks,
 * plugins, protocols or the reasons for deferral.
 */
import type { Key } from '../store/store.ts'
import { accept, type NewMessage } from './accept.ts'
import { type ChangeOptions, change } from './change.ts'
import { endMessage } from './end.ts'
import type { DeliveryRecord, MessageRecord } from './records.ts'
import { type Settlement, settle } from './settle.ts'
import { createFresh, type Job, type QueueDeps, type QueueState } from './state.ts'
import { renew, take } from './take.ts'

export interface SharedQueue {
  /** One commit for all of them; see `accept.ts`. */
  readonly accept: (...messages: [NewMessage, ...NewMessage[]]) => Promise<string>
  readonly take: (lane: string, limit: number, leaseMs: number) => Promise<Job[]>
  readonly renew: (job: Job, leaseMs: number) => Promise<boolean>
  readonly settle: (job: Job, settlement: Settlement) => Promise<boolean>
  readonly change: (
    at: Key,
    edit: (delivery: DeliveryRecord) => DeliveryRecord | undefined,
    options?: ChangeOptions,
  ) => Promise<boolean>
  readonly endMessage: (record: MessageRecord) => Promise<void>
  /** Deliveries that this kernel has taken and not yet settled. */
  readonly activeCount: () => number
}

export function createQueue(deps: QueueDeps): SharedQueue {
  const state: QueueState = { ...deps, active: new Set(), fresh: createFresh() }
  return {
    accept: (...messages) => accept(state, messages),
    take: (lane, limit, leaseMs) => take(state, lane, limit, leaseMs),
    renew: (job, leaseMs) => renew(state, job, leaseMs),
    settle: (job, settlement) => settle(state, job, settlement),
    change: (at, edit, options) => change(state, at, edit, options),
    endMessage: (record) => endMessage(state, record),
    activeCount: () => state.active.size,
  }
}
