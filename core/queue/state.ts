/**
 * What the parts of the shared queue have in common: their dependencies, and the little that one kernel remembers.
 *
 * What must stay true: memory holds nothing that the store does not know better; all of it may be forgotten.
 */
import type { Clock } from '../api/clock.ts'
import type { Emit } from '../runtime/log.ts'
import type { Key, Lease, Store, Value } from '../store/store.ts'
import type { ReleaseFreed } from './blob-references.ts'
import type { DeliveryRecord, MessageRecord } from './records.ts'

export interface QueueDeps {
  readonly store: Store
  readonly clock: Clock
  readonly emit: Emit
  /** Removes a body that a message has let go of, if it was the last to need it. */
  readonly release: ReleaseFreed
  /** Ms for which finished messages are remembered; 0 keeps nothing. */
  readonly historyMs: number
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

/** Messages kept in memory between being accepted and being delivered. */
const FRESH = 1000

export interface QueueState extends QueueDeps {
  /** Taken by this kernel and not settled yet. */
  readonly active: Set<Job>
  /** Messages just accepted with one delivery, which usually follows at once. Their records never change. */
  readonly fresh: Map<string, MessageRecord>
}

/** Another kernel may deliver it, so the oldest is dropped when there are too many. */
export function remember({ fresh }: QueueState, record: MessageRecord): void {
  if (fresh.size >= FRESH) fresh.delete(fresh.keys().next().value as string)
  fresh.set(record.id, record)
}
