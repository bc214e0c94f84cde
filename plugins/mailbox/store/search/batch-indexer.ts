/**
 * Processes a batch of due emails: loads, indexes and settles them.
 *
 * Invariants: a due entry is removed only after the index has the documents on stable storage, and only if it was not
 * rescheduled meanwhile; an unreadable email delays no other, and one that kills the process does so a limited number
 * of times.
 */
import { performance } from 'node:perf_hooks'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import { type Check, type Key, type Lease, type Log, type Store, unkey } from 'iems'
import { createAttempts, MAX_DEATHS } from './attempts.ts'
import { laneOf } from './registry.ts'
import { type IndexDocument, lengthOf, type SearchIndex } from './search-index.ts'
import { NO_TEXT, type SearchText } from './text.ts'

/** The store's data about an email. */
export interface Indexable {
  /** Those that hold it. */
  readonly accounts: readonly string[]
  /** Read only when the index needs it. */
  text(): Promise<{ readonly text: SearchText; readonly isPartial?: boolean }>
}

export interface BatchDeps {
  readonly store: Store
  readonly index: SearchIndex
  /** Of the index. */
  readonly id: string
  readonly log: Log
  load(email: string): Promise<Indexable | undefined>
  /** Of the present run. */
  signal(): AbortSignal
}

/** Emails taken at a time. */
const BATCH = 1000
/** Emails handed to the index at once, and characters of their text; as many are read meanwhile. */
const CHUNK = 200
const CHUNK_TEXT = 2_000_000
/** Emails whose holders are read at once. */
const LOADED = 20
const LEASE_MS = 300_000
/** Ms until an unreadable email is tried again. */
const UNREADABLE_MS = 900_000
/** Ms until the index is tried again after a failure: doubled each time. */
const BACK_OFF_MS = 1000
const BACK_OFF_MOST_MS = 300_000
/** This number of individually failing emails means that the index itself fails. */
const MAX_FAILING = 10
/** Ms for which emails are read without letting others have a turn: a client's command needs many turns. */
const SLICE_MS = 0.5
/** From this share of its time on the event loop is busy with something else: then there is rest, and most when it is full. */
const BUSY = 0.8
/** The longest rest, in ms and as a multiple of the time that the work took. */
const REST_MOST_MS = 1000
const REST_MAX = 2
/** The emails of a batch that are not settled, by name. */
type Batch = Map<string, Lease>
/** The store's data about the emails of a batch. */
type Found = ReadonlyMap<string, Indexable | undefined>

export class BatchIndexer {
  readonly #deps: BatchDeps
  readonly #lane
  readonly #turns = new Turns()
  readonly #attempts

  constructor(deps: BatchDeps) {
    this.#deps = deps
    this.#lane = laneOf(deps.id)
    this.#attempts = createAttempts(deps.store, deps.id)
  }

  #stillOurs({ key: at, generation }: Lease): Check {
    return { due: at, lane: this.#lane, lease: generation }
  }

  /** Processes due emails; false when there were few, so that waiting for more is better. */
  async step(failures: number): Promise<boolean> {
    const leases = await this.#deps.store.take(this.#lane, BATCH, LEASE_MS)
    const batch: Batch = new Map(leases.map((lease) => [emailOf(lease.key), lease]))
    if (batch.size === 0) return false
    try {
      const found = await this.#loadAll(batch)
      const holdings = [...found].map(([email, one]) => ({ email, accounts: one?.accounts ?? [] }))
      await this.#attemptAll(await this.#deps.index.align(holdings), found, batch)
      await this.#settle([...batch.values()])
    } catch (cause) {
      for (const [email, lease] of batch)
        await this.#deps.store.commit(
          [{ due: lease.key, lane: this.#lane, in: backOff(failures) }, this.#attempts.endedOp(email)],
          [this.#stillOurs(lease)],
        )
      throw cause
    }
    return leases.length === BATCH
  }

  async #loadAll(batch: Batch): Promise<Map<string, Indexable | undefined>> {
    const found = new Map<string, Indexable | undefined>()
    const load = async (email: string) => {
      try {
        found.set(email, await this.#deps.load(email))
      } catch (cause) {
        await this.#postpone(batch, email, cause)
      }
    }
    const emails = [...batch.keys()]
    this.#turns.begin()
    for (let start = 0; start < emails.length; start += LOADED) {
      await this.#turns.give()
      await Promise.all(emails.slice(start, start + LOADED).map(load))
    }
    return found
  }

  /** Whatever was read when the process died is read by itself, so that the second death names one email. */
  async #attemptAll(emails: readonly string[], found: Found, batch: Batch): Promise<void> {
    if (emails.length === 0) return
    const deaths = await this.#attempts.deaths()
    const fresh = emails.filter((email) => !deaths.has(email))
    if (fresh.length > 0) await this.#attempts.begin(fresh, 0)
    await this.#addTexts(fresh, found, batch)
    for (const email of emails) {
      const count = deaths.get(email) ?? 0
      if (count === 0) continue
      if (count < MAX_DEATHS) {
        await this.#attempts.begin([email], count)
        await this.#addTexts([email], found, batch)
      } else await this.#giveUp(email, found, batch)
      const lease = batch.get(email)
      batch.delete(email)
      if (lease) await this.#settle([lease])
    }
  }

  /** Not as partial: a search must not look into it either. */
  async #giveUp(email: string, found: Found, batch: Batch): Promise<void> {
    this.#deps.log.error('an email is not indexed, since the server has ended twice while it was read', { email })
    await this.#addAll([{ email, accounts: found.get(email)?.accounts ?? [], text: NO_TEXT }], batch)
  }

  /** While the index writes some texts, the next ones are read. */
  async #addTexts(emails: readonly string[], found: Found, batch: Batch): Promise<void> {
    let documents: IndexDocument[] = []
    let weight = 0
    let writing = Promise.resolve()
    try {
      this.#turns.begin()
      for (const email of emails) {
        await this.#turns.give()
        const document = await this.#read(email, found, batch)
        if (!document) continue
        documents.push(document)
        weight += lengthOf(document)
        if (documents.length < CHUNK && weight < CHUNK_TEXT) continue
        await writing
        this.#turns.begin()
        writing = this.#addAll(documents, batch)
        // It may fail while the next texts are read; it is awaited after them.
        writing.catch(() => {})
        documents = []
        weight = 0
      }
    } finally {
      await writing
    }
    await this.#addAll(documents, batch)
  }

  /** Undefined for an email that has gone, or is tried again later. */
  async #read(email: string, found: Found, batch: Batch): Promise<IndexDocument | undefined> {
    try {
      const { accounts = [], text } = found.get(email) ?? {}
      return text && { email, accounts, ...(await text()) }
    } catch (cause) {
      await this.#postpone(batch, email, cause)
      return undefined
    }
  }

  async #addAll(documents: readonly IndexDocument[], batch: Batch): Promise<void> {
    if (documents.length === 0) return
    const failing = new Map<string, unknown>()
    await this.#addSome(documents, failing)
    for (const [email, cause] of failing) await this.#postpone(batch, email, cause)
  }

  /** Halves what fails until it is known which ones do. */
  async #addSome(documents: readonly IndexDocument[], failing: Map<string, unknown>): Promise<void> {
    try {
      await this.#restAfter(() => this.#deps.index.add(documents))
    } catch (cause) {
      // The index may need a moment before it can be asked again.
      await wait(BACK_OFF_MS, undefined, { signal: this.#deps.signal() })
      const [only] = documents
      if (only && documents.length === 1) failing.set(only.email, cause)
      if (failing.size > MAX_FAILING) throw cause
      if (documents.length === 1) return
      const middle = documents.length >> 1
      await this.#addSome(documents.slice(0, middle), failing)
      await this.#addSome(documents.slice(middle), failing)
    }
  }

  /** The worker needs no time of this thread; if other work keeps the thread busy, that needs the time. */
  async #restAfter(work: () => Promise<void>): Promise<void> {
    const since = performance.now()
    const before = performance.eventLoopUtilization()
    const own = this.#turns.taken
    await work()
    const took = performance.now() - since
    const { active } = performance.eventLoopUtilization(before)
    const busy = (active - (this.#turns.taken - own)) / took
    const rest = ((busy - BUSY) / (1 - BUSY)) * REST_MAX * took
    if (rest > 0) await wait(Math.min(REST_MOST_MS, rest), undefined, { signal: this.#deps.signal() })
  }

  async #postpone(batch: Batch, email: string, cause: unknown): Promise<void> {
    if (this.#deps.signal().aborted) throw cause
    const lease = batch.get(email)
    batch.delete(email)
    this.#deps.log.warn('an email could not be indexed', { email, cause })
    if (!lease) return
    await this.#deps.store.commit([this.#attempts.endedOp(email)])
    await this.#deps.store.commit([{ due: lease.key, lane: this.#lane, in: UNREADABLE_MS }], [this.#stillOurs(lease)])
  }

  async #settle(leases: readonly Lease[]): Promise<void> {
    const ended = leases.map(({ key: at }) => this.#attempts.endedOp(emailOf(at)))
    const ops = leases.map(({ key: at }) => ({ undue: at, lane: this.#lane }))
    if (
      await this.#deps.store.commit(
        [...ended, ...ops],
        leases.map((one) => this.#stillOurs(one)),
      )
    )
      return
    await this.#deps.store.commit(ended)
    // One of them was rescheduled: it stays, the others are removed.
    await Promise.all(
      leases.map((lease) =>
        this.#deps.store.commit([{ undue: lease.key, lane: this.#lane }], [this.#stillOurs(lease)]),
      ),
    )
  }
}

export const emailOf = (at: Key): string => unkey(at)[1] as string
export const backOff = (failures: number) => Math.min(BACK_OFF_MOST_MS, BACK_OFF_MS * 2 ** Math.min(failures, 20))

/** Lets others have a turn when this one has taken long enough. */
class Turns {
  #since = performance.now()
  #taken = 0

  /** Ms for which emails were read, without the present turn. */
  get taken(): number {
    return this.#taken
  }

  begin(): void {
    this.#since = performance.now()
  }

  async give(): Promise<void> {
    const ms = performance.now() - this.#since
    if (ms < SLICE_MS) return
    this.#taken += ms
    await turn()
    this.begin()
  }
}
