/**
 * Removed entries: kept whole for a time, with passwords, memberships and members, so that a removal can be undone.
 *
 * Invariants: an entry is restored with its id, so that its mailboxes are its own again; an address that another entry
 * has taken meanwhile refuses the restoration; groups that are gone, or would contain themselves, are left out.
 */
import { below, type Clock, type Op, type Store, unkey } from 'iems'
import type { RemovedEntry } from './api.ts'
import { shown } from './entry-view.ts'
import {
  decode,
  type EntryRecord,
  encode,
  entryKey,
  memberKey,
  memberOfKey,
  type RemovedRecord,
  removedKey,
  removedMemberKey,
} from './records.ts'
import { Refusal } from './standing.ts'
import type { Draft } from './transaction.ts'

const BATCH = 500

/** Keeps an entry, before anything of it is removed. Objects are copies of other directories, which have them still. */
export async function keepRemoved(draft: Draft, entry: EntryRecord, facts: { at: number; by: string }): Promise<void> {
  const { id, kind } = entry
  if (kind === 'object') return
  const groups: RemovedRecord['groups'][number][] = []
  for await (const [at] of draft.scan(below('o', `i${id}`))) groups.push(unkey(at)[2] as string)
  if (kind === 'group')
    for await (const [at, value] of draft.scan(below('m', id)))
      draft.put(removedMemberKey(id, unkey(at)[2] as string), value)
  draft.put(removedKey(id), encode({ entry, groups, at: facts.at, by: facts.by } satisfies RemovedRecord))
}

/** The record of a removed entry. Throws a refusal when there is none. */
export async function removedIn(draft: Draft, id: string): Promise<RemovedRecord> {
  const value = await draft.get(removedKey(id))
  if (!value) throw new Refusal('NONEXISTENT', 'it was not removed, or too long ago')
  if (await draft.get(entryKey(id))) throw new Refusal('ALREADYEXISTS', 'it is here')
  return decode<RemovedRecord>(value)
}

/** Restores members of a group that exist; their number. Forgets the removal. */
export async function restoreMembers(draft: Draft, id: string): Promise<number> {
  let count = 0
  for await (const [at, value] of draft.scan(below('zm', id))) {
    const name = unkey(at)[2] as string
    draft.del(at)
    if (name.startsWith('i') && !(await draft.get(entryKey(name.slice(1))))) continue
    draft.put(memberKey(id, name), value)
    draft.put(memberOfKey(name, id), encode(1))
    count++
  }
  draft.del(removedKey(id))
  return count
}

/** Unordered. */
export async function* removedEntries(store: Pick<Store, 'scan'>): AsyncGenerator<RemovedEntry> {
  for await (const [, value] of store.scan(below('z'))) {
    const { entry, at, by } = decode<RemovedRecord>(value)
    yield { entry: shown(entry), at, by }
  }
}

/** Forgets what was removed more than `keepMs` ago. */
export async function sweepRemoved(store: Store, clock: Clock, keepMs: number): Promise<void> {
  const old: string[] = []
  for await (const { entry, at } of removedEntries(store)) if (clock.now() - at >= keepMs) old.push(entry.id)
  for (const id of old) {
    for (;;) {
      const ops: Op[] = []
      for await (const [at] of store.scan({ ...below('zm', id), limit: BATCH })) ops.push({ del: at })
      if (ops.length === 0) break
      await store.commit(ops)
    }
    await store.commit([{ del: removedKey(id) }])
  }
}
