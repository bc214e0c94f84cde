/**
 * How changes are committed: drafted one on the other, and written together.
 *
 * Invariant: changes are committed one after the other, by other processes too, so that what a draft has read still
 * holds when it is written.
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

/** Changes in one commit when each is for itself. */
const CHUNK = 250
/** How often a commit is tried while other processes change the directory too. */
const TRIES = 50
type Mode = 'all' | 'each' | 'check'

export interface ChangesDeps {
  readonly store: Store
  readonly clock: Clock
  /** The mechanisms of which verifiers of new passwords are kept. */
  readonly scram: readonly ScramMechanism[]
  readonly policy: PasswordPolicy
  /** The first number for accounts and groups of POSIX systems. */
  readonly numbersFrom: number
  /** After every commit. */
  changed(): void
}

export type Changes = ReturnType<typeof createChanges>

export function createChanges({ store, clock, scram, policy, numbersFrom, changed }: ChangesDeps) {
  let last: Promise<unknown> = Promise.resolve()

  /** One after the other within this process; `attempt` sees to the others. */
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
    /** What is no change of an entry's own fields: passwords of programs, a code that was used. */
    async rewrite(id: string, record: (account: AccountRecord) => AccountRecord, by: string): Promise<Changed> {
      return inTurn(async () => (await commit([{ set: id, record }], by, 'all'))[0] as Changed)
    },
  }
}

const revisionIn = (value: Uint8Array | undefined) => (value ? decode<RevisionRecord>(value).revision : 0)
/** More than any commit leaves records, so that numbers of history do not meet. */
const NUMBERS = 4_000_000
/** Of changes that would have been made without another of the same call. */
export const NOT_ALONE: Refused = { refused: 'CHANGED', why: 'another change of the same call was refused' }
