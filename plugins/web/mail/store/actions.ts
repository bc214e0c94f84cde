/**
 * A person's actions on conversations, and their undo.
 *
 * Invariants: an action records the emails it changed, so that its undo changes exactly those.
 */
import type { Json } from './client.ts'
import { Failure } from './client.ts'
import type { MailStore } from './mail-store.ts'
import type { Email } from './objects.ts'

/** Undoes an action; throws what `MailStore.update` throws. */
export type Undo = () => Promise<void>

const NAMES: Readonly<Record<string, string>> = {
  archive: 'Archive',
  trash: 'Trash',
  junk: 'Junk',
  drafts: 'Drafts',
  sent: 'Sent',
}

/** The id of the mailbox with a role; it is made when the account has none. */
export async function mailboxWithRole(store: MailStore, role: string): Promise<string> {
  const found = store.withRole(role)
  if (found) return found.id
  const [set] = await store.client.call(['Mailbox/set', { create: { a: { name: NAMES[role] ?? role, role } } }])
  const refused = set?.notCreated?.a as Json | undefined
  if (refused) throw new Failure('refused', refused.description ?? refused.type, refused.type)
  await store.sync()
  return set?.created.a.id
}

const emailsIn = (store: MailStore, threadIds: readonly string[]): Email[] =>
  threadIds.flatMap((id) => store.emailsOf(id))

/** Moves conversations out of the list's mailbox, or out of every one for a search. */
export async function moveTo(store: MailStore, threadIds: readonly string[], mailboxId: string): Promise<Undo> {
  const here = store.list?.key.kind === 'mailbox' ? store.list.key.id : undefined
  const sent = store.withRole('sent')?.id
  const drafts = store.withRole('drafts')?.id
  const isThrownAway = [store.withRole('trash')?.id, store.withRole('junk')?.id].includes(mailboxId)
  const patches = new Map<string, Json>()
  const back = new Map<string, Json>()
  for (const { id, mailboxIds } of emailsIn(store, threadIds)) {
    const isHere = here === undefined ? !mailboxIds[sent ?? ''] && !mailboxIds[drafts ?? ''] : mailboxIds[here]
    if (!isHere && !isThrownAway) continue
    patches.set(id, { mailboxIds: { [mailboxId]: true } })
    back.set(id, { mailboxIds })
  }
  await store.update(patches, here === mailboxId ? new Set() : new Set(threadIds))
  return () => store.update(back)
}

export const moveToRole = async (store: MailStore, threadIds: readonly string[], role: string): Promise<Undo> =>
  moveTo(store, threadIds, await mailboxWithRole(store, role))

/** Sets or clears a keyword of conversations; a flag is set on the newest email only. */
export async function setKeyword(
  store: MailStore,
  threadIds: readonly string[],
  change: { readonly keyword: '$seen' | '$flagged'; readonly isSet: boolean },
): Promise<Undo> {
  const { keyword, isSet } = change
  const patches = new Map<string, Json>()
  const back = new Map<string, Json>()
  for (const threadId of threadIds) {
    const all = store.emailsOf(threadId)
    const touched = isSet && keyword === '$flagged' ? all.slice(-1) : all
    for (const { id, keywords } of touched) {
      if ((keywords[keyword] === true) === isSet) continue
      patches.set(id, { [`keywords/${keyword}`]: isSet ? true : null })
      back.set(id, { [`keywords/${keyword}`]: isSet ? null : true })
    }
  }
  if (patches.size > 0) await store.update(patches)
  return async () => {
    if (back.size > 0) await store.update(back)
  }
}
