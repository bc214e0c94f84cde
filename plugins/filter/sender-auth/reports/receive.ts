/**
 * Received aggregate reports: found in messages to the configured address, parsed, and stored for display.
 *
 * Invariants: the message is delivered normally, whatever the report contains; a flood of reports fills neither the
 * store (limited per day) nor memory (limited expansion).
 */
import type { Clock, Log, ReadableMessage, Store } from 'iems'
import { expandReport } from './expand.ts'
import { type ReceivedReport, readFeedback } from './feedback.ts'
import { dayOf, encode, hashOf, receivedKey, receivedOn } from './records.ts'

export interface ReceiveDeps {
  readonly store: Store
  readonly log: Log
  readonly clock: Clock
  readonly addresses: readonly string[]
  /** Maximum octets of an expanded report. */
  readonly maxSize: number
  readonly perDay: number
  readonly rows: number
}

/** A stored report. */
export interface KeptReport extends ReceivedReport {
  /** Milliseconds since 1970. */
  readonly receivedAt: number
  readonly message: string
  /** DMARC result of the message with the report, because anyone can send reports. */
  readonly dmarc: string
}

/** Maximum attachments per message. */
const MAX_ATTACHMENTS = 5

export function createReceiveReports({ store, log, clock, addresses, maxSize, perDay, rows }: ReceiveDeps) {
  const wanted = new Set(addresses.map((address) => address.toLowerCase()))

  async function keep(report: ReceivedReport, message: ReadableMessage): Promise<void> {
    const day = dayOf(clock.now())
    let today = 0
    for await (const _ of store.scan({ ...receivedOn(day), limit: perDay })) today++
    if (today >= perDay) return log.warn('DMARC report not kept: too many today', { organization: report.organization })
    const dmarc = message.findings.find(({ name }) => name === 'dmarc')?.value ?? 'none'
    const kept: KeptReport = { ...report, receivedAt: clock.now(), message: message.id, dmarc: `${dmarc}` }
    // A repeated report has the same record.
    const key = receivedKey(day, hashOf(report.organization, report.domain, report.id))
    await store.commit([{ put: key, value: encode(kept) }])
    const { organization, domain, messages, passed } = report
    log.info('DMARC report received', { organization, domain, messages, passed })
  }

  /** Stores the reports in a message to the configured address. */
  return async function receiveReports(message: ReadableMessage): Promise<void> {
    const isWanted = message.recipients.some(
      ({ address, original }) => wanted.has(address.toLowerCase()) || wanted.has(original.toLowerCase()),
    )
    if (!isWanted) return
    const parsed = await message.parse()
    for (const { content } of (parsed?.attachments ?? []).slice(0, MAX_ATTACHMENTS)) {
      try {
        const xml = await expandReport(content, maxSize)
        if (xml !== undefined) await keep(await readFeedback(xml, rows), message)
      } catch (cause) {
        // The message itself is delivered, so a person can read it.
        log.warn('DMARC report not understood', { message: message.id, cause })
      }
    }
  }
}
