/**
 * Sort keys of a mailbox's messages, kept in memory.
 *
 * Invariants: a UID never means another message, so a kept summary is never stale; memory is bounded, and the mailbox
 * that was used least recently is evicted first.
 */
import { Cache } from 'iems'
import type { Entry, MailboxRef } from '../api.ts'
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

/** Approximate memory in octets of a mailbox, a summary, a reference, and a string without its characters. */
const MAILBOX = 500
const SUMMARY = 250
const REFERENCE = 8
const TEXT = 80

/** Messages that are read at a time. */
const BATCH = 100

/** The cached data of one mailbox. */
interface Kept {
  readonly summaries: Map<number, MessageSummary>
  /** Many messages share a subject, a name, a reference. */
  readonly texts: Map<string, string>
  weight: number
}

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

  async #read({ mailbox, uids, signal, progress }: Wanted): Promise<Map<number, MessageSummary>> {
    const found = new Map<number, MessageSummary>()
    let batch: Entry[] = []
    const flush = async () => {
      const keys = await this.#deps.sortKeys(batch.map(({ email }) => email))
      for (const [index, { uid, received, size }] of batch.entries())
        found.set(uid, this.#keep(mailbox.id, uid, { ...(keys[index] ?? NOTHING), received, size }))
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
    return this.#kept.getOrMake(id, () => ({ summaries: new Map(), texts: new Map(), weight: MAILBOX }))
  }

  /** Copies, so that the cache does not retain the record. */
  #keep(id: string, uid: number, summary: MessageSummary): MessageSummary {
    const kept = this.#keptOf(id)
    let more = SUMMARY + REFERENCE * summary.references.length
    const own = (text: string): string => {
      const known = kept.texts.get(text)
      if (known !== undefined) return known
      // A copy: a part of a string keeps the whole of it in memory.
      const copy = Buffer.from(text).toString()
      kept.texts.set(copy, copy)
      more += copy.length + TEXT
      return copy
    }
    const { id: messageId, subject, from, to, cc, displayFrom, displayTo, references, ...rest } = summary
    const owned: MessageSummary = {
      ...rest,
      subject: own(subject),
      from: own(from),
      to: own(to),
      cc: own(cc),
      displayFrom: own(displayFrom),
      displayTo: own(displayTo),
      ...(messageId === undefined ? {} : { id: own(messageId) }),
      references: references.map(own),
    }
    kept.summaries.set(uid, owned)
    kept.weight += more
    this.#kept.set(id, kept)
    return owned
  }
}
