/**
 * Sends the reports of past days: composes, submits and records them.
 *
 * Invariants: a crash at any point repeats nothing (`once` on each message) and loses nothing (the commit that records
 * a report as sent removes the counts); temporary failures are retried for days.
 */
import {
  type Clock,
  classOf,
  type Dns,
  format,
  type Log,
  type Op,
  type Store,
  type Submission,
  type Submitted,
  unkey,
} from 'iems'
import { limitQuestions } from '../dns.ts'
import { confirm, type Destination, destinationsOf } from './destinations.ts'
import type { Outgoing, Reporter } from './feedback.ts'
import { compress, writeReportMail } from './mail.ts'
import {
  type CountedRow,
  type DayRecord,
  dayKey,
  dayOf,
  daysBefore,
  decode,
  encode,
  hashOf,
  receivedBefore,
  rowsBefore,
  rowsOf,
  type SentReport,
  type SentTo,
  secondsOf,
  sentBefore,
  sentKey,
} from './records.ts'

export interface SendDeps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly hostname: string
  readonly dns: Dns
  readonly signal: AbortSignal
  submit(message: Submission): Promise<Submitted>
  /** Writes counts that are only in memory. */
  flush(): Promise<void>
  /** Undefined: no reports are sent. */
  readonly by: Reporter | undefined
  readonly destinations: number
  readonly timeoutMs: number
  /** How long sent and received reports are kept. */
  readonly keepMs: number
}

const DAY_MS = 86_400_000
/** Delay after midnight, until the last counts of the day are written. */
const SETTLED_MS = 10 * 60_000
/** Age at which an unsent report is dropped. */
const GIVE_UP_MS = 4 * DAY_MS
/** Records removed in one commit. */
const TOGETHER = 500

export class ReportSender {
  readonly #parts: SendDeps

  constructor(parts: SendDeps) {
    this.#parts = parts
  }

  /** Sends a report to one address; undefined for a temporary failure. */
  async #sendTo(destination: Destination, outgoing: Outgoing, gzipped: Buffer): Promise<SentTo | undefined> {
    const { address, most = Number.POSITIVE_INFINITY } = destination
    const { day, policy, by } = outgoing
    // The end of the day instead of the current time, so that a repeated report is the same message.
    const at = secondsOf(day).end * 1000
    const content = writeReportMail({ ...outgoing, hostname: this.#parts.hostname, to: address, at }, gzipped)
    if (content.length > most) return { address, outcome: 'too large' }
    const { reply, id } = await this.#parts.submit({
      from: by.email,
      to: [{ address, notify: ['NEVER'] }],
      content,
      once: `dmarc ${day} ${policy.domain} ${address}`,
    })
    if (classOf(reply) === 'temporary') return undefined
    const outcome = classOf(reply) === 'success' ? 'queued' : 'refused'
    return { address, outcome, reply: format(reply), ...(id === undefined ? {} : { message: id }) }
  }

  async #sendAll(outgoing: Outgoing): Promise<{ readonly sent: SentTo[]; readonly isComplete: boolean }> {
    const resolve = limitQuestions(
      this.#parts.dns,
      100,
      AbortSignal.any([this.#parts.signal, AbortSignal.timeout(this.#parts.timeoutMs)]),
    )
    const gzipped = compress(outgoing)
    const sent: SentTo[] = []
    let isComplete = true
    for (const wish of destinationsOf(outgoing.policy.record, this.#parts.destinations)) {
      const confirmed = await confirm(outgoing.policy, wish, resolve)
      if (confirmed.kind === 'unwanted') sent.push({ address: wish.address, outcome: 'not authorised' })
      if (confirmed.kind !== 'wanted') {
        isComplete &&= confirmed.kind === 'unwanted'
        continue
      }
      const one = await this.#sendTo(confirmed.destination, outgoing, gzipped)
      if (one) sent.push(one)
      else isComplete = false
    }
    return { sent, isComplete }
  }

  async #rowsAbout(day: string, domain: string): Promise<CountedRow[]> {
    const rows: CountedRow[] = []
    for await (const [, value] of this.#parts.store.scan(rowsOf(day, domain))) rows.push(decode<CountedRow>(value))
    return rows.sort((a, b) => b.count - a.count)
  }

  /** Sends the report of one domain and day; undefined for a temporary failure. */
  async #sendOne(day: string, policy: DayRecord, by: Reporter): Promise<SentReport | undefined> {
    const id = hashOf(this.#parts.hostname, policy.domain, day)
    const rows = await this.#rowsAbout(day, policy.domain)
    const { sent: to, isComplete } = await this.#sendAll({ id, day, policy, rows, by })
    if (!isComplete && this.#parts.clock.now() - secondsOf(day).end * 1000 < GIVE_UP_MS) return undefined
    const { domain, messages } = policy
    const report: SentReport = { day, domain, id, at: this.#parts.clock.now(), messages, rows: rows.length, to }
    const gone: Op[] = [{ del: dayKey(day, domain) }]
    for await (const [key] of this.#parts.store.scan(rowsOf(day, domain))) gone.push({ del: key })
    await this.#parts.store.commit([...gone, { put: sentKey(day, domain), value: encode(report) }])
    return report
  }

  /** Sends due reports and yields each. A failure for one domain does not affect others. */
  async *sendDue(): AsyncGenerator<SentReport> {
    await this.#parts.flush()
    if (!this.#parts.by) return
    const today = dayOf(this.#parts.clock.now() - SETTLED_MS)
    for await (const [key, value] of this.#parts.store.scan(daysBefore(today))) {
      const [, day, domain] = unkey(key)
      try {
        const report = await this.#sendOne(`${day}`, decode<DayRecord>(value), this.#parts.by)
        if (report) yield report
        else this.#parts.log.info('DMARC report waits', { domain, day })
      } catch (cause) {
        // It stays due, so the next round retries it.
        this.#parts.log.warn('DMARC report not sent', { domain, day, cause })
      }
    }
  }

  async #removeAll(range: Parameters<Store['scan']>[0]): Promise<void> {
    const ops: Op[] = []
    for await (const [key] of this.#parts.store.scan({ ...range, limit: TOGETHER })) ops.push({ del: key })
    if (ops.length > 0) await this.#parts.store.commit(ops)
    if (ops.length === TOGETHER) await this.#removeAll(range)
  }

  /** Removes old records. */
  async sweep(): Promise<void> {
    const oldest = dayOf(this.#parts.clock.now() - this.#parts.keepMs)
    await this.#removeAll(sentBefore(oldest))
    await this.#removeAll(receivedBefore(oldest))
    const useless = dayOf(this.#parts.clock.now() - 2 * GIVE_UP_MS)
    await this.#removeAll(rowsBefore(useless))
    await this.#removeAll(daysBefore(useless))
  }
}
