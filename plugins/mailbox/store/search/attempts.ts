/**
 * Counts how often the process died while indexing an email.
 *
 * An attempt is on stable storage before the email is read, and its record is removed with any outcome, so a leftover
 * record means that the process died. Invariants: an email that kills the process is read twice and not a third time;
 * an email that was only in the same batch is not given up.
 */
import { randomBytes } from 'node:crypto'
import { type Key, key, type Op, type Store, unkey } from 'iems'

/** Of the record of one email in the index of that id. */
const attemptKey = (id: string, email: string): Key => key('i', id, email)

/** Deaths after which an email is not read any more. */
export const MAX_DEATHS = 2

/** `attempt:run`. */
const encode = (attempt: number, run: string) => Buffer.from(`${attempt}:${run}`)

export function createAttempts(store: Store, id: string) {
  const all = { from: key('i', id), to: key('i', id, Number.MAX_SAFE_INTEGER) }
  const run = randomBytes(8).toString('hex')
  return {
    /** Part of the commit that settles or postpones an email. */
    endedOp: (email: string): Op => ({ del: attemptKey(id, email) }),
    /** Deaths by email, of those that have any. */
    async deaths(): Promise<ReadonlyMap<string, number>> {
      const deaths = new Map<string, number>()
      for await (const [at, value] of store.scan(all)) {
        const [attempt, by] = Buffer.from(value).toString().split(':')
        // The present process has not died: the store could not take the outcome.
        const count = Number(attempt) - (by === run ? 1 : 0)
        if (count > 0) deaths.set(unkey(at)[2] as string, count)
      }
      return deaths
    },
    /** Resolves when the next attempt of these emails, each after this number of deaths, is on stable storage. */
    async begin(emails: readonly string[], deaths: number): Promise<void> {
      await store.commit(emails.map((email) => ({ put: attemptKey(id, email), value: encode(deaths + 1, run) })))
    },
  }
}
