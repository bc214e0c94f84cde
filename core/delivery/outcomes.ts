/**
 * Evaluates an attempt: which recipients are finished, which wait and until when, which reports are due.
 *
 * Invariants: every recipient is delivered, waiting or reported; a report is complete before the commit that includes
 * it. This file decides and prepares; `queue/settle.ts` writes.
 */
import type { Clock } from '../api/clock.ts'
import type { Outcome } from '../api/hooks.ts'
import { refuse } from '../api/reply.ts'
import { resultOf } from '../message/trace.ts'
import { startOf, type Waiting } from '../queue/records.ts'
import type { Settlement } from '../queue/settle.ts'
import type { CompletedAttempt } from './completed-attempt.ts'
import { type ReportKind, wantsReport } from './report.ts'
import type { Reports } from './report-messages.ts'
import { EXPIRED, wordsOf } from './report-text.ts'
import { nextAttempt, type RetrySettings } from './retry.ts'

export interface SettleDeps {
  readonly clock: Clock
  readonly reports: Reports
}

export interface SettleSettings {
  readonly retry: RetrySettings
  /** Ms after which the sender gets a delay report; 0 for never. */
  readonly warnAfter: number
}

export type EvaluateOutcomes = ReturnType<typeof createOutcomeEvaluator>

export function createOutcomeEvaluator({ clock, reports }: SettleDeps, settings: SettleSettings) {
  /** Evaluates the outcomes of one attempt, prepares the reports and schedules the rest. Throws on faults. */
  return async function conclude(
    attempted: CompletedAttempt,
  ): Promise<{ readonly settlement: Settlement; readonly outcomes: readonly Outcome[] }> {
    const { job, began, counts } = attempted
    const now = clock.now()
    const since = startOf(job.record)
    const next = nextAttempt(settings.retry, { attempt: job.delivery.attempt + 1, since, now, chance: Math.random() })
    const outcomes = attempted.outcomes.map((outcome) =>
      outcome.status === 'deferred' && next === undefined ? expired(outcome) : outcome,
    )
    // Reports are sent with NOTIFY=NEVER; when one fails, only the postmaster is notified.
    const wants = (kind: ReportKind, one: Outcome) =>
      wantsReport(kind, one) || (kind === 'failure' && job.record.report !== undefined)
    const of = (status: Outcome['status'], kind: ReportKind) =>
      outcomes.filter((one) => one.status === status && wants(kind, one))
    const warn = settings.warnAfter > 0 && !job.delivery.warned && now - since >= settings.warnAfter
    const prepared = await Promise.all([
      reports.compose('failure', of('failed', 'failure'), attempted),
      reports.compose('success', of('delivered', 'success'), attempted),
      reports.compose('delay', warn ? of('deferred', 'delay') : [], attempted),
    ])
    const waiting = outcomes
      .filter(({ status }) => status === 'deferred')
      .map(({ recipient, reply }): Waiting => ({ ...recipient, last: reply }))
    const settlement: Settlement = {
      waiting,
      in: next ?? 0,
      ...(counts ? { attempt: { at: began, ms: now - began, fates: outcomes.map(resultOf) } } : {}),
      ...(warn ? { warned: true } : {}),
      reports: prepared.filter((one) => one !== undefined),
    }
    return { settlement, outcomes }
  }
}

/** The last reply stays verbatim; only the expiry is this server's conclusion. */
function expired(outcome: Outcome): Outcome {
  const { said } = outcome.reply
  const { reply } = refuse(554, '5.4.7', `${EXPIRED}; last answer: ${wordsOf(outcome.reply)}`)
  return { ...outcome, status: 'failed', reply: said === undefined ? reply : { ...reply, said } }
}
