/**
 * The message that carries a report for programs: some lines for people, and the report as a gzipped file.
 *
 * Invariants: the same report makes the same message; every line is short ASCII.
 */
import { base64Lines } from '../rewrite/encode.ts'
import { type OwnHeader, ownHeader } from './message.ts'

export interface ReportMail extends Omit<OwnHeader, 'auto'> {
  /** Below `multipart/`, with its parameters: `mixed`, `report; report-type="tlsrpt"`. */
  readonly subtype: string
  /** Unique to the report; letters and digits. */
  readonly boundary: string
  /** ASCII, with LF or CRLF. */
  readonly text: string
  readonly file: { readonly name: string; readonly type: string; readonly gzipped: Buffer }
}

export function reportMail({ subtype, boundary, text, file, ...header }: ReportMail): string {
  return [
    `${ownHeader({ ...header, auto: 'auto-generated' })}Content-Type: multipart/${subtype};`,
    ` boundary="=_${boundary}"`,
    '',
    `--=_${boundary}`,
    'Content-Type: text/plain; charset=us-ascii',
    '',
    ...text.split(/\r?\n/),
    '',
    `--=_${boundary}`,
    `Content-Type: ${file.type}`,
    'Content-Disposition: attachment;',
    ` filename="${file.name}"`,
    'Content-Transfer-Encoding: base64',
    '',
    `${base64Lines(file.gzipped)}--=_${boundary}--`,
    '',
  ].join('\r\n')
}
