/**
 * The shared queue: what is written when a message is accepted, and what when its deliveries are settled.
 *
 * What must stay true: accepting is one commit; settling is one commit with the reports it causes inside it, made only
 * while the lease is ours; the last delivery takes the message and its body with it. Nothing here knows hooks, plugins,
 * protocols, or why something was deferred.
 */
import type { Key } from '../store/store.ts'
import { accept, type NewMessage } from './accept.ts'
import { type ChangeOptions, change } from './change.ts'
import { endMessage } from './end.ts'
import type { DeliveryRecord, MessageRecord } from './records.ts'
import { type Settlement, settle } from './settle.ts'
import type { Job, QueueDeps, QueueState } from './state.ts'
import { renew, take } from './take.ts'

export interface SharedQueue {
  /** See `accept.ts`: one commit for all of them. */
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
  /** Deliveries that this kernel has taken and not settled. */
  readonly activeCount: () => number
}

export function createQueue(deps: QueueDeps): SharedQueue {
  const state: QueueState = { ...deps, active: new Set(), fresh: new Map() }
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
