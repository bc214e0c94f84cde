/**
 * Delivery status of a sent message: its submission's status for each recipient.
 */
import type { Json } from './client.ts'
import type { MailStore } from './mail-store.ts'

export interface Delivery {
  readonly address: string
  readonly state: 'queued' | 'yes' | 'no' | 'unknown'
  /** The last server's own reply. */
  readonly reply: string
}

/** Undefined for a message that was not sent from here, or whose sending was taken back. */
export async function deliveryOf(store: MailStore, emailId: string): Promise<readonly Delivery[] | undefined> {
  const [, got] = await store.client.call(
    ['EmailSubmission/query', { filter: { emailIds: [emailId] } }],
    ['EmailSubmission/get', { '#ids': { resultOf: 'c0', name: 'EmailSubmission/query', path: '/ids' } }],
  )
  const submissions = (got?.list ?? []) as Json[]
  const submission = submissions.find(({ undoStatus }) => undoStatus !== 'canceled')
  const status = submission?.deliveryStatus as Readonly<Record<string, Json>> | null | undefined
  if (!status) return undefined
  return Object.entries(status).map(([address, { delivered, smtpReply }]) => ({
    address,
    state: delivered,
    reply: smtpReply,
  }))
}
