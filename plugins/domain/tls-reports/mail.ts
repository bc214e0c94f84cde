/**
 * The message that carries a report (RFC 8460 section 5.3). Pure.
 *
 * Invariants: the same report makes the same message; every line is short ASCII.
 */
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
  const name = organization.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')
  const boundary = `=_${id.split('@')[0]}`
  const file = `${hostname}!${domain}!${begin / 1000}!${end / 1000}.json.gz`
  return [
    `From: "${name}" <${from}>`,
    `To: <${to}>`,
    `Subject: Report Domain: ${domain}`,
    ` Submitter: ${hostname}`,
    ` Report-ID: <${id}>`,
    `Date: ${new Date(end).toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <tls.${id.replace('@', `.${domain}@`)}>`,
    `TLS-Report-Domain: ${domain}`,
    `TLS-Report-Submitter: ${hostname}`,
    // RFC 8460 section 3: a report is delivered even if TLS fails; RFC 8689 section 5.
    'TLS-Required: No',
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type="tlsrpt";`,
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
    ...(gzipped.toString('base64').match(/.{1,76}/g) ?? []),
    `--${boundary}--`,
    '',
  ].join('\r\n')
}
