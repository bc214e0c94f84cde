/**
 * Notifications by mail (RFC 5436).
 *
 * Invariant: no notification is about a message that was sent automatically, so that none causes another.
 */

import { rawField } from 'iems/mime'
import { oneLine, writeLetter } from './letters.ts'
import type { Sending } from './sending.ts'
import type { Notification } from './sieve/index.ts'
import { senderOf } from './vacation.ts'

/** Addresses of one notification. */
const MAX_RECIPIENTS = 10

interface Mailto {
  readonly to: readonly string[]
  readonly subject: string | undefined
  readonly body: string | undefined
}

function readMailto(uri: string): Mailto {
  const [, path = '', query = ''] = /^mailto:([^?]*)(?:\?(.*))?$/is.exec(uri) ?? []
  const parameters = new URLSearchParams(query.replaceAll('+', '%2B'))
  const named = new Map([...parameters].map(([name, value]) => [name.toLowerCase(), value]))
  const to = [...path.split(',').map(decodeURIComponent), ...(named.get('to') ?? '').split(',')]
  return {
    to: to
      .map((one) => one.trim())
      .filter((one) => one !== '')
      .slice(0, MAX_RECIPIENTS),
    subject: named.get('subject'),
    body: named.get('body'),
  }
}

/** Sends a notification. Answers why not. */
export async function notify(sending: Sending, action: Notification, index: string): Promise<string | undefined> {
  const { message, options, now } = sending
  if (!options.notify) return 'notifications are turned off'
  const automatic = message.fields.get('auto-submitted')
  if (automatic !== undefined && !/^no\b/i.test(automatic)) return 'the message was sent automatically'
  const from = await senderOf(sending, action.from)
  if (from === undefined) return 'the owner may not send from that address'
  const { to, subject, body } = readMailto(action.method)
  const about = `${oneLine(message.decoded('from')[0] ?? '')}: ${oneLine(message.decoded('subject')[0] ?? '')}`
  const content = writeLetter({
    ...{
      from,
      to,
      subject: action.message ?? subject ?? `New message from ${about}`,
      date: now(),
      text: body ?? action.message ?? about,
    },
    messageId: sending.messageId(`notify-${index}`),
    auto: `auto-notified; owner-email="${sending.account.addresses[0] ?? ''}"`,
    fields: [rawField('X-Priority', { 1: '1 (High)', 2: '3 (Normal)', 3: '5 (Low)' }[action.importance])],
  })
  await sending.send({ to, content, key: `notify ${index}`, copyTo: action.copyTo })
  return undefined
}
