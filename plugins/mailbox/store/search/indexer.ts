/**
 * Keeps the index up to date with the store, in the background.
 *
 * A due entry in the index's own lane means "compare index and store for this email": a commit that changes an email's
 * holders adds it for each registered index (registry.ts). Invariants: the entry is removed only after the index has
 * the documents on stable storage, and only if it was not rescheduled meanwhile, so after any interruption the email is
 * examined again; an unreadable email delays no other, and one that kills the process does so a limited number of
 * times; delivery has priority over indexing.
 */
import type { Clock, Log, Op, Store } from 'iems'
import { BatchIndexer, backOff, emailOf, type Indexable } from './batch-indexer.ts'
import { expire, indexOp, laneOf, RENEW_MS, register, setScheduled } from './registry.ts'
import type { SearchIndex } from './search-index.ts'

export type { Indexable } from './batch-indexer.ts'

export interface IndexerDeps {
  readonly store: Store
  readonly index: SearchIndex
  /** Id of the index within this store, as stable as its file. */
  readonly id: string
  readonly clock: Clock
  readonly log: Log
  /** Undefined when it has no holder left. */
  load(email: string): Promise<Indexable | undefined>
  /** Every email there is, in any order. */
  all(): AsyncIterable<string>
}

/** Ms from the first hint to the work, to batch writes. */
const LINGER_MS = 500
const POLL_MS = 30_000
/** Emails scheduled in one commit of a rebuild. */
const SCHEDULED = 1000
/** Waiting emails that are named one by one to a search. */
const NAMED = 2000
/** Waiting emails that are counted. */
const COUNTED = 100_000

export interface Unindexed {
  readonly made: string
  readonly emails: readonly string[]
}

export class Indexer {
  readonly #deps: IndexerDeps
  readonly #lane
  /** Of the present run; a start after a stop makes another. */
  #stopping = new AbortController()
  readonly #batches
  /** Every email there is has been scheduled, so that one that does not wait is in the index. */
  #isScheduled = false
  #renewAt = 0
  #isHinted = false
  #wake: () => void = () => {}
  #running: Promise<void> | undefined

  constructor(deps: IndexerDeps) {
    this.#deps = deps
    this.#lane = laneOf(deps.id)
    this.#batches = new BatchIndexer({
      store: deps.store,
      index: deps.index,
      id: deps.id,
      log: deps.log,
      load: deps.load,
      signal: () => this.#stopping.signal,
    })
  }

  start(): void {
    if (this.#running) return
    this.#stopping = new AbortController()
    const unwatch = this.#deps.store.watch(this.#lane, (changed, at) => {
      if (changed === this.#lane && at <= this.#deps.store.now()) this.#hint()
    })
    this.#running = this.#run().finally(unwatch)
  }

  /** Current work ends first. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
    this.#running = undefined
  }

  /** Clears the index and rebuilds it in the background. */
  async rebuild(): Promise<void> {
    await this.#deps.index.clear()
    this.#hint()
  }

  /** Progress; `waiting` is counted up to 100,000. */
  async status() {
    return { ...(await this.#deps.index.state()), waiting: (await this.#waiting(COUNTED)).size }
  }

  /** Those of an account's emails for which the index of that name cannot speak yet. */
  async unindexed(account: string, emails: readonly string[]): Promise<Unindexed> {
    const named = await this.unindexedNames()
    if (named) return { made: named.made, emails: emails.filter((email) => named.emails.has(email)) }
    const { made } = await this.#deps.index.state()
    return { made, emails: await this.#deps.index.missing(account, emails) }
  }

  async #run(): Promise<void> {
    await this.#sleep(LINGER_MS)
    for (let failures = 0; !this.#stopping.signal.aborted; ) {
      try {
        this.#isHinted = false
        await this.#keepRegistered()
        await this.#scheduleAll()
        while (!this.#stopping.signal.aborted && (await this.#batches.step(failures))) failures = 0
        failures = 0
        await this.#idle()
      } catch (cause) {
        if (this.#stopping.signal.aborted) return
        this.#deps.log.error('emails are not being indexed', { cause })
        await this.#sleep(backOff(failures++))
      }
    }
  }

  async #keepRegistered(): Promise<void> {
    if (this.#isScheduled && this.#deps.store.now() < this.#renewAt) return
    this.#isScheduled = await register(this.#deps.store, this.#deps.id)
    this.#renewAt = this.#deps.store.now() + RENEW_MS
    await expire(this.#deps.store)
  }

  /** Schedules everything, if that is not known to have been done since the index was made and registered. */
  async #scheduleAll(): Promise<void> {
    if (this.#isScheduled && (await this.#deps.index.state()).isWhole) return
    let ops: Op[] = []
    let count = 0
    for await (const email of this.#deps.all()) {
      if (this.#stopping.signal.aborted) return
      ops.push(indexOp(email, this.#lane))
      count++
      if (ops.length < SCHEDULED) continue
      await this.#deps.store.commit(ops)
      ops = []
    }
    if (ops.length > 0) await this.#deps.store.commit(ops)
    await this.#deps.index.setWhole()
    this.#isScheduled = await setScheduled(this.#deps.store, this.#deps.id)
    if (count > 0) this.#deps.log.info('the search index is being rebuilt', { emails: count })
  }

  /** Until there is something to do, or may be. */
  async #idle(): Promise<void> {
    const listen = (end: () => void) => {
      this.#wake = end
    }
    if (!this.#isHinted) await this.#sleep(POLL_MS, listen)
    if (this.#isHinted) await this.#sleep(LINGER_MS)
  }

  async #sleep(ms: number, listen: (end: () => void) => void = () => {}): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const end = () => resolve()
    const cancel = this.#deps.clock.after(ms, end)
    this.#stopping.signal.addEventListener('abort', end, { once: true })
    if (this.#stopping.signal.aborted) end()
    listen(end)
    await promise
    cancel()
    this.#stopping.signal.removeEventListener('abort', end)
  }

  #hint(): void {
    this.#isHinted = true
    this.#wake()
  }

  async #waiting(limit: number): Promise<Set<string>> {
    const emails = new Set<string>()
    for await (const { key: at } of this.#deps.store.due(this.#lane, limit)) emails.add(emailOf(at))
    return emails
  }

  /** Everybody's emails for which the index of that name cannot speak yet; undefined when they are many. */
  async unindexedNames() {
    const named = await this.#waiting(NAMED + 1)
    const { made, isWhole } = await this.#deps.index.state()
    return this.#isScheduled && isWhole && named.size <= NAMED ? { made, emails: named } : undefined
  }
}
