/**
 * Dependencies and a small cache, shared by the parts of the queue.
 *
 * Invariants: memory holds nothing that is not in the store; all of it may be dropped.
 */
import { Cache } from '../api/cache.ts'
import type { Clock } from '../api/clock.ts'
import type { Emit } from '../runtime/log.ts'
import type { Key, Lease, Store, Value } from '../store/store.ts'
import type { ReleaseFreed } from './blob-references.ts'
import type { DeliveryRecord, MessageRecord } from './records.ts'

export interface QueueDeps {
  readonly store: Store
  readonly clock: Clock
  readonly emit: Emit
  /** Removes a body that a message has released, if it has no holder left. */
  readonly release: ReleaseFreed
  /** How long finished messages stay in the history, in ms; 0 keeps none. */
  readonly historyMs: number
}

/** A delivery that this kernel has taken. */
export interface Job {
  readonly number: number
  readonly key: Key
  readonly lane: string
  lease: Lease
  readonly record: MessageRecord
  readonly delivery: DeliveryRecord
  /** The delivery's record as read. */
  readonly value: Value
}

/** Maximum messages cached between acceptance and delivery. */
const FRESH = 1000

export interface QueueState extends QueueDeps {
  /** Taken by this kernel and not yet settled. */
  readonly active: Set<Job>
  /** Messages just accepted with a single delivery, which usually follows at once. Their records are immutable. */
  readonly fresh: Cache<MessageRecord>
}

/** Another kernel may deliver the message, so entries may stay; the oldest is evicted. */
export const createFresh = (): Cache<MessageRecord> => new Cache({ max: FRESH })
