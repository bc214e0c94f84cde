/**
 * The mailboxes that a plan for filing means, found or made within the change that files the message.
 */

import { type Store, unkey } from 'iems'
import type { Change } from './account-transactions.ts'
import type { FiledContent, MailboxChoice, MailboxRef } from './api.ts'
import { type FiledPlace, INBOX } from './filing.ts'
import { readFlags } from './flags.ts'
import { readMailbox } from './mailbox.ts'
import { isNewName, readName } from './names.ts'
import { ensureMailbox } from './new-mailboxes.ts'
import { decode, type MailboxRecord, mailboxesOf, nameKey } from './records.ts'

export interface FoundPlace {
  readonly ref: MailboxRef
  readonly flags: readonly string[]
  readonly content: FiledContent | undefined
}

interface Account {
  readonly store: Store
  readonly account: string
  readonly now: number
}

/**
 * Each mailbox once, with its last content. A mailbox that does not exist, and may not be created, is replaced by
 * INBOX; `missing` names it.
 */
export async function findPlaces(
  change: Change,
  at: Account,
  places: readonly FiledPlace[],
): Promise<{ readonly found: readonly FoundPlace[]; readonly missing: readonly string[] }> {
  const found = new Map<string, FoundPlace>()
  const missing: string[] = []
  for (const { mailbox, flags, content } of places) {
    let ref = await findMailbox(change, at, mailbox)
    if (!ref) missing.push('id' in mailbox ? mailbox.id : mailbox.name)
    ref ??= await ensureMailbox(change, at, { name: 'INBOX' })
    const known = found.get(ref.id)
    found.set(ref.id, {
      ...{ ref, flags: readFlags([...(known?.flags ?? []), ...flags]) },
      content: content ?? known?.content,
    })
  }
  return { found: [...found.values()], missing }
}

async function findMailbox(change: Change, at: Account, choice: MailboxChoice): Promise<MailboxRef | undefined> {
  const { account } = at
  if ('id' in choice) {
    const record = await readMailbox(change, { account, id: choice.id })
    return record && !record.noSelect ? { account, id: choice.id } : undefined
  }
  const used = 'specialUse' in choice ? await withUse(at, choice.specialUse) : undefined
  if (used) return used
  const name = readName(choice.name)
  if (name === undefined || !(name === 'INBOX' || isNewName(name))) return undefined
  const mayMake = 'specialUse' in choice || choice.create === true || name === 'INBOX'
  if (mayMake) return ensureMailbox(change, at, { name })
  const id = await change.get<string>(nameKey(account, name))
  const record = id === undefined ? undefined : await readMailbox(change, { account, id })
  return id !== undefined && record && !record.noSelect ? { account, id } : undefined
}

async function withUse({ store, account }: Account, specialUse: string): Promise<MailboxRef | undefined> {
  for await (const [at, value] of store.scan(mailboxesOf(account)))
    if (decode<MailboxRecord>(value).specialUse === specialUse) return { account, id: unkey(at)[2] as string }
  return undefined
}

export const INBOX_PLACE: FiledPlace = { mailbox: INBOX, flags: [] }
