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
export type Undo = () => Promise<unknown>

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

/** Moves conversations of the list's mailbox into a mailbox of another account: copied there, then removed here. */
export async function moveAcross(
  store: MailStore,
  threadIds: readonly string[],
  to: { readonly store: MailStore; readonly mailboxId: string },
): Promise<Undo> {
  const here = store.list?.key.kind === 'mailbox' ? store.list.key.id : undefined
  const emails = emailsIn(store, threadIds).filter(({ mailboxIds }) => here === undefined || mailboxIds[here])
  const copy = (from: MailStore, target: MailStore, create: Json) =>
    ['Email/copy', { ...accounts(from, target), create, onSuccessDestroyOriginal: true }] as const
  const create = emails.map(({ id }) => [id, { id, mailboxIds: { [to.mailboxId]: true } }])
  const snoozes = new Map<string, undefined>()
  const [copied] = await store.update(new Map(), new Set(threadIds), {
    calls: [copy(store, to.store, Object.fromEntries(create))],
    snoozes,
  })
  void to.store.sync()
  return async () => {
    const back = emails.flatMap(({ id, mailboxIds }) => {
      const made = copied?.created?.[id]?.id as string | undefined
      return made === undefined ? [] : [[id, { id: made, mailboxIds }]]
    })
    await to.store.update(new Map(), new Set(), { calls: [copy(to.store, store, Object.fromEntries(back))], snoozes })
    await store.sync()
  }
}

const accounts = (from: MailStore, to: MailStore) => ({
  fromAccountId: from.client.account,
  accountId: to.client.account,
})

export const moveToRole = async (store: MailStore, threadIds: readonly string[], role: string): Promise<Undo> =>
  moveTo(store, threadIds, await mailboxWithRole(store, role))

/** The Email/set that deletes emails from a mailbox: those that are in another one as well only leave it. */
export function deletion(emails: readonly Pick<Email, 'id' | 'mailboxIds'>[], here: string): Json {
  const inHere = emails.filter(({ mailboxIds }) => mailboxIds[here])
  const [others, only] = [inHere.filter(isElsewhere), inHere.filter((email) => !isElsewhere(email))]
  return {
    destroy: only.map(({ id }) => id),
    update: Object.fromEntries(others.map(({ id }) => [id, { [`mailboxIds/${here}`]: null }])),
  }
}
const isElsewhere = ({ mailboxIds }: Pick<Email, 'mailboxIds'>) => Object.keys(mailboxIds).length > 1

/** Deletes the emails of conversations in the list's mailbox permanently. */
export async function destroy(store: MailStore, threadIds: readonly string[]): Promise<void> {
  const here = store.list?.key.kind === 'mailbox' ? store.list.key.id : ''
  const calls = [['Email/set', deletion(emailsIn(store, threadIds), here)] as const]
  await store.update(new Map(), new Set(threadIds), { calls, snoozes: new Map() })
}

/** Sets or clears a keyword of conversations, such as a label's; a flag is set on the newest email only. */
export async function setKeyword(
  store: MailStore,
  threadIds: readonly string[],
  change: { readonly keyword: string; readonly isSet: boolean },
): Promise<Undo> {
  const { keyword, isSet } = change
  const path = `keywords/${keyword.replaceAll('~', '~0').replaceAll('/', '~1')}`
  const patches = new Map<string, Json>()
  const back = new Map<string, Json>()
  for (const threadId of threadIds) {
    const all = store.emailsOf(threadId)
    const touched = isSet && keyword === '$flagged' ? all.slice(-1) : all
    for (const { id, keywords } of touched) {
      if ((keywords[keyword] === true) === isSet) continue
      patches.set(id, { [path]: isSet ? true : null })
      back.set(id, { [path]: isSet ? null : true })
    }
  }
  if (patches.size > 0) await store.update(patches)
  return async () => {
    if (back.size > 0) await store.update(back)
  }
}
