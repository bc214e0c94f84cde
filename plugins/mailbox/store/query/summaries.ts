/**
 * Sort keys of a mailbox's messages, and its latest order and threads, kept in memory.
 *
 * Invariants: a UID never means another message, so a kept summary is never stale, nor are the order and the threads of
 * the same UIDs; memory is bounded, and the mailbox that was used least recently is evicted first.
 */
import { Cache } from 'iems'
import type { Entry, MailboxRef, MailboxThreads, ThreadTree } from '../api.ts'
import type { SortKeys } from '../digest.ts'

export interface MessageSummary extends SortKeys {
  readonly received: number
  readonly size: number
}

export interface Wanted {
  readonly mailbox: MailboxRef
  readonly uids: readonly number[]
  readonly signal?: AbortSignal
  /** Called now and then with the number of messages read. */
  progress?(count: number): Promise<void> | void
}

export interface SummariesDeps {
  entries(mailbox: MailboxRef, uids: readonly number[]): AsyncIterable<Entry>
  sortKeys(emails: readonly string[]): Promise<readonly (SortKeys | undefined)[]>
  /** Octets of memory, roughly. */
  readonly maxMemory: number
}

const NOTHING: MessageSummary = {
  received: 0,
  size: 0,
  subject: '',
  isReply: false,
  from: '',
  to: '',
  cc: '',
  displayFrom: '',
  displayTo: '',
  references: [],
}

/**
 * Approximate memory in octets of a mailbox, a summary, a reference, a string without its characters, a place in an
 * order, a place in a thread.
 */
const MAILBOX = 500
const SUMMARY = 250
const REFERENCE = 8
const TEXT = 80
const ORDERED = 16
const THREADED = 250

/** Messages that are read at a time. */
const BATCH = 100

/** The cached data of one mailbox. */
interface Kept {
  readonly summaries: Map<number, MessageSummary>
  /** Many messages share a subject, a name, a reference. */
  readonly texts: Map<string, string>
  /** The latest result of each algorithm. */
  readonly threads: Map<Algorithm, Result<readonly ThreadTree[]>>
  sorted?: Result<readonly number[]> & { readonly order: string }
  weight: number
}

type Algorithm = MailboxThreads['algorithm']

/** The result for some UIDs. */
interface Result<T> {
  readonly uids: readonly number[]
  readonly is: T
}

const isOf = (result: Result<unknown> | undefined, uids: readonly number[]): boolean =>
  result?.uids.length === uids.length && result.uids.every((uid, index) => uid === uids[index])

export class Summaries {
  readonly #deps: SummariesDeps
  /** By mailbox. */
  readonly #kept: Cache<Kept>

  constructor(deps: SummariesDeps) {
    this.#deps = deps
    this.#kept = new Cache({ max: deps.maxMemory, weigh: ({ weight }) => weight })
  }

  /** In the order of the UIDs. A message that has gone is empty. */
  async of(wanted: Wanted): Promise<readonly MessageSummary[]> {
    const { mailbox, uids } = wanted
    const { summaries } = this.#keptOf(mailbox.id)
    const known = uids.map((uid) => summaries.get(uid))
    const missing = uids.filter((_, index) => !known[index])
    if (missing.length === 0) return known as MessageSummary[]
    const found = await this.#read({ ...wanted, uids: missing.sort((a, b) => a - b) })
    return uids.map((uid, index) => known[index] ?? found.get(uid) ?? NOTHING)
  }

  /** The threads that were kept last, if they are of these UIDs. */
  threads({ id }: MailboxRef, algorithm: Algorithm, uids: readonly number[]): readonly ThreadTree[] | undefined {
    const known = this.#kept.get(id)?.threads.get(algorithm)
    return isOf(known, uids) ? known?.is : undefined
  }

  keepThreads({ id }: MailboxRef, algorithm: Algorithm, result: Result<readonly ThreadTree[]>): void {
    const kept = this.#keptOf(id)
    const before = kept.threads.get(algorithm)?.uids.length ?? 0
    if (this.#hasRoom(id, kept, THREADED * (result.uids.length - before))) kept.threads.set(algorithm, result)
  }

  /** The order that was kept last, if it is this one, of these UIDs. */
  sorted({ id }: MailboxRef, order: string, uids: readonly number[]): readonly number[] | undefined {
    const known = this.#kept.get(id)?.sorted
    return known?.order === order && isOf(known, uids) ? known.is : undefined
  }

  keepSorted({ id }: MailboxRef, result: NonNullable<Kept['sorted']>): void {
    const kept = this.#keptOf(id)
    const before = kept.sorted?.uids.length ?? 0
    if (this.#hasRoom(id, kept, ORDERED * (result.uids.length - before))) kept.sorted = result
  }

  /** Counts more memory of a mailbox. The sort keys are worth more than what is made of them. */
  #hasRoom(id: string, kept: Kept, more: number): boolean {
    if (kept.weight + more > this.#deps.maxMemory) return false
    kept.weight += more
    this.#kept.set(id, kept)
    return true
  }

  async #read({ mailbox, uids, signal, progress }: Wanted): Promise<Map<number, MessageSummary>> {
    const found = new Map<number, MessageSummary>()
    let batch: Entry[] = []
    const flush = async () => {
      const keys = await this.#deps.sortKeys(batch.map(({ email }) => email))
      const kept = this.#keptOf(mailbox.id)
      for (const [index, { uid, received, size }] of batch.entries())
        found.set(uid, keep(kept, uid, { ...(keys[index] ?? NOTHING), received, size }))
      // Weighs it again.
      this.#kept.set(mailbox.id, kept)
      batch = []
    }
    for await (const entry of this.#deps.entries(mailbox, uids)) {
      if (batch.push(entry) < BATCH) continue
      await flush()
      await new Promise(setImmediate)
      await progress?.(found.size)
      signal?.throwIfAborted()
    }
    await flush()
    return found
  }

  #keptOf(id: string): Kept {
    return this.#kept.getOrMake(id, () => ({
      summaries: new Map(),
      texts: new Map(),
      threads: new Map(),
      weight: MAILBOX,
    }))
  }
}

/** Copies, so that the cache does not retain the record. */
function keep(kept: Kept, uid: number, summary: MessageSummary): MessageSummary {
  const { id, subject, from, to, cc, displayFrom, displayTo, references } = summary
  const owned: MessageSummary = {
    ...summary,
    subject: own(kept, subject),
    from: own(kept, from),
    to: own(kept, to),
    cc: own(kept, cc),
    displayFrom: own(kept, displayFrom),
    displayTo: own(kept, displayTo),
    ...(id === undefined ? {} : { id: own(kept, id) }),
    references: references.map((one) => own(kept, one)),
  }
  kept.summaries.set(uid, owned)
  kept.weight += SUMMARY + REFERENCE * references.length
  return owned
}

function own(kept: Kept, text: string): string {
  if (text === '') return ''
  const known = kept.texts.get(text)
  if (known !== undefined) return known
  // A copy: a part of a string keeps the whole of it in memory.
  const copy = Buffer.from(text).toString()
  kept.texts.set(copy, copy)
  kept.weight += copy.length + TEXT
  return copy
}
