/**
 * Finds matching emails: by the index as far as possible, and by reading the emails otherwise.
 *
 * Invariants: the result is the same with an index, without one, and while it is being built; only the time differs.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Log } from 'iems'
import type { Indexer } from './indexer.ts'
import { type Condition, matches } from './query.ts'
import type { SearchIndex } from './search-index.ts'
import type { SearchText } from './text.ts'

export interface FindDeps {
  readonly index: SearchIndex
  readonly indexer: Pick<Indexer, 'unindexed' | 'unindexedNames'>
  readonly log: Log
  /** All the text there is, undefined when the email has gone. */
  read(email: string): Promise<SearchText | undefined>
}

export interface FindQuery {
  readonly account: string
  readonly emails: readonly string[]
  /** All of them must fit. */
  readonly conditions: readonly Condition[]
  readonly signal?: AbortSignal
}

/** Hits that are asked for at once. */
const PAGE = 10_000
/** Number of candidates at which scanning the mailbox is as fast. */
const MAX_CANDIDATES = 5000

export function createFind({ index, indexer, log, read }: FindDeps) {
  /** Each email that fits, once, in no order. */
  async function* find({ account, emails, conditions, signal }: FindQuery): AsyncGenerator<string> {
    const left = new Set(emails)
    let unsure: Iterable<string> = left
    try {
      const asked = await ask(account, emails, conditions)
      for (const email of asked?.sure ?? []) if (left.delete(email)) yield email
      if (asked) unsure = asked.unsure
    } catch (cause) {
      log.warn('searched without the index', { account, cause })
    }
    for (const email of unsure) {
      if (!left.has(email)) continue
      signal?.throwIfAborted()
      await turn()
      const text = await read(email)
      if (text && conditions.every((condition) => matches(text, condition))) yield email
    }
  }

  /** A superset of an account's matching emails; undefined when it takes long to determine. */
  async function candidates(account: string, condition: Condition): Promise<ReadonlySet<string> | undefined> {
    try {
      // First: as below.
      const waiting = await indexer.unindexedNames()
      if (!waiting) return undefined
      const page = await index.search({ account, conditions: [condition], limit: MAX_CANDIDATES })
      if (page?.made !== waiting.made || page.next !== undefined) return undefined
      return new Set([...waiting.emails, ...page.hits.map(({ email }) => email)])
    } catch (cause) {
      log.warn('searched without the index', { account, cause })
      return undefined
    }
  }

  /** Emails whose words all fit, the last indexed first; undefined when the index cannot answer quickly. */
  async function latest(account: string, condition: Condition, most: number) {
    try {
      // First: as below.
      const waiting = await indexer.unindexedNames()
      if (!waiting) return undefined
      const found = await index.latest({ account, conditions: [condition], limit: most + 1 })
      if (found?.made !== waiting.made) return undefined
      const emails = found.emails.slice(0, most)
      return { emails, isAll: found.emails.length <= most, waiting: waiting.emails }
    } catch (cause) {
      log.warn('searched without the index', { account, cause })
      return undefined
    }
  }

  /** Undefined when the index knows nothing about the conditions. */
  async function ask(account: string, emails: readonly string[], conditions: readonly Condition[]) {
    // First, so that emails indexed meanwhile are read rather than missed.
    const unindexed = await indexer.unindexed(account, emails)
    const unsure = new Set(unindexed.emails)
    const sure: string[] = []
    let after: number | undefined
    do {
      const page = await index.search({ account, conditions, limit: PAGE, ...(after === undefined ? {} : { after }) })
      // Another index than the one that was meant has none of it.
      if (page?.made !== unindexed.made) return undefined
      for (const { email, isSure } of page.hits) {
        if (isSure) sure.push(email)
        else unsure.add(email)
      }
      after = page.next
    } while (after !== undefined)
    return { sure, unsure }
  }

  return { find, candidates, latest }
}
