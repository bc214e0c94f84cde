/**
 * Dependencies shared by the parts of a channel's delivery.
 */
import type { Clock } from '../api/clock.ts'
import type { Delivery, Outcome } from '../api/hooks.ts'
import type { DeliverContext } from '../api/plugin.ts'
import type { SharedQueue } from '../queue/queue.ts'
import type { Emit, Log } from '../runtime/log.ts'
import type { Signals } from '../runtime/signals.ts'
import type { Spans } from '../runtime/spans.ts'
import type { Hooks } from '../runtime/wiring.ts'
import type { Store } from '../store/store.ts'
import type { Resting } from './backoff.ts'
import type { OnlineWindows } from './online.ts'
import type { EvaluateOutcomes } from './outcomes.ts'

export interface DeliverySettings {
  /** Maximum concurrent deliveries. */
  readonly concurrency: number
  readonly perNextHop: number
  /** Minimum ms between two deliveries to one next hop; 0 for no limit. */
  readonly gapMs: number
  readonly leaseMs: number
}

export interface DelivererDeps {
  readonly channel: string
  /** Next hops in backoff: a hint, not a record. */
  readonly resting: Resting
  readonly settings: DeliverySettings
  /** When next hops may be reached. */
  readonly online: OnlineWindows
  readonly deliver: (delivery: Delivery, ctx: DeliverContext) => Promise<readonly Outcome[]>
  readonly store: Store
  readonly queue: SharedQueue
  readonly signals: Signals
  readonly hooks: Hooks
  readonly conclude: EvaluateOutcomes
  readonly clock: Clock
  readonly emit: Emit
  readonly log: Log
  readonly spans: Spans
  readonly parseLimit: number
}
