/**
 * Snooze: conversations wait in the mailbox Snoozed and come back to the Inbox at a time, by the server.
 */
import { mailboxWithRole, type Undo } from './actions.ts'
import type { Json } from './client.ts'
import type { MailStore } from './mail-store.ts'
import type { Snooze } from './own-objects.ts'

const iso = (at: Date): string => `${at.toISOString().slice(0, 19)}Z`

/** Snoozes conversations of the list's mailbox, or of the Inbox for a search; one that is snoozed gets another time. */
export async function snooze(store: MailStore, threadIds: readonly string[], at: Date): Promise<Undo> {
  const snoozed = store.withRole('snoozed')?.id
  const here = store.list?.key.kind === 'mailbox' ? store.list.key.id : await mailboxWithRole(store, 'inbox')
  const until = iso(at)
  const before = new Map(threadIds.map((id) => [id, store.snoozes.get(id)]))
  const create: Json = {}
  const update: Json = {}
  const after = new Map<string, Snooze>()
  for (const [index, threadId] of threadIds.entries()) {
    after.set(threadId, { threadId, mailboxId: before.get(threadId)?.mailboxId ?? here, until })
    if (before.get(threadId)) update[threadId] = { until, mailboxId: here }
    else create[`s${index}`] = { threadId, mailboxId: here, until }
  }
  const mailboxIds = new Map<string, Json>()
  const old = new Map<string, Json>()
  if (here !== snoozed)
    for (const email of threadIds.flatMap((id) => store.emailsOf(id))) {
      if (!email.mailboxIds[here]) continue
      const { [here]: _, ...others } = email.mailboxIds
      mailboxIds.set(email.id, { mailboxIds: snoozed === undefined ? others : { ...others, [snoozed]: true } })
      old.set(email.id, { mailboxIds: email.mailboxIds })
    }
  const isLeaving = here !== snoozed && store.list?.key.kind === 'mailbox'
  await store.update(mailboxIds, new Set(isLeaving ? threadIds : []), {
    calls: [['ConversationSnooze/set', { create, update }]],
    snoozes: after,
  })
  return () => {
    const again: Json = {}
    for (const [id, known] of before) if (known) again[id] = { until: known.until, mailboxId: here }
    const destroy = threadIds.filter((id) => !before.get(id))
    return store.update(old, new Set(), {
      calls: [['ConversationSnooze/set', { update: again, destroy }]],
      snoozes: before,
    })
  }
}

/** Ends the snooze of conversations: they go back to where they were. */
export async function endSnooze(store: MailStore, threadIds: readonly string[]): Promise<Undo> {
  const known = threadIds.flatMap((id) => store.snoozes.get(id) ?? [])
  const snoozed = store.withRole('snoozed')?.id ?? ''
  const patches = new Map<string, Json>()
  const old = new Map<string, Json>()
  for (const { threadId, mailboxId } of known)
    for (const email of store.emailsOf(threadId)) {
      if (!email.mailboxIds[snoozed]) continue
      const { [snoozed]: _, ...others } = email.mailboxIds
      patches.set(email.id, { mailboxIds: { ...others, [mailboxId]: true } })
      old.set(email.id, { mailboxIds: email.mailboxIds })
    }
  const isLeaving = store.list?.key.kind === 'mailbox' && store.list.key.id === snoozed
  await store.update(patches, new Set(isLeaving ? threadIds : []), {
    calls: [['ConversationSnooze/set', { destroy: known.map(({ threadId }) => threadId) }]],
    snoozes: new Map(known.map(({ threadId }) => [threadId, undefined])),
  })
  return () =>
    store.update(old, new Set(), {
      calls: [['ConversationSnooze/set', { create: Object.fromEntries(known.map((one) => [one.threadId, one])) }]],
      snoozes: new Map(known.map((one) => [one.threadId, one])),
    })
}
