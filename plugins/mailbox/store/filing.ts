/**
 * Where a message for an account goes unless Mailsort or others say otherwise: INBOX, the mailbox that a subaddress
 * names if it is there, Junk for what a filter has called junk.
 */
import type { Delivery, Recipient } from 'iems'
import type { Account } from '../../directory/static/api.ts'
import type { Filing } from './api.ts'
import { readName } from './names.ts'

export interface ToFile {
  readonly account: Account
  readonly recipient: Recipient
  readonly detail?: string
  readonly delivery: Delivery
}

/** What is filed when nobody has another opinion. */
export async function firstFiling(one: ToFile, exists: (name: string) => Promise<boolean>): Promise<Filing> {
  const isJunk = one.delivery.message.findings.some(({ name, value }) => name === 'junk' && value === true)
  const mailbox = isJunk ? 'Junk' : ((await detailMailbox(one.detail, exists)) ?? 'INBOX')
  return { ...one, into: [{ mailbox, flags: [] }] }
}

/** The sender chooses among mailboxes that are there, and makes none. */
async function detailMailbox(detail: string | undefined, exists: (name: string) => Promise<boolean>) {
  const name = detail === undefined || detail === '' ? undefined : readName(detail)
  return name !== undefined && (await exists(name)) ? name : undefined
}
