/**
 * Reports on the days that are over: composed, handed in as messages, noted as sent.
 *
 * What must stay true: a crash at any point repeats nothing (`once` on each message) and loses nothing (the counts go
 * in the commit that notes the report as sent); what is only temporarily impossible is tried again for days.
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
  /** Writes what is still only in memory. */
  flush(): Promise<void>
  /** Undefined: nothing is sent. */
  readonly by: Reporter | undefined
  readonly destinations: number
  readonly timeoutMs: number
  /** How long what was sent and received is kept. */
  readonly keepMs: number
}

const DAY_MS = 86_400_000
/** After midnight, until the last counts of the day are written. */
const SETTLED_MS = 10 * 60_000
/** A report that could not be sent by then is of no use. */
const GIVE_UP_MS = 4 * DAY_MS
/** Records removed in one commit. */
const TOGETHER = 500

export class ReportSender {
  readonly #parts: SendDeps

  constructor(parts: SendDeps) {
    this.#parts = parts
  }

  /** One report to one address; undefined when it must be tried again. */
  async #sendTo(destination: Destination, outgoing: Outgoing, gzipped: Buffer): Promise<SentTo | undefined> {
    const { address, most = Number.POSITIVE_INFINITY } = destination
    const { day, policy, by } = outgoing
    // The day's end, not now: a report sent again is the same message.
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

  /** The report of one domain and day; undefined when it must be tried again. */
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

  /** What is due now, told as it is sent. One domain's trouble is not another's. */
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
        // It is still noted as due, so the next round tries again.
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

  /** Forgets what is old. */
  async sweep(): Promise<void> {
    const oldest = dayOf(this.#parts.clock.now() - this.#parts.keepMs)
    await this.#removeAll(sentBefore(oldest))
    await this.#removeAll(receivedBefore(oldest))
    const useless = dayOf(this.#parts.clock.now() - 2 * GIVE_UP_MS)
    await this.#removeAll(rowsBefore(useless))
    await this.#removeAll(daysBefore(useless))
  }
}
