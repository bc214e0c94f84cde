/**
 * The message that carries an aggregate report (RFC 9990 section 3.5): a line for people and the gzipped XML.
 *
 * Invariants: the same report makes the same message, so that a repeated one is recognized; every line is short ASCII.
 */
import { gzipSync } from 'node:zlib'
import { base64Lines, ownHeader } from 'iems/mime'
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
  const file = `${hostname}!${policy.domain}!${begin}!${end}!${id}.xml.gz`
  const boundary = `=_${id}`
  const header = ownHeader({
    from: { name: by.organization, address: by.email },
    to: [to],
    subject: `Report Domain: ${policy.domain} Submitter: ${hostname} Report-ID: <${id}>`,
    date: at,
    messageId: `<${id}.${policy.domain}@${hostname}>`,
    auto: 'auto-generated',
  })
  return [
    `${header}Content-Type: multipart/mixed; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=us-ascii',
    '',
    `This is an aggregate report (DMARC, RFC 9990) by ${hostname} about messages`,
    `from ${policy.domain} on ${day}, UTC.`,
    '',
    `--${boundary}`,
    'Content-Type: application/gzip',
    `Content-Disposition: attachment; filename="${file}"`,
    'Content-Transfer-Encoding: base64',
    '',
    `${base64Lines(gzipped)}--${boundary}--`,
    '',
  ].join('\r\n')
}
