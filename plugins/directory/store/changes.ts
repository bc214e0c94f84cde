/**
 * Commits changes: drafts them on top of each other and writes them together.
 *
 * Invariants: changes are serialized, across processes too, so that everything a draft has read still holds when it is
 * written.
 */
import { type Clock, CONFLICT, type Store, transact } from 'iems'
import type { ScramMechanism } from '../static/api.ts'
import { type Change, type Changed, isRefused, type Refused } from './api.ts'
import { type Prepared, RECORDS, Work } from './change-work.ts'
import { shown } from './entry-view.ts'
import { checked, type PasswordPolicy, withHashes } from './new-passwords.ts'
import { type AccountRecord, decode, encode, type RevisionRecord, revisionKey } from './records.ts'
import { Refusal } from './standing.ts'
import { Draft } from './transaction.ts'

/** Independent changes per commit. */
const CHUNK = 250
/** Maximum retries when other processes change the directory too. */
const TRIES = 50
type Mode = 'all' | 'each' | 'check'

export interface ChangesDeps {
  readonly store: Store
  readonly clock: Clock
  /** Mechanisms for which new passwords get verifiers. */
  readonly scram: readonly ScramMechanism[]
  readonly policy: PasswordPolicy
  /** First number for POSIX accounts and groups. */
  readonly numbersFrom: number
  readonly keepsRemoved: boolean
  /** Called after every commit. */
  changed(): void
}

export type Changes = ReturnType<typeof createChanges>

export function createChanges({ store, clock, scram, policy, numbersFrom, keepsRemoved, changed }: ChangesDeps) {
  let last: Promise<unknown> = Promise.resolve()

  /** Serializes work within this process; `attempt` handles other processes. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work)
    last = done.catch(() => {})
    return done
  }

  async function commit(changes: readonly Prepared[], by: string, mode: Mode): Promise<Changed[]> {
    return transact({ what: 'the directory', tries: TRIES }, async () => {
      const before = await store.get(revisionKey)
      const draft = new Draft(store)
      const results = await drafted(draft, changes, { by, isAll: mode !== 'each', revision: revisionIn(before) })
      if (draft.isEmpty || mode === 'check') return results
      draft.put(revisionKey, encode({ revision: revisionIn(before) + 1 } satisfies RevisionRecord))
      if (!(await store.commit(draft.ops(), [{ key: revisionKey, is: before ?? 'absent' }]))) return CONFLICT
      changed()
      return results
    })
  }

  async function drafted(
    draft: Draft,
    changes: readonly Prepared[],
    { by, isAll, revision }: { by: string; isAll: boolean; revision: number },
  ): Promise<Changed[]> {
    const results: Changed[] = []
    const all = new Draft(draft)
    for (const [number, change] of changes.entries()) {
      const one = new Draft(all)
      try {
        const work = new Work(one, {
          by,
          at: clock.now(),
          number: (revision + 1) * NUMBERS + number * RECORDS,
          numbersFrom,
          keepsRemoved,
        })
        results.push({ entry: shown(await work.make(change)) })
        one.keep(all)
      } catch (cause) {
        if (!(cause instanceof Refusal)) throw cause
        results.push(cause.refused)
      }
    }
    if (isAll && results.some(isRefused)) return results.map((result) => (isRefused(result) ? result : NOT_ALONE))
    all.keep(draft)
    return results
  }

  return {
    async change(changes: readonly Change[], by: string, mode: Mode = 'all'): Promise<readonly Changed[]> {
      const sound = await Promise.all(changes.map((change) => checked(change, { store, policy })))
      const prepared = mode === 'check' ? sound : await withHashes(sound, scram)
      return inTurn(async () => {
        if (mode !== 'each') return commit(prepared, by, mode)
        const results: Changed[] = []
        for (let start = 0; start < prepared.length; start += CHUNK)
          results.push(...(await commit(prepared.slice(start, start + CHUNK), by, 'each')))
        return results
      })
    },
    /** Changes outside an entry's own fields: application passwords, used codes. */
    async rewrite(id: string, record: (account: AccountRecord) => AccountRecord, by: string): Promise<Changed> {
      return inTurn(async () => (await commit([{ set: id, record }], by, 'all'))[0] as Changed)
    },
  }
}

const revisionIn = (value: Uint8Array | undefined) => (value ? decode<RevisionRecord>(value).revision : 0)
/** More than the records of any commit, so that history numbers never collide. */
const NUMBERS = 4_000_000
/** For changes that would have succeeded without another of the same call. */
export const NOT_ALONE: Refused = { refused: 'CHANGED', why: 'another change of the same call was refused' }
