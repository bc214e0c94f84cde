/**
 * The header of a message that this server writes by itself: reports, replies, notices.
 *
 * Invariant: every such message says that no person wrote it (RFC 3834), so that automatic systems do not answer each
 * other.
 */
import { addressField, dateText, type Mailbox, rawField, textField } from './fields.ts'

export interface OwnHeader {
  /** An address, or a mailbox with a display name. */
  readonly from: string | Mailbox
  readonly to: readonly string[]
  readonly subject: string
  /** Ms since 1970. */
  readonly date: number
  /** With its angle brackets. */
  readonly messageId: string
  /** RFC 3834 section 5: `auto-generated` for a message of its own, `auto-replied` for an answer. */
  readonly auto: `auto-${'generated' | 'replied' | 'notified'}${string}`
  /** Further fields, complete lines as `textField` and its like return them. */
  readonly fields?: readonly string[]
}

/** The fields up to MIME-Version, each with its line end. Content fields and the blank line follow. */
export function ownHeader({ from, to, subject, date, messageId, auto, fields = [] }: OwnHeader): string {
  const sender = typeof from === 'string' ? { name: '', address: from } : from
  return [
    addressField('From', [sender]),
    addressField(
      'To',
      to.map((address) => ({ name: '', address })),
    ),
    textField('Subject', subject) || 'Subject:\r\n',
    `Date: ${dateText({ at: date })}\r\n`,
    rawField('Message-ID', messageId),
    rawField('Auto-Submitted', auto),
    ...fields,
    'MIME-Version: 1.0\r\n',
  ].join('')
}
