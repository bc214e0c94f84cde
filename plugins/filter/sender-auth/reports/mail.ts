/**
 * The message that carries an aggregate report (RFC 9990 section 3.5): a line for people and the gzipped XML.
 *
 * Invariants: the same report makes the same message, so that a repeated one is recognized; every line is short ASCII.
 */
import { gzipSync } from 'node:zlib'
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
  const name = by.organization.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')
  return [
    `From: "${name}" <${by.email}>`,
    `To: <${to}>`,
    `Subject: Report Domain: ${policy.domain}`,
    ` Submitter: ${hostname}`,
    ` Report-ID: <${id}>`,
    `Date: ${new Date(at).toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${id}.${policy.domain}@${hostname}>`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
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
    ...(gzipped.toString('base64').match(/.{1,76}/g) ?? []),
    `--${boundary}--`,
    '',
  ].join('\r\n')
}
