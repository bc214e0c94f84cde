/**
 * Changes to all emails of a list, in batches with progress.
 *
 * Invariants: emails that arrive later are left alone; a stopped change keeps its completed batches, and its undo
 * reverts them.
 */
import { deletion, type Undo } from './actions.ts'
import { type Json, throwRefusal } from './client.ts'
import type { MailStore } from './mail-store.ts'
import type { Email } from './objects.ts'

const BATCH = 200
/** Ids asked for at a time. */
const PAGE = 5000
const MAX_EMAILS = 1_000_000

type Known = Pick<Email, 'id' | 'mailboxIds' | 'keywords'>

export interface ManyChange {
  /** The change to an email and its reverse; undefined for an email that stays as it is. */
  patchOf(email: Known): readonly [patch: Json, back: Json] | undefined
}

export interface ManyWatch {
  readonly signal: AbortSignal
  progress(done: number, count: number): void
}

async function idsOf(store: MailStore, filter: Json, signal: AbortSignal): Promise<string[]> {
  const ids: string[] = []
  while (ids.length < MAX_EMAILS && !signal.aborted) {
    const [query] = await store.client.call([
      'Email/query',
      { filter, sort: [{ property: 'receivedAt', isAscending: false }], position: ids.length, limit: PAGE },
    ])
    const page = (query?.ids ?? []) as string[]
    ids.push(...page)
    if (page.length === 0) break
  }
  return ids
}

async function inBatches(
  ids: readonly string[],
  { signal, progress }: ManyWatch,
  run: (batch: readonly string[]) => Promise<void>,
): Promise<number> {
  let done = 0
  for (; done < ids.length && !signal.aborted; done = Math.min(ids.length, done + BATCH)) {
    progress(done, ids.length)
    await run(ids.slice(done, done + BATCH))
  }
  return done
}

async function set(store: MailStore, change: Json): Promise<void> {
  const [answer] = await store.client.call(['Email/set', change])
  throwRefusal(answer)
}

/** Changes all emails of the open list. Returns how many were examined, and the undo. */
export async function changeAll(
  store: MailStore,
  { patchOf }: ManyChange,
  watch: ManyWatch,
): Promise<{ readonly done: number; readonly undo: Undo }> {
  const ids = await idsOf(store, store.list?.filter ?? {}, watch.signal)
  const back = new Map<string, Json>()
  try {
    const done = await inBatches(ids, watch, async (batch) => {
      const [got] = await store.client.call(['Email/get', { ids: batch, properties: ['id', 'mailboxIds', 'keywords'] }])
      const update: Json = {}
      const reverts: [string, Json][] = []
      for (const email of (got?.list ?? []) as Known[]) {
        const found = patchOf(email)
        if (!found) continue
        update[email.id] = found[0]
        reverts.push([email.id, found[1]])
      }
      if (reverts.length > 0) await set(store, { update })
      for (const [id, patch] of reverts) back.set(id, patch)
    })
    return { done, undo: () => revert(store, back) }
  } finally {
    await store.sync()
  }
}

async function revert(store: MailStore, back: ReadonlyMap<string, Json>): Promise<void> {
  const watch = { signal: new AbortController().signal, progress: () => {} }
  try {
    await inBatches([...back.keys()], watch, (batch) =>
      set(store, { update: Object.fromEntries(batch.map((id) => [id, back.get(id)])) }),
    )
  } finally {
    await store.sync()
  }
}

/** Deletes all emails of the open list permanently. Returns their number. */
export async function destroyAll(store: MailStore, watch: ManyWatch): Promise<number> {
  const ids = await idsOf(store, store.list?.filter ?? {}, watch.signal)
  const here = store.list?.key.kind === 'mailbox' ? store.list.key.id : ''
  try {
    return await inBatches(ids, watch, async (batch) => {
      const [got] = await store.client.call(['Email/get', { ids: batch, properties: ['id', 'mailboxIds'] }])
      await set(store, deletion((got?.list ?? []) as Known[], here))
    })
  } finally {
    await store.sync()
  }
}
