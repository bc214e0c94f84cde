/**
 * Reports (RFC 3464) about transactions that were refused, where no acknowledgement can take them to the other side.
 *
 * Invariants: a report is never about a report, and never goes to a sender that asked for none.
 */
import { randomUUID } from 'node:crypto'
import type { Reply, SetupContext } from 'iems'
import { ownHeader } from 'iems/mime'
import type { ReadTransaction } from './batch-reader.ts'
import type { Refused } from './manifest.ts'

export type Reporting = (transaction: ReadTransaction, refused: readonly Refused[]) => Promise<void>

/** Recipients in one report. */
const MAX_LISTED = 1000

export function createReporting({
  hostname,
  submit,
  clock,
  log,
}: Pick<SetupContext, 'hostname' | 'submit' | 'clock' | 'log'>): Reporting {
  return async ({ from, recipients, parameters }, refused) => {
    const failed = refused.flatMap(({ address, reply }) =>
      address === ''
        ? recipients.map((one) => ({ ...one, reply }))
        : [{ ...recipients.find((one) => one.address === address), address, reply }],
    )
    const failures = failed.filter(({ notify }) => !notify || notify.includes('FAILURE')).slice(0, MAX_LISTED)
    if (from === '' || failures.length === 0) return
    const content = reportOf({ hostname, to: from, envid: parameters.envid, failed: failures, at: clock.now() })
    const { reply } = await submit({ from: '', to: [from], content })
    if (reply.code >= 300) log.warn('a report about a batch was refused', { to: from, reply: reply.text })
  }
}

interface Report {
  readonly hostname: string
  readonly to: string
  readonly envid: string | undefined
  readonly at: number
  readonly failed: readonly { readonly address: string; readonly orcpt?: string; readonly reply: Reply }[]
}

function reportOf({ hostname, to, envid, failed, at }: Report): string {
  const boundary = randomUUID()
  const plain = (text: string) => text.replace(/[^\x20-\x7e]+/g, '?')
  const header = ownHeader({
    from: { name: 'Mail Delivery System', address: `MAILER-DAEMON@${hostname}` },
    to: [to],
    subject: 'Undelivered mail from a batch',
    date: at,
    messageId: `<${randomUUID()}@${hostname}>`,
    auto: 'auto-replied',
  })
  const lines = [
    `${header}Content-Type: multipart/report; report-type=delivery-status; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=us-ascii',
    '',
    'A message that came in a batch could not be delivered to:',
    '',
    ...failed.map(({ address, reply }) => plain(`  ${address}: ${reply.code} ${reply.text}`)),
    '',
    `--${boundary}`,
    'Content-Type: message/delivery-status',
    '',
    `Reporting-MTA: dns; ${hostname}`,
    ...(envid === undefined ? [] : [`Original-Envelope-Id: ${plain(envid)}`]),
    '',
    ...failed.flatMap(({ address, orcpt, reply }) => [
      ...(orcpt === undefined ? [] : [`Original-Recipient: ${plain(orcpt)}`]),
      `Final-Recipient: rfc822; ${plain(address)}`,
      'Action: failed',
      `Status: ${reply.enhanced.replace(/^\d/, '5')}`,
      `Diagnostic-Code: smtp; ${plain(`${reply.code} ${reply.enhanced} ${reply.text}`)}`,
      '',
    ]),
    `--${boundary}--`,
    '',
  ]
  return lines.join('\r\n')
}
