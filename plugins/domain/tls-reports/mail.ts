/**
 * The message that carries a report (RFC 8460 section 5.3). Pure.
 *
 * Invariants: the same report makes the same message; every line is short ASCII.
 */
import { base64Lines, ownHeader, rawField } from 'iems/mime'

export interface ReportMail {
  readonly from: string
  readonly organization: string
  readonly to: string
  /** This server, and the domain that the report is about. */
  readonly hostname: string
  readonly domain: string
  readonly id: string
  /** Milliseconds since 1970. */
  readonly begin: number
  readonly end: number
}

export function writeMail(
  { from, organization, to, hostname, domain, id, begin, end }: ReportMail,
  gzipped: Buffer,
): string {
  const boundary = `=_${id.split('@')[0]}`
  const file = `${hostname}!${domain}!${begin / 1000}!${end / 1000}.json.gz`
  const header = ownHeader({
    from: { name: organization, address: from },
    to: [to],
    subject: `Report Domain: ${domain} Submitter: ${hostname} Report-ID: <${id}>`,
    date: end,
    messageId: `<tls.${id.replace('@', `.${domain}@`)}>`,
    auto: 'auto-generated',
    fields: [
      rawField('TLS-Report-Domain', domain),
      rawField('TLS-Report-Submitter', hostname),
      // RFC 8460 section 3: a report is delivered even if TLS fails; RFC 8689 section 5.
      rawField('TLS-Required', 'No'),
    ],
  })
  return [
    `${header}Content-Type: multipart/report; report-type="tlsrpt";`,
    ` boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=us-ascii',
    '',
    `This is a report on TLS (RFC 8460) by ${hostname}`,
    `about connections to servers of ${domain}.`,
    '',
    `--${boundary}`,
    'Content-Type: application/tlsrpt+gzip',
    'Content-Transfer-Encoding: base64',
    'Content-Disposition: attachment;',
    ` filename="${file}"`,
    '',
    `${base64Lines(gzipped)}--${boundary}--`,
    '',
  ].join('\r\n')
}
