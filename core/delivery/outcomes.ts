/**
 * What an attempt comes to: who is done, who waits and until when, who is told.
 *
 * What must stay true: every recipient is delivered, waiting or reported, never forgotten; a report is prepared
 * completely before the commit that needs it, so that both are in one. This file decides and prepares; `queue.ts`
 * writes.
 */
import { isAscii } from 'node:buffer'
import type { Clock } from '../api/clock.ts'
import type { Bounce, Delivery, Outcome } from '../api/hooks.ts'
import { format, refuse } from '../api/reply.ts'
import { type HookRun, NO_MESSAGE } from '../api/run.ts'
import type { Resolve } from '../inbound/resolve.ts'
import { newId } from '../message/ids.ts'
import { resultOf } from '../message/trace.ts'
import { headerEnd } from '../mime/header-end.ts'
import { deliveriesFor, type NewMessage } from '../queue/accept.ts'
import { type MessageRecord, reversePathOf, startOf, type Waiting } from '../queue/records.ts'
import type { Settlement } from '../queue/settle.ts'
import type { Job } from '../queue/state.ts'
import type { Emit } from '../runtime/log.ts'
import type { Hooks } from '../runtime/wiring.ts'
import type { Store } from '../store/store.ts'
import {
  ageText,
  fill,
  REPORT_TEXTS,
  type ReportKind,
  type ReportText,
  wantsReport,
  whyNoReport,
  writeReport,
} from './report.ts'
import { EXPIRED, recipientLine, wordsOf } from './report-text.ts'
import { nextAttempt, type RetrySettings } from './retry.ts'

export interface SettleDeps {
  readonly store: Store
  readonly hooks: Hooks
  readonly clock: Clock
  readonly emit: Emit
  readonly resolve: Resolve
  readonly hostname: string
  /** Who hears of reports that cannot be delivered; nobody if absent. */
  readonly postmaster?: string
  readonly texts: { readonly [K in ReportKind]?: { readonly [F in keyof ReportText]?: string | undefined } | undefined }
  /** Octets of a message up to which a report gives all of it back when the sender asked for that. */
  readonly returnSize: number
}

export interface SettleSettings {
  readonly retry: RetrySettings
  /** Ms after which a sender hears that his message waits; 0 for never. */
  readonly warnAfter: number
}

export interface CompletedAttempt {
  readonly job: Job
  readonly delivery: Delivery
  readonly outcomes: readonly Outcome[]
  /** When it began, ms since 1970. */
  readonly began: number
  /** False when the next hop was not even asked. */
  readonly counts: boolean
}

export type EvaluateOutcomes = ReturnType<typeof createOutcomeEvaluator>

/** A report is about something that has no client: the session it would have had. */
function ownSession(id: string, hostname: string): MessageRecord['session'] {
  return {
    id,
    channel: 'iems',
    protocol: 'LOCAL',
    remote: { address: '127.0.0.1', name: hostname },
    trusted: true,
    submission: false,
    brings: 'mail',
  }
}

export function createOutcomeEvaluator(parts: SettleDeps, settings: SettleSettings) {
  const { store, hooks, clock, emit, resolve, hostname, postmaster, texts, returnSize } = parts

  async function returnedOf(delivery: Delivery, full: boolean, record: MessageRecord) {
    // RFC 8689 section 5: what must travel under TLS is not quoted in a report that may not.
    const mayQuote = !record.needs.binary && !record.parameters.requireTls
    const whole = full && mayQuote && delivery.message.size <= returnSize
    const chunks: Uint8Array[] = []
    let left = whole ? Number.POSITIVE_INFINITY : Buffer.byteLength(record.edits.prefix) + record.headerSize
    try {
      for await (const chunk of delivery.message.open()) {
        chunks.push(chunk.subarray(0, left))
        left -= chunk.byteLength
        if (left <= 0) break
      }
    } catch (cause) {
      // A report without the content is better than no report.
      emit('delivery.unreadable', { message: record.id, cause })
      return { bytes: Buffer.alloc(0), whole: false }
    }
    return { bytes: Buffer.concat(chunks), whole }
  }

  function wordsFor(kind: ReportKind, about: readonly Outcome[], { job, delivery }: CompletedAttempt) {
    const { subject = REPORT_TEXTS[kind].subject, text = REPORT_TEXTS[kind].text } = texts[kind] ?? {}
    const start = startOf(job.record)
    const values = {
      subject: delivery.message.headers.get('subject')[0] ?? '(no subject)',
      recipients: about.map(recipientLine).join('\n'),
      hostname,
      age: ageText(clock.now() - start),
      until: new Date(start + settings.retry.for).toUTCString(),
    }
    return { subject: fill(subject, values).slice(0, 900), text: fill(text, values) }
  }

  /** Whom to tell: the sender, the postmaster about a report that cannot be delivered, or nobody. */
  function addressee(
    kind: ReportKind,
    { job: { record, delivery } }: CompletedAttempt,
  ): { to: string; report: 'report' | 'double' } | string {
    const from = reversePathOf(record, delivery)
    const obstacle = whyNoReport({ from, findings: record.findings })
    if (!obstacle) return { to: from, report: 'report' }
    const double = obstacle === 'null sender' && kind === 'failure' && record.report !== 'double'
    return double && postmaster !== undefined ? { to: postmaster, report: 'double' } : obstacle
  }

  async function report(
    kind: ReportKind,
    about: readonly Outcome[],
    attempted: CompletedAttempt,
  ): Promise<NewMessage | undefined> {
    if (about.length === 0) return undefined
    const { job, delivery } = attempted
    const { id } = job.record
    const whom = addressee(kind, attempted)
    if (typeof whom === 'string') {
      if (kind === 'failure')
        emit('bounce.dropped', {
          message: id,
          reason: whom,
          recipients: about.map(({ recipient }) => recipient.address),
        })
      return undefined
    }
    const first: Bounce = { kind, message: delivery.message, to: whom.to, about, ...wordsFor(kind, about, attempted) }
    const bounce = await finalBounce(first, {
      ...NO_MESSAGE,
      message: id,
      from: job.record.session.channel,
      to: job.delivery.channel,
    })
    if (bounce.suppress) {
      emit('bounce.suppressed', { message: id, kind, to: bounce.to })
      return undefined
    }
    return compose(bounce, whom.report, attempted)
  }

  /** A plugin changes the words and to whom they go; what happened is not its to say. */
  async function finalBounce(first: Bounce, run: HookRun): Promise<Bounce> {
    try {
      const answer = await hooks.call('bounce', first, run)
      return answer ? { ...answer, kind: first.kind, message: first.message, about: first.about } : first
    } catch {
      // The guard has logged the fault; a report in the default words is better than none.
      return first
    }
  }

  /** The report as a new message with its routes; undefined, and an event, when it can go nowhere. */
  async function compose(
    bounce: Bounce,
    report: 'report' | 'double',
    { job, delivery }: CompletedAttempt,
  ): Promise<NewMessage | undefined> {
    const { record } = job
    const now = clock.now()
    const id = newId(now)
    const session = ownSession(id, hostname)
    const to = { address: bounce.to, original: bounce.to, notify: ['NEVER' as const] }
    const routed = await resolve.resolve(to, '', session, NO_MESSAGE)
    if ('kind' in routed) {
      emit('bounce.dropped', { message: record.id, to: bounce.to, reason: format(routed.reply) })
      return undefined
    }
    const isWhole = record.parameters.ret === 'FULL' && bounce.headerOnly !== true
    const returned = await returnedOf(delivery, isWhole, record)
    const utf8 = record.needs.utf8 || !isAscii(Buffer.from(bounce.to))
    const { envid } = record.parameters
    const content = writeReport(bounce, {
      id,
      hostname,
      arrived: record.at,
      until: startOf(record) + settings.retry.for,
      now,
      returned,
      utf8,
      envid,
    })
    const staged = await store.blobs.stage([content] as unknown as AsyncIterable<Uint8Array>)
    const { id: blob, ops } = await staged.keep()
    const deliveries = deliveriesFor(routed)
    emit('bounce.queued', { message: id, about: record.id, kind: bounce.kind, to: bounce.to })
    return {
      deliveries,
      body: ops,
      record: {
        v: 1,
        id,
        at: now,
        session,
        from: '',
        parameters: utf8 ? { smtpUtf8: true } : {},
        priority: 'normal',
        recipients: routed.map(({ recipient }) => recipient),
        blob,
        blobSize: content.length,
        headerSize: headerEnd(content),
        edits: { prefix: '', cuts: [] },
        size: content.length,
        needs: { eightBit: !isAscii(content), binary: false, utf8 },
        findings: [],
        state: {},
        steps: [],
        of: deliveries.length,
        report,
      },
    }
  }

  /** Sorts the outcomes of one attempt, prepares the reports, and says when the rest is due. Throws on faults. */
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
    // A report is sent with NOTIFY=NEVER; when it fails itself that is for the postmaster to know.
    const wants = (kind: ReportKind, one: Outcome) =>
      wantsReport(kind, one) || (kind === 'failure' && job.record.report !== undefined)
    const of = (status: Outcome['status'], kind: ReportKind) =>
      outcomes.filter((one) => one.status === status && wants(kind, one))
    const warn = settings.warnAfter > 0 && !job.delivery.warned && now - since >= settings.warnAfter
    const reports = await Promise.all([
      report('failure', of('failed', 'failure'), attempted),
      report('success', of('delivered', 'success'), attempted),
      report('delay', warn ? of('deferred', 'delay') : [], attempted),
    ])
    const waiting = outcomes
      .filter(({ status }) => status === 'deferred')
      .map(({ recipient, reply }): Waiting => ({ ...recipient, last: reply }))
    const settlement: Settlement = {
      waiting,
      in: next ?? 0,
      ...(counts ? { attempt: { at: began, ms: now - began, fates: outcomes.map(resultOf) } } : {}),
      ...(warn ? { warned: true } : {}),
      reports: reports.filter((one) => one !== undefined),
    }
    return { settlement, outcomes }
  }
}

/** The last reply stays as it was said; that time is up is this server's finding. */
function expired(outcome: Outcome): Outcome {
  const { said } = outcome.reply
  const { reply } = refuse(554, '5.4.7', `${EXPIRED}; last answer: ${wordsOf(outcome.reply)}`)
  return { ...outcome, status: 'failed', reply: said === undefined ? reply : { ...reply, said } }
}
