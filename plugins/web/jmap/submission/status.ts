/**
 * The delivery status of each recipient (RFC 8621 section 7), from the message's trace.
 */
import type { Queue } from 'iems'
import type { Envelope } from './records.ts'

type MessageTrace = NonNullable<Awaited<ReturnType<Queue['trace']>>>

interface Status {
  readonly smtpReply: string
  readonly delivered: 'queued' | 'yes' | 'no' | 'unknown'
  readonly displayed: 'unknown'
}

const QUEUED: Status = { smtpReply: '250 2.0.0 Queued', delivered: 'queued', displayed: 'unknown' }

/** Null when nothing is known of the message any more. */
export function deliveryStatus(
  trace: MessageTrace | undefined,
  { rcptTo }: Envelope,
): Readonly<Record<string, Status>> | null {
  if (!trace) return null
  const fates = new Map<string, Status>()
  for (const { attempts } of trace.deliveries)
    for (const { fates: results } of attempts)
      for (const { address, status, reply } of results) fates.set(address.toLowerCase(), statusOf(status, reply))
  // An alias or a list expands to other recipients; their status represents the address.
  const byOriginal = new Map(
    trace.recipients.map(({ original, address }) => [original.toLowerCase(), address.toLowerCase()]),
  )
  return Object.fromEntries(
    rcptTo.map(({ email }) => {
      const address = email.toLowerCase()
      return [email, fates.get(address) ?? fates.get(byOriginal.get(address) ?? '') ?? QUEUED]
    }),
  )
}

function statusOf(status: string, reply: string): Status {
  if (status === 'delivered') return { smtpReply: reply, delivered: 'yes', displayed: 'unknown' }
  if (status === 'deferred') return { smtpReply: reply, delivered: 'queued', displayed: 'unknown' }
  return { smtpReply: reply, delivered: 'no', displayed: 'unknown' }
}
