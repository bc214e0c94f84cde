/**
 * Turns the reports of one attempt into messages: recipient, text and returned content.
 *
 * Invariants: a report is complete before the commit that includes it; a failure of a message from the null sender is
 * reported only to the postmaster, once; a plugin may change a report's text and address, never the outcome.
 */
import { isAscii } from 'node:buffer'
import type { Clock } from '../api/clock.ts'
import type { Bounce, Delivery, Outcome } from '../api/hooks.ts'
import { format } from '../api/reply.ts'
import { type HookRun, NO_MESSAGE } from '../api/run.ts'
import type { Resolve } from '../inbound/resolve.ts'
import { newId } from '../message/ids.ts'
import { headerEnd } from '../mime/header-end.ts'
import { deliveriesFor, type NewMessage } from '../queue/accept.ts'
import { type MessageRecord, reversePathOf, startOf } from '../queue/records.ts'
import type { Emit } from '../runtime/log.ts'
import type { Hooks } from '../runtime/wiring.ts'
import type { Store } from '../store/store.ts'
import type { CompletedAttempt } from './completed-attempt.ts'
import { ageText, fill, REPORT_TEXTS, type ReportKind, type ReportText, whyNoReport, writeReport } from './report.ts'
import { recipientLine } from './report-text.ts'

export interface ReportDeps {
  readonly store: Store
  readonly hooks: Hooks
  readonly clock: Clock
  readonly emit: Emit
  readonly resolve: Resolve
  readonly hostname: string
  /** Receives reports that cannot be delivered; without one they are dropped. */
  readonly postmaster?: string
  readonly texts: { readonly [K in ReportKind]?: { readonly [F in keyof ReportText]?: string | undefined } | undefined }
  /** Maximum size in octets of a message that a report returns whole on the sender's request. */
  readonly returnSize: number
  /** Age in ms at which a message's deliveries are given up. */
  readonly giveUpAfter: number
}

/** The session recorded for a report, which has no client. */
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

export class Reports {
  readonly #deps: ReportDeps

  constructor(deps: ReportDeps) {
    this.#deps = deps
  }

  async #returnedOf(delivery: Delivery, full: boolean, record: MessageRecord) {
    // RFC 8689 section 5: a message that requires TLS is not quoted in a report that may travel without.
    const mayQuote = !record.needs.binary && !record.parameters.requireTls
    const whole = full && mayQuote && delivery.message.size <= this.#deps.returnSize
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
      this.#deps.emit('delivery.unreadable', { message: record.id, cause })
      return { bytes: Buffer.alloc(0), whole: false }
    }
    return { bytes: Buffer.concat(chunks), whole }
  }

  #wordsFor(kind: ReportKind, about: readonly Outcome[], { job, delivery }: CompletedAttempt) {
    const { subject = REPORT_TEXTS[kind].subject, text = REPORT_TEXTS[kind].text } = this.#deps.texts[kind] ?? {}
    const start = startOf(job.record)
    const values = {
      subject: delivery.message.headers.get('subject')[0] ?? '(no subject)',
      recipients: about.map(recipientLine).join('\n'),
      hostname: this.#deps.hostname,
      age: ageText(this.#deps.clock.now() - start),
      until: new Date(start + this.#deps.giveUpAfter).toUTCString(),
    }
    return { subject: fill(subject, values).slice(0, 900), text: fill(text, values) }
  }

  /** The recipient of a report: the sender, the postmaster for an undeliverable report, or none. */
  #addressee(
    kind: ReportKind,
    { job: { record, delivery } }: CompletedAttempt,
  ): { to: string; report: 'report' | 'double' } | string {
    const from = reversePathOf(record, delivery)
    const obstacle = whyNoReport({ from, findings: record.findings })
    if (!obstacle) return { to: from, report: 'report' }
    const double = obstacle === 'null sender' && kind === 'failure' && record.report !== 'double'
    return double && this.#deps.postmaster !== undefined ? { to: this.#deps.postmaster, report: 'double' } : obstacle
  }

  /** Composes a report of one kind about these outcomes; undefined when none is wanted or it has no recipient. */
  async compose(
    kind: ReportKind,
    about: readonly Outcome[],
    attempted: CompletedAttempt,
  ): Promise<NewMessage | undefined> {
    if (about.length === 0) return undefined
    const { job, delivery } = attempted
    const { id } = job.record
    const whom = this.#addressee(kind, attempted)
    if (typeof whom === 'string') {
      if (kind === 'failure')
        this.#deps.emit('bounce.dropped', {
          message: id,
          reason: whom,
          recipients: about.map(({ recipient }) => recipient.address),
        })
      return undefined
    }
    const first: Bounce = {
      kind,
      message: delivery.message,
      to: whom.to,
      about,
      ...this.#wordsFor(kind, about, attempted),
    }
    const bounce = await this.#finalBounce(first, {
      ...NO_MESSAGE,
      message: id,
      from: job.record.session.channel,
      to: job.delivery.channel,
    })
    if (bounce.suppress) {
      this.#deps.emit('bounce.suppressed', { message: id, kind, to: bounce.to })
      return undefined
    }
    return this.#write(bounce, whom.report, attempted)
  }

  /** A plugin may change the text and the recipient, but not the outcomes. */
  async #finalBounce(first: Bounce, run: HookRun): Promise<Bounce> {
    try {
      const answer = await this.#deps.hooks.call('bounce', first, run)
      return answer ? { ...answer, kind: first.kind, message: first.message, about: first.about } : first
    } catch {
      // The guard has logged the fault; the default text is better than no report.
      return first
    }
  }

  /** Builds the report as a new message with routes. Undefined, with an event, when it has no route. */
  async #write(
    bounce: Bounce,
    report: 'report' | 'double',
    { job, delivery }: CompletedAttempt,
  ): Promise<NewMessage | undefined> {
    const { record } = job
    const now = this.#deps.clock.now()
    const id = newId(now)
    const session = ownSession(id, this.#deps.hostname)
    const to = { address: bounce.to, original: bounce.to, notify: ['NEVER' as const] }
    const routed = await this.#deps.resolve.resolve(to, '', session, NO_MESSAGE)
    if ('kind' in routed) {
      this.#deps.emit('bounce.dropped', { message: record.id, to: bounce.to, reason: format(routed.reply) })
      return undefined
    }
    const isWhole = record.parameters.ret === 'FULL' && bounce.headerOnly !== true
    const returned = await this.#returnedOf(delivery, isWhole, record)
    const utf8 = record.needs.utf8 || !isAscii(Buffer.from(bounce.to))
    const { envid } = record.parameters
    const content = writeReport(bounce, {
      id,
      hostname: this.#deps.hostname,
      arrived: record.at,
      until: startOf(record) + this.#deps.giveUpAfter,
      now,
      returned,
      utf8,
      envid,
    })
    const staged = await this.#deps.store.blobs.stage([content] as unknown as AsyncIterable<Uint8Array>)
    const { id: blob, ops } = await staged.keep()
    const deliveries = deliveriesFor(routed)
    this.#deps.emit('bounce.queued', { message: id, about: record.id, kind: bounce.kind, to: bounce.to })
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
}
