/**
 * Emails of a whole account, each once: what the entries of all its mailboxes say together.
 */
import { Pace } from 'iems'
import type { AccountEmail, Entry, Mailbox, MailboxRef, Place, Uids } from '../api.ts'
import type { Candidate } from './conditions.ts'

export interface CollectDeps {
  mailboxes(account: string): Promise<readonly Mailbox[]>
  entries(mailbox: MailboxRef, uids: Uids): AsyncIterable<Entry>
}

const ALL: Uids = [[1, 4_294_967_295]]

/** Every email of an account by its id. */
export async function collectEmails(
  { mailboxes, entries }: CollectDeps,
  { account, signal }: { readonly account: string; readonly signal?: AbortSignal | undefined },
): Promise<ReadonlyMap<string, AccountEmail>> {
  const emails = new Map<string, AccountEmail>()
  const pace = new Pace()
  for (const mailbox of await mailboxes(account)) {
    if (mailbox.noSelect) continue
    for await (const entry of entries(mailbox, ALL)) {
      const turn = pace.due()
      if (turn) await turn
      signal?.throwIfAborted()
      const place = { mailbox: mailbox.id, entry }
      const before = emails.get(entry.email)
      emails.set(entry.email, before ? merge(before, place) : emailOf(place))
    }
  }
  return emails
}

export interface PlacedEntry {
  readonly mailbox: string
  readonly entry: Entry
}

/** The email that entries of one email are; undefined for none. */
export function mergeEntries(entries: readonly PlacedEntry[]): AccountEmail | undefined {
  const [first, ...others] = entries
  return first && others.reduce(merge, emailOf(first))
}

/** An email as conditions test it. */
export function candidateOf(of: AccountEmail) {
  const { id: email, places, thread, flags, modseq, received, saved, size } = of
  const mailboxes = places.map(({ mailbox }) => mailbox)
  return { email, mailboxes, thread, flags, modseq, received, saved, size, of } satisfies Candidate & {
    of: AccountEmail
  }
}

/** RFC 8621 section 4.1.1. */
const keywordOf = (flag: string) => (flag.startsWith('\\') ? `$${flag.slice(1).toLowerCase()}` : flag)

const flagName = (flag: string) => (flag.startsWith('\\') ? flag : flag.toLowerCase())

function emailOf({ mailbox, entry }: PlacedEntry): AccountEmail {
  const { uid, email, thread, flags, received, saved, size, modseq } = entry
  const place: Place = { mailbox, uid }
  const own = flags.filter((flag) => flag !== '\\Deleted').map(flagName)
  const keywords = own.map(keywordOf)
  return { id: email, thread, places: [place], received, saved, size, modseq, flags: own, keywords }
}

function merge(email: AccountEmail, placed: PlacedEntry): AccountEmail {
  const other = emailOf(placed)
  const flags = new Set([...email.flags, ...other.flags])
  if (!(email.flags.includes('\\Seen') && other.flags.includes('\\Seen'))) flags.delete('\\Seen')
  return {
    ...email,
    places: [...email.places, ...other.places],
    flags: [...flags],
    keywords: [...flags].map(keywordOf),
    received: Math.min(email.received, other.received),
    saved: Math.min(email.saved, other.saved),
    modseq: Math.max(email.modseq, other.modseq),
  }
}
