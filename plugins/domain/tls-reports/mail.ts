/**
 * The message that carries a report (RFC 8460 section 5.3). Pure.
 */
import { rawField, reportMail } from 'iems/mime'

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
  return reportMail({
    from: { name: organization, address: from },
    to: [to],
    subject: `Report Domain: ${domain} Submitter: ${hostname} Report-ID: <${id}>`,
    date: end,
    messageId: `<tls.${id.replace('@', `.${domain}@`)}>`,
    fields: [
      rawField('TLS-Report-Domain', domain),
      rawField('TLS-Report-Submitter', hostname),
      // RFC 8460 section 3: a report is delivered even if TLS fails; RFC 8689 section 5.
      rawField('TLS-Required', 'No'),
    ],
    subtype: 'report; report-type="tlsrpt"',
    boundary: id.split('@')[0] as string,
    text: `This is a report on TLS (RFC 8460) by ${hostname}\nabout connections to servers of ${domain}.`,
    file: {
      name: `${hostname}!${domain}!${begin / 1000}!${end / 1000}.json.gz`,
      type: 'application/tlsrpt+gzip',
      gzipped,
    },
  })
}
