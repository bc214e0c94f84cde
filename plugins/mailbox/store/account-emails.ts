/**
 * Emails of an account with all their places: read by id and by thread, and flagged as one.
 */
import { type Store, unkey } from 'iems'
import { type Change, type ChangeAccount, isRefused } from './account-transactions.ts'
import type { AccountEmail, FlagChange, Or } from './api.ts'
import { flagBatch } from './flagging.ts'
import { refused } from './mailbox.ts'
import { mergeEntries, type PlacedEntry } from './query/account-emails.ts'
import { decode, type EntryRecord, emailsOfThread, entryKey, heldBy, mailboxKey, readEmailId } from './records.ts'

export interface AccountEmailsDeps {
  readonly store: Store
  readonly changeAccount: ChangeAccount
  /** Different keywords of one mailbox. */
  readonly maxKeywords: number
}

/** Emails that are read at the same time. */
const TOGETHER = 20
const NO_EMAIL = refused('NONEXISTENT', 'There is no such email')

export function createAccountEmails({ store, changeAccount, maxKeywords }: AccountEmailsDeps) {
  /** The places that hold an email: expunged entries and those of removed mailboxes do not count. */
  async function placesOf(account: string, id: string): Promise<readonly PlacedEntry[]> {
    const { base, tag } = readEmailId(id)
    const placed: PlacedEntry[] = []
    for await (const [at] of store.scan(heldBy(base, tag, account))) {
      const [, , , , mailbox, uid] = unkey(at) as [string, string, string, string, string, number]
      const [value, box] = await Promise.all([
        store.get(entryKey(mailbox, uid)),
        store.get(mailboxKey(account, mailbox)),
      ])
      if (value && box) placed.push({ mailbox, entry: { uid, ...decode<EntryRecord>(value) } })
    }
    return placed
  }

  async function* emails(account: string, ids: readonly string[]): AsyncGenerator<AccountEmail> {
    for (let start = 0; start < ids.length; start += TOGETHER) {
      const placed = await Promise.all(ids.slice(start, start + TOGETHER).map((id) => placesOf(account, id)))
      for (const entries of placed) {
        const email = mergeEntries(entries)
        if (email) yield email
      }
    }
  }

  async function thread(account: string, wanted: string): Promise<readonly AccountEmail[]> {
    const ids: string[] = []
    for await (const [at] of store.scan(emailsOfThread(account, wanted))) ids.push(unkey(at)[3] as string)
    const found = await Array.fromAsync(emails(account, ids))
    return found.sort((a, b) => a.received - b.received || (a.id < b.id ? -1 : 1))
  }

  async function setEmailFlags(account: string, id: string, { flags, ...how }: FlagChange): Or<AccountEmail> {
    const flagChange: FlagChange = { ...how, flags: flags.map(flagOf) }
    const places = await placesOf(account, id)
    if (places.length === 0) return NO_EMAIL
    const done = await changeAccount(account, async (change) => {
      for (const place of places) {
        const flagged = await flagPlace(change, account, { place, flagChange, maxKeywords })
        if (isRefused(flagged)) return flagged
      }
      return null
    })
    if (isRefused(done)) return done
    return mergeEntries(await placesOf(account, id)) ?? NO_EMAIL
  }

  return { emails, thread, setEmailFlags }
}

interface Flagging {
  readonly place: PlacedEntry
  readonly flagChange: FlagChange
  readonly maxKeywords: number
}

function flagPlace(change: Change, account: string, { place, flagChange, maxKeywords }: Flagging) {
  const { mailbox, entry } = place
  // \Deleted belongs to the place: a change of the email leaves it.
  const isDeleted = flagChange.how === 'set' && entry.flags.includes('\\Deleted')
  const flags = isDeleted ? [...flagChange.flags, '\\Deleted'] : flagChange.flags
  return flagBatch(change, {
    ref: { account, id: mailbox },
    uids: [[entry.uid, entry.uid]],
    flagChange: { ...flagChange, flags },
    maxKeywords,
  })
}

const SYSTEM = ['answered', 'flagged', 'seen', 'draft']

/** A JMAP keyword (RFC 8621 section 4.1.1) as the flag that it is. */
function flagOf(flag: string): string {
  const name = flag.toLowerCase()
  return name.startsWith('$') && SYSTEM.includes(name.slice(1)) ? `\\${name.slice(1)}` : flag
}
