/**
 * The attachments that take most, of the largest mailboxes.
 *
 * Invariants: memory holds the rows that are shown; how many entries are looked at, and how many messages are read for
 * their parts, has a bound. An attachment in several mailboxes is one row.
 */
import { attachmentName, type MimePart } from 'iems/mime'
import type { Email, Entry, MailboxRef, MailStoreApi } from '../../store/api.ts'
import { Top } from './top.ts'

export interface AttachmentRow {
  readonly name: string
  readonly type: string
  /** Octets as they are stored, encoded. */
  readonly octets: number
  readonly account: string
  readonly mailbox: string
}

export interface Searched {
  readonly ref: MailboxRef
  readonly account: string
  readonly name: string
}

/** Entries of all mailboxes together. */
const MAX_ENTRIES = 50_000
/** Messages whose parts are read, for each row that is shown. */
const READ_FOR_ROW = 3

interface Found {
  readonly entry: Entry
  readonly of: Searched
}

export async function largestAttachments(
  mail: Pick<MailStoreApi, 'open' | 'entries' | 'email'>,
  mailboxes: readonly Searched[],
  rows: number,
): Promise<readonly AttachmentRow[]> {
  const messages = new Top<Found>(rows * READ_FOR_ROW, ({ entry }) => entry.size)
  const known = new Set<string>()
  let left = MAX_ENTRIES
  for (const of of mailboxes) {
    const opened = await mail.open(of.ref)
    if ('refused' in opened) continue
    for await (const entry of mail.entries(of.ref, opened.uids)) {
      if (left-- <= 0) break
      const base = entry.email.slice(0, entry.email.lastIndexOf('-'))
      if (known.has(base)) continue
      if (messages.takes(entry.size)) known.add(base)
      messages.add({ entry, of })
    }
  }
  const found = new Top<AttachmentRow>(rows, ({ octets }) => octets)
  for (const { entry, of } of messages.rows()) {
    if (!found.takes(entry.size)) break
    const email = await mail.email(entry.email)
    if (email) for (const row of await attachmentsOf(email, of)) found.add(row)
  }
  return found.rows()
}

async function attachmentsOf(email: Email, { account, name: mailbox }: Searched): Promise<readonly AttachmentRow[]> {
  const found: AttachmentRow[] = []
  const stack: MimePart[] = [await email.structure()]
  for (let part = stack.pop(); part; part = stack.pop()) {
    stack.push(...(part.parts ?? []))
    const name = attachmentName(part)
    if (part.parts || (name === undefined && part.disposition?.type !== 'attachment')) continue
    found.push({
      ...{ name: name ?? '', type: `${part.type}/${part.subtype}`, octets: part.end - part.body },
      ...{ account, mailbox },
    })
  }
  return found
}
