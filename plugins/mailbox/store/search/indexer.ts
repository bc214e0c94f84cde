/**
 * Keeps the index level with the store, in the background.
 *
 * A due entry in the index's own lane says "see that the index agrees with the store about this email": a commit that
 * changes who holds an email puts it there for each index that is registered (registry.ts). What must stay true: the entry goes only after the index has the documents on stable
 * storage, and only if nobody has asked anew since, so whatever ends when, the email is looked at again; an email that
 * cannot be read holds up no other, and one that ends the process does not end it again and again; mail that is
 * delivered comes before mail that is indexed.
 */
import { performance } from 'node:perf_hooks'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import { type Check, type Clock, type Key, type Lease, type Log, type Op, type Store, unkey } from 'iems'
import { createAttempts, MAX_DEATHS } from './attempts.ts'
import { expire, indexOp, laneOf, RENEW_MS, register, setScheduled } from './registry.ts'
import { type IndexDocument, lengthOf, type SearchIndex } from './search-index.ts'
import { NO_TEXT, type SearchText } from './text.ts'

/** What the store says about an email. */
export interface Indexable {
  /** Those that hold it. */
  readonly accounts: readonly string[]
  /** Read only when the index needs it. */
  text(): Promise<{ readonly text: SearchText; readonly isPartial?: boolean }>
}

export interface IndexerDeps {
  readonly store: Store
  readonly index: SearchIndex
  /** The index's own among those of this store; the same for as long as its file is. */
  readonly id: string
  readonly clock: Clock
  readonly log: Log
  /** Undefined when nobody holds it any more. */
  load(email: string): Promise<Indexable | undefined>
  /** Every email there is, in any order. */
  all(): AsyncIterable<string>
}

/** Emails taken at a time, and characters of their text in memory. */
const BATCH = 400
const BATCH_TEXT = 4_000_000
const LEASE_MS = 300_000
/** Ms from the first hint to the work: what comes meanwhile is written together. */
const LINGER_MS = 500
const POLL_MS = 30_000
/** Ms until an email that cannot be read or indexed is looked at again. */
const UNREADABLE_MS = 900_000
/** Ms until the index is tried again after a failure: doubled each time. */
const BACK_OFF_MS = 1000
const BACK_OFF_MOST_MS = 300_000
/** So many emails that fail each for itself are no accident: it is the index that fails. */
const MAX_FAILING = 10
/** Ms for which emails are read without letting others have a turn. */
const SLICE_MS = 5
/** From this share of its time on the event loop is busy with something else: then there is rest, and most when it is full. */
const BUSY = 0.8
/** The longest rest, in ms and as a multiple of the time that the work took. */
const REST_MOST_MS = 1000
const REST_MAX = 2
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

export type Indexer = ReturnType<typeof createIndexer>

/** The emails of a batch that are not settled, by name. */
type Batch = Map<string, Lease>
/** What the store says about the emails of a batch. */
type Found = ReadonlyMap<string, Indexable | undefined>

export function createIndexer({ store, index, id, clock, log, load, all }: IndexerDeps) {
  const lane = laneOf(id)
  /** Of the present run; a start after a stop makes another. */
  let stopping = new AbortController()
  const stillOurs = ({ key: at, generation }: Lease): Check => ({ due: at, lane, lease: generation })
  const giveTurn = createTurns()
  const attempts = createAttempts(store, id)
  const { endedOp } = attempts
  /** Every email there is has been scheduled, so that one that does not wait is in the index. */
  let isScheduled = false
  let renewAt = 0
  let isHinted = false
  let wake: () => void = () => {}

  // --- one batch ---

  /** Looks at what is due; false when that was not much, and more is better waited for than written bit by bit. */
  async function step(failures: number): Promise<boolean> {
    const leases = await store.take(lane, BATCH, LEASE_MS)
    const batch: Batch = new Map(leases.map((lease) => [emailOf(lease.key), lease]))
    if (batch.size === 0) return false
    try {
      const found = await loadAll(batch)
      const holdings = [...found].map(([email, one]) => ({ email, accounts: one?.accounts ?? [] }))
      await attemptAll(await index.align(holdings), found, batch)
      await settle([...batch.values()])
    } catch (cause) {
      for (const [email, lease] of batch)
        await store.commit([{ due: lease.key, lane, in: backOff(failures) }, endedOp(email)], [stillOurs(lease)])
      throw cause
    }
    return leases.length === BATCH
  }

  async function loadAll(batch: Batch): Promise<Map<string, Indexable | undefined>> {
    const found = new Map<string, Indexable | undefined>()
    for (const email of [...batch.keys()]) {
      await giveTurn()
      try {
        found.set(email, await load(email))
      } catch (cause) {
        await postpone(batch, email, cause)
      }
    }
    return found
  }

  /** Whatever was read when the process died is read by itself, so that the second death names one email. */
  async function attemptAll(emails: readonly string[], found: Found, batch: Batch): Promise<void> {
    if (emails.length === 0) return
    const deaths = await attempts.deaths()
    const fresh = emails.filter((email) => !deaths.has(email))
    if (fresh.length > 0) await attempts.begin(fresh, 0)
    await addTexts(fresh, found, batch)
    for (const email of emails) {
      const count = deaths.get(email) ?? 0
      if (count === 0) continue
      if (count < MAX_DEATHS) {
        await attempts.begin([email], count)
        await addTexts([email], found, batch)
      } else await giveUp(email, found, batch)
      const lease = batch.get(email)
      batch.delete(email)
      if (lease) await settle([lease])
    }
  }

  /** Not as partial: a search must not look into it either. */
  async function giveUp(email: string, found: Found, batch: Batch): Promise<void> {
    log.error('an email is not indexed, since the server has ended twice while it was read', { email })
    await addAll([{ email, accounts: found.get(email)?.accounts ?? [], text: NO_TEXT }], batch)
  }

  async function addTexts(emails: readonly string[], found: Found, batch: Batch): Promise<void> {
    let documents: IndexDocument[] = []
    let weight = 0
    for (const email of emails) {
      await giveTurn()
      try {
        const { accounts = [], text } = found.get(email) ?? {}
        if (text) documents.push({ email, accounts, ...(await text()) })
      } catch (cause) {
        await postpone(batch, email, cause)
        continue
      }
      const last = documents.at(-1)
      if (last) weight += lengthOf(last)
      if (weight < BATCH_TEXT) continue
      await addAll(documents, batch)
      documents = []
      weight = 0
    }
    await addAll(documents, batch)
  }

  async function addAll(documents: readonly IndexDocument[], batch: Batch): Promise<void> {
    if (documents.length === 0) return
    const failing = new Map<string, unknown>()
    await addSome(documents, failing)
    for (const [email, cause] of failing) await postpone(batch, email, cause)
  }

  /** Halves what fails until it is known which ones do. */
  async function addSome(documents: readonly IndexDocument[], failing: Map<string, unknown>): Promise<void> {
    try {
      await restAfter(() => index.add(documents))
    } catch (cause) {
      // The index may need a moment before it can be asked again.
      await wait(BACK_OFF_MS, undefined, { signal: stopping.signal })
      const [only] = documents
      if (only && documents.length === 1) failing.set(only.email, cause)
      if (failing.size > MAX_FAILING) throw cause
      if (documents.length === 1) return
      const middle = documents.length >> 1
      await addSome(documents.slice(0, middle), failing)
      await addSome(documents.slice(middle), failing)
    }
  }

  /** While the worker works this thread has nothing to do for it: if it is busy all the same, others need the time. */
  async function restAfter(work: () => Promise<void>): Promise<void> {
    const since = performance.now()
    const before = performance.eventLoopUtilization()
    await work()
    const { utilization } = performance.eventLoopUtilization(before)
    const rest = ((utilization - BUSY) / (1 - BUSY)) * REST_MAX * (performance.now() - since)
    if (rest > 0) await wait(Math.min(REST_MOST_MS, rest), undefined, { signal: stopping.signal })
  }

  async function postpone(batch: Batch, email: string, cause: unknown): Promise<void> {
    if (stopping.signal.aborted) throw cause
    const lease = batch.get(email)
    batch.delete(email)
    log.warn('an email could not be indexed', { email, cause })
    if (!lease) return
    await store.commit([endedOp(email)])
    await store.commit([{ due: lease.key, lane, in: UNREADABLE_MS }], [stillOurs(lease)])
  }

  async function settle(leases: readonly Lease[]): Promise<void> {
    const ended = leases.map(({ key: at }) => endedOp(emailOf(at)))
    const ops = leases.map(({ key: at }) => ({ undue: at, lane }))
    if (await store.commit([...ended, ...ops], leases.map(stillOurs))) return
    await store.commit(ended)
    // One of them was asked for anew: it stays, the others go.
    await Promise.all(leases.map((lease) => store.commit([{ undue: lease.key, lane }], [stillOurs(lease)])))
  }

  // --- all batches ---

  async function run(): Promise<void> {
    await sleep(LINGER_MS)
    for (let failures = 0; !stopping.signal.aborted; ) {
      try {
        isHinted = false
        await keepRegistered()
        await scheduleAll()
        while (!stopping.signal.aborted && (await step(failures))) failures = 0
        failures = 0
        await idle()
      } catch (cause) {
        if (stopping.signal.aborted) return
        log.error('emails are not being indexed', { cause })
        await sleep(backOff(failures++))
      }
    }
  }

  async function keepRegistered(): Promise<void> {
    if (isScheduled && store.now() < renewAt) return
    isScheduled = await register(store, id)
    renewAt = store.now() + RENEW_MS
    await expire(store)
  }

  /** Schedules everything, if that is not known to have been done since the index was made and registered. */
  async function scheduleAll(): Promise<void> {
    if (isScheduled && (await index.state()).isWhole) return
    let ops: Op[] = []
    let count = 0
    for await (const email of all()) {
      if (stopping.signal.aborted) return
      ops.push(indexOp(email, lane))
      count++
      if (ops.length < SCHEDULED) continue
      await store.commit(ops)
      ops = []
    }
    if (ops.length > 0) await store.commit(ops)
    await index.setWhole()
    isScheduled = await setScheduled(store, id)
    if (count > 0) log.info('the search index is being made anew', { emails: count })
  }

  /** Until there is something to do, or may be. */
  async function idle(): Promise<void> {
    const listen = (end: () => void) => {
      wake = end
    }
    if (!isHinted) await sleep(POLL_MS, listen)
    if (isHinted) await sleep(LINGER_MS)
  }

  async function sleep(ms: number, listen: (end: () => void) => void = () => {}): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const end = () => resolve()
    const cancel = clock.after(ms, end)
    stopping.signal.addEventListener('abort', end, { once: true })
    if (stopping.signal.aborted) end()
    listen(end)
    await promise
    cancel()
    stopping.signal.removeEventListener('abort', end)
  }

  function hint(): void {
    isHinted = true
    wake()
  }

  async function waiting(limit: number): Promise<Set<string>> {
    const emails = new Set<string>()
    for await (const { key: at } of store.due(lane, limit)) emails.add(emailOf(at))
    return emails
  }

  /** Everybody's emails for which the index of that name cannot speak yet; undefined when they are many. */
  async function unindexedNames() {
    const named = await waiting(NAMED + 1)
    const { made, isWhole } = await index.state()
    return isScheduled && isWhole && named.size <= NAMED ? { made, emails: named } : undefined
  }

  let running: Promise<void> | undefined
  return {
    start(): void {
      if (running) return
      stopping = new AbortController()
      const unwatch = store.watch(lane, (changed, at) => {
        if (changed === lane && at <= store.now()) hint()
      })
      running = run().finally(unwatch)
    },
    /** What is under way ends first. */
    async stop(): Promise<void> {
      stopping.abort()
      await running
      running = undefined
    },
    /** Forgets the index and makes it anew in the background. */
    async rebuild(): Promise<void> {
      await index.clear()
      hint()
    },
    /** How far it is; `waiting` is not counted any further than 100,000. */
    async status() {
      return { ...(await index.state()), waiting: (await waiting(COUNTED)).size }
    },
    unindexedNames,
    /** Those of an account's emails for which the index of that name cannot speak yet. */
    async unindexed(account: string, emails: readonly string[]): Promise<Unindexed> {
      const named = await unindexedNames()
      if (named) return { made: named.made, emails: emails.filter((email) => named.emails.has(email)) }
      const { made } = await index.state()
      return { made, emails: await index.missing(account, emails) }
    },
  }
}

const emailOf = (at: Key): string => unkey(at)[1] as string
const backOff = (failures: number) => Math.min(BACK_OFF_MOST_MS, BACK_OFF_MS * 2 ** Math.min(failures, 20))

/** Lets others have a turn when this one has taken long enough. */
function createTurns(): () => Promise<void> {
  let since = performance.now()
  return async () => {
    if (performance.now() - since < SLICE_MS) return
    await turn()
    since = performance.now()
  }
}
