/**
 * The envelope of a message as in IMAP (RFC 9051 section 7.5.2), from its header.
 */
import { type EnvelopeAddress, readAddresses } from './addresses.ts'
import type { Fields } from './header.ts'

export interface Envelope {
  readonly date?: string
  readonly subject?: string
  readonly from: readonly EnvelopeAddress[]
  readonly sender: readonly EnvelopeAddress[]
  readonly replyTo: readonly EnvelopeAddress[]
  readonly to: readonly EnvelopeAddress[]
  readonly cc: readonly EnvelopeAddress[]
  readonly bcc: readonly EnvelopeAddress[]
  readonly inReplyTo?: string
  readonly messageId?: string
}

export function envelopeOf(fields: Fields): Envelope {
  const texts = {
    date: fields.last('date'),
    subject: fields.last('subject'),
    inReplyTo: fields.last('in-reply-to'),
    messageId: fields.last('message-id'),
  }
  const addresses = (name: string) => readAddresses(fields.all(name).join(', '))
  return {
    ...Object.fromEntries(
      Object.entries(texts).flatMap(([name, text]) => (text === undefined ? [] : [[name, text.replaceAll('\t', ' ')]])),
    ),
    from: addresses('from'),
    sender: addresses('sender'),
    replyTo: addresses('reply-to'),
    to: addresses('to'),
    cc: addresses('cc'),
    bcc: addresses('bcc'),
  }
}
