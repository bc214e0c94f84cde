/** Mailboxes that a migration files into. */
import type { Mailbox, MailStoreApi, Refused, SpecialUse } from '../../mailbox/store/api.ts'

/** A mailbox by its name, or by its use: an account's Sent mailbox may be called otherwise. */
export interface Place {
  readonly name: string
  readonly specialUse?: SpecialUse
}

export const isRefusedByStore = (value: unknown): value is Refused =>
  typeof value === 'object' && value !== null && 'refused' in value

/** The mailbox of a place, made when it is missing. */
export async function mailboxFor(mail: MailStoreApi, account: string, place: Place): Promise<Mailbox> {
  const { name, specialUse } = place
  const found = specialUse
    ? (await mail.mailboxes(account)).find((mailbox) => mailbox.specialUse === specialUse)
    : await mail.find(account, name)
  if (found && !found.noSelect) return found
  const made = await mail.create(account, name, specialUse ? { specialUse } : {})
  if (!isRefusedByStore(made)) return made
  const other = await mail.find(account, name)
  if (other && !other.noSelect) return other
  throw new Error(`mailbox ${name}: ${made.why}`)
}
