/** An attempt that is over, before its outcomes are sorted and reported. */
import type { Delivery, Outcome } from '../api/hooks.ts'
import type { Job } from '../queue/state.ts'

export interface CompletedAttempt {
  readonly job: Job
  readonly delivery: Delivery
  readonly outcomes: readonly Outcome[]
  /** When it began, ms since 1970. */
  readonly began: number
  /** False when the next hop was not even asked. */
  readonly counts: boolean
}
