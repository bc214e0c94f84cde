/**
 * The message that carries an aggregate report (RFC 9990 section 3.5): a line for people and the gzipped XML.
 *
 * Invariant: the same report makes the same message, so that a repeated one is recognized.
 */
import { gzipSync } from 'node:zlib'
import { reportMail } from 'iems/mime'
import { type Outgoing, writeFeedback } from './feedback.ts'
import { secondsOf } from './records.ts'

export interface ReportMail extends Outgoing {
  /** The reporting domain. */
  readonly hostname: string
  readonly to: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** The compressed report, equal for all destinations. */
export function compress(outgoing: Outgoing): Buffer {
  return gzipSync(writeFeedback(outgoing))
}

export function writeReportMail({ id, day, policy, by, hostname, to, at }: Omit<ReportMail, 'rows'>, gzipped: Buffer) {
  const { begin, end } = secondsOf(day)
  return reportMail({
    from: { name: by.organization, address: by.email },
    to: [to],
    subject: `Report Domain: ${policy.domain} Submitter: ${hostname} Report-ID: <${id}>`,
    date: at,
    messageId: `<${id}.${policy.domain}@${hostname}>`,
    subtype: 'mixed',
    boundary: id,
    text: `This is an aggregate report (DMARC, RFC 9990) by ${hostname} about messages\nfrom ${policy.domain} on ${day}, UTC.`,
    file: {
      name: `${hostname}!${policy.domain}!${begin}!${end}!${id}.xml.gz`,
      type: 'application/gzip',
      gzipped,
    },
  })
}
