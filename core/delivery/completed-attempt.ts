/**
 * A finished attempt, before its outcomes are evaluated and reported.
 */
import type { Delivery, Outcome } from '../api/hooks.ts'
import type { Job } from '../queue/state.ts'

export interface CompletedAttempt {
  readonly job: Job
  readonly delivery: Delivery
  readonly outcomes: readonly Outcome[]
  /** Start time, ms since 1970. */
  readonly began: number
  /** False when the next hop was not contacted. */
  readonly counts: boolean
}
