/**
 * Reports about messages: when one is due, and its text (RFC 3464).
 *
 * Invariants: no report goes to the null sender or to a forged one; NOTIFY is honoured exactly (RFC 3461 section 5.2);
 * quoted content is bounded and cannot break out of its part. This file only produces text; other files commit it.
 */
import { isAscii } from 'node:buffer'
import type { Bounce, Outcome, ReadableMessage } from '../api/hooks.ts'
import { dateText, rawField } from '../mime/compose/fields.ts'
import { ownHeader } from '../mime/compose/message.ts'
import { headerEnd } from '../mime/header-end.ts'
import { addressField, cutLines, diagnosticField, fitsLines, printable, statusField } from './report-text.ts'

export type ReportKind = Bounce['kind']

/**
 * Texts that an administrator may replace or translate; `{recipients}`, `{hostname}`, `{age}` and `{until}` are filled
 * in.
 */
export interface ReportText {
  readonly subject: string
  readonly text: string
}

export const REPORT_TEXTS: Readonly<Record<ReportKind, ReportText>> = {
  failure: {
    subject: 'Undelivered: {subject}',
    text: 'This is the mail system at {hostname}.\n\nYour message could not be delivered to:\n\n{recipients}\n\nIt will not be tried again. What the other side said stands above; if it is not\nclear to you, ask the administrator there, or yours and show this report.\n',
  },
  delay: {
    subject: 'Delayed: {subject}',
    text: 'This is the mail system at {hostname}.\n\nYour message has been waiting for {age} and is not delivered yet to:\n\n{recipients}\n\nYou need not send it again: it is tried until {until}, and you will hear if that fails.\n',
  },
  success: {
    subject: 'Delivered: {subject}',
    text: 'This is the mail system at {hostname}.\n\nYour message was delivered as you asked to be told:\n\n{recipients}\n',
  },
}

/** Whether the sender requested this kind of report for this recipient. */
export function wantsReport(kind: ReportKind, { recipient: { notify }, handover }: Outcome): boolean {
  if (notify?.includes('NEVER')) return false
  if (kind === 'failure') return notify === undefined || notify.includes('FAILURE')
  if (kind === 'delay') return notify === undefined || notify.includes('DELAY')
  return notify?.includes('SUCCESS') === true && handover !== 'reported'
}

/** Fills in each `{name}` of a text; unknown names stay. */
export function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole)
}

/** `3 days`, `4 hours`, `20 minutes`. */
export function ageText(ms: number): string {
  const [size, unit] =
    ms >= 2 * 86_400_000 ? [86_400_000, 'days'] : ms >= 2 * 3_600_000 ? [3_600_000, 'hours'] : [60_000, 'minutes']
  return `${Math.round(ms / size)} ${unit}`
}

const MAX_SUBJECT = 900

const ACTIONS = { failure: 'failed', delay: 'delayed' } as const

export interface ReportFacts {
  readonly id: string
  readonly hostname: string
  /** When the message arrived and when it is given up, ms since 1970. */
  readonly arrived: number
  readonly until: number
  readonly now: number
  /** The returned content, already read: the whole message or its header. */
  readonly returned: { readonly bytes: Uint8Array; readonly whole: boolean }
  readonly utf8: boolean
  readonly envid?: string | undefined
}

const date = (ms: number) => dateText({ at: ms })

function recipientFields(kind: ReportKind, outcome: Outcome, { utf8, until, now }: ReportFacts): string {
  const { recipient, reply, remote, handover } = outcome
  const [, orcptType = 'rfc822', orcpt = ''] = /^([A-Za-z0-9-]{1,40});([\s\S]*)$/.exec(recipient.orcpt ?? '') ?? []
  const action = kind === 'success' ? (handover === 'relayed' ? 'relayed' : 'delivered') : ACTIONS[kind]
  return [
    orcpt === '' ? '' : addressField('Original-Recipient', orcptType, orcpt, utf8),
    addressField('Final-Recipient', 'rfc822', recipient.address, utf8),
    statusField('Action', action),
    statusField('Status', reply.enhanced),
    remote === undefined ? '' : statusField('Remote-MTA', `dns;${remote.split(' ')[0]}`),
    diagnosticField(reply),
    statusField('Last-Attempt-Date', date(now)),
    kind === 'delay' ? statusField('Will-Retry-Until', date(until)) : '',
  ].join('')
}

/** The complete report message with CRLF line endings. */
export function writeReport(bounce: Bounce, facts: ReportFacts): Buffer {
  const { message, to, kind, about, subject, text } = bounce
  const { id, hostname, utf8 } = facts
  const returned = returnable(facts.returned)
  const boundary = `=_${id}`
  const reference = /<[!-;=?-~]{1,900}>/.exec(message.headers.get('message-id')[0] ?? '')?.[0]
  const header = [
    ownHeader({
      from: { name: 'Mail Delivery System', address: `MAILER-DAEMON@${hostname}` },
      to: [to],
      subject: printable(subject, true).replace(/\s+/g, ' ').slice(0, MAX_SUBJECT),
      date: facts.now,
      messageId: `<${id}@${hostname}>`,
      auto: 'auto-replied',
      fields: reference ? [rawField('References', reference)] : [],
    }),
    `Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="${boundary}"\r\n`,
  ].join('')
  const words = Buffer.from(
    text
      .split(/\r\n|\r|\n/)
      .map((line) => printable(line, true))
      .join('\r\n'),
  )
  const plain = isAscii(words) && fitsLines(words)
  const status = [
    facts.envid === undefined ? '' : statusField('Original-Envelope-Id', facts.envid),
    statusField('Reporting-MTA', `dns;${hostname}`),
    statusField('Arrival-Date', date(facts.arrived)),
    ...about.map((outcome) => `\r\n${recipientFields(kind, outcome, facts)}`),
  ].join('')
  const statusType = utf8 ? 'message/global-delivery-status' : 'message/delivery-status'
  const returnedType = returned.whole
    ? utf8
      ? 'message/global'
      : 'message/rfc822'
    : utf8
      ? 'message/global-headers'
      : 'text/rfc822-headers'
  const eightBit = isAscii(returned.bytes) ? '' : EIGHT_BIT
  const statusBits = isAscii(Buffer.from(status)) ? '' : EIGHT_BIT
  return Buffer.concat([
    Buffer.from(`${header}${eightBit || statusBits}\r\nThis is a report in MIME format.\r\n`),
    part(
      boundary,
      `Content-Type: text/plain; charset=${isAscii(words) ? 'us-ascii' : 'utf-8'}\r\n${plain ? '' : 'Content-Transfer-Encoding: base64\r\n'}`,
    ),
    plain ? words : Buffer.from(`${words.toString('base64').replace(/.{76}/g, '$&\r\n')}\r\n`),
    part(boundary, `Content-Type: ${statusType}\r\n${statusBits}`),
    Buffer.from(status),
    part(boundary, `Content-Type: ${returnedType}\r\n${eightBit}`),
    returned.bytes,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ])
}

const EIGHT_BIT = 'Content-Transfer-Encoding: 8bit\r\n'

/** The content as it is, when it fits into a message without an encoding; else its header. */
function returnable({ bytes, whole }: ReportFacts['returned']): ReportFacts['returned'] {
  if (fitsLines(bytes)) return { bytes, whole }
  return { bytes: cutLines(bytes.subarray(0, headerEnd(bytes))), whole: false }
}

function part(boundary: string, fields: string): Buffer {
  return Buffer.from(`\r\n--${boundary}\r\n${fields}\r\n`)
}

/** The reason for not sending a report; undefined when it may be sent. */
export function whyNoReport({
  from,
  findings,
}: Pick<ReadableMessage, 'from' | 'findings'>): 'null sender' | 'forged sender' | undefined {
  if (from === '') return 'null sender'
  return findings.some(({ name, value }) => name === 'sender' && value === 'forged') ? 'forged sender' : undefined
}
