/**
 * A list of conversations, of a mailbox or a search, loaded in windows around the visible rows.
 *
 * Invariants: positions are the server's; a removed row disappears at once and stays hidden unless the server refuses;
 * old rows stay until their new content arrives.
 */
import type { Call, JmapClient, Json } from './client.ts'
import { EMAIL_PROPERTIES, type Email } from './objects.ts'

export type ListKey =
  | { readonly kind: 'mailbox'; readonly id: string }
  /** `account`: of another person whose mailboxes are searched. */
  | { readonly kind: 'search'; readonly query: string; readonly account?: string }

/** Rows asked for at a time. */
export const WINDOW = 60
/** Maximum rows cached outside the window. */
const MAX_ROWS = 3000

/** The subject and the text around the words of a search, with the words in `<mark>`; null where there is none. */
export interface Hit {
  readonly subject: string | null
  readonly preview: string | null
}

export interface Loaded {
  readonly emails: readonly Email[]
  readonly threads: readonly { readonly id: string; readonly emailIds: readonly string[] }[]
}

export class ConversationList {
  readonly key: ListKey
  readonly filter: Json
  total = 0
  /** Whether the first window has come. */
  isLoaded = false
  error: Error | undefined
  /** Of a search, by email. */
  readonly hits = new Map<string, Hit>()
  readonly #rows = new Map<number, string>()
  /** Windows being loaded. */
  readonly #loading = new Set<number>()
  /** The visible rows; initially the first ones. */
  #seen: readonly [first: number, last: number] = [0, WINDOW - 1]
  readonly #stale = new Set<number>()

  constructor(key: ListKey, filter: Json) {
    this.key = key
    this.filter = filter
  }

  at(index: number): string | undefined {
    return this.#rows.get(index)
  }

  indexOf(threadId: string): number {
    for (const [index, id] of this.#rows) if (id === threadId) return index
    return -1
  }

  /** The windows that are needed for these rows and not there yet. */
  needed(first: number, last: number): number[] {
    this.#seen = [first, last]
    const windows: number[] = []
    for (let at = Math.floor(first / WINDOW) * WINDOW; at <= last; at += WINDOW) {
      if (this.isLoaded && at >= this.total) break
      if (this.#loading.has(at)) continue
      const end = Math.min(at + WINDOW, this.isLoaded ? this.total : at + 1)
      let isMissing = this.#stale.has(at)
      for (let index = at; index < end && !isMissing; index++) isMissing = !this.#rows.has(index)
      if (isMissing) windows.push(at)
    }
    return windows
  }

  /**
   * Requests all rows again when they become visible; until then the old ones stay. Returns the visible windows, even
   * beyond the apparent end of the list.
   */
  markStale(): number[] {
    this.#stale.clear()
    for (const index of this.#rows.keys()) this.#stale.add(Math.floor(index / WINDOW) * WINDOW)
    const [first, last] = this.#seen
    const windows: number[] = []
    for (let at = Math.floor(first / WINDOW) * WINDOW; at <= last; at += WINDOW)
      if (at === 0 || at < Math.max(this.total, WINDOW)) windows.push(at)
    return windows.length > 0 ? windows : [0]
  }

  /** Fills the list with cached conversations; they are loaded again when the server answers. */
  fill(threadIds: readonly string[]): void {
    this.#rows.clear()
    for (const [index, id] of threadIds.entries()) this.#rows.set(index, id)
    this.total = threadIds.length
    this.isLoaded = true
    this.error = undefined
    this.markStale()
  }

  async load(client: JmapClient, start: number): Promise<Loaded> {
    this.#loading.add(start)
    try {
      const [query, , threads, emails, snippets] = await client.call(
        [
          'Email/query',
          {
            filter: this.filter,
            sort: [{ property: 'receivedAt', isAscending: false }],
            collapseThreads: true,
            calculateTotal: true,
            position: start,
            limit: WINDOW,
          },
        ],
        ['Email/get', { '#ids': { resultOf: 'c0', name: 'Email/query', path: '/ids' }, properties: ['threadId'] }],
        ['Thread/get', { '#ids': { resultOf: 'c1', name: 'Email/get', path: '/list/*/threadId' } }],
        [
          'Email/get',
          { '#ids': { resultOf: 'c2', name: 'Thread/get', path: '/list/*/emailIds' }, properties: EMAIL_PROPERTIES },
        ],
        ...(this.key.kind === 'search' ? [this.#snippets()] : []),
      )
      for (const { emailId, subject, preview } of (snippets?.list ?? []) as (Hit & { emailId: string })[])
        if (subject !== null || preview !== null) this.hits.set(emailId, { subject, preview })
      const found = (emails?.list ?? []) as Email[]
      const threadOf = new Map(found.map(({ id, threadId }) => [id, threadId]))
      this.total = query?.total ?? 0
      this.isLoaded = true
      this.error = undefined
      this.#stale.delete(start)
      for (let index = start; index < start + WINDOW; index++) this.#rows.delete(index)
      for (const [offset, id] of ((query?.ids ?? []) as string[]).entries()) {
        const threadId = threadOf.get(id)
        if (threadId !== undefined) this.#rows.set(start + offset, threadId)
      }
      this.#forget()
      return { emails: found, threads: threads?.list ?? [] }
    } finally {
      this.#loading.delete(start)
    }
  }

  #snippets(): Call {
    const emailIds = { resultOf: 'c0', name: 'Email/query', path: '/ids' }
    return ['SearchSnippet/get', { filter: this.filter, '#emailIds': emailIds }]
  }

  /** Takes conversations out before the server has answered; those behind move up. */
  remove(threadIds: ReadonlySet<string>): void {
    const kept: [number, string][] = []
    let gone = 0
    for (const [index, id] of [...this.#rows].sort(([a], [b]) => a - b)) {
      if (threadIds.has(id)) gone++
      else kept.push([index - gone, id])
    }
    this.#rows.clear()
    for (const [index, id] of kept) this.#rows.set(index, id)
    this.total = Math.max(0, this.total - gone)
  }

  /** Drops loaded rows far from the visible ones, so that memory does not grow with the mailbox. */
  #forget(): void {
    if (this.#rows.size <= MAX_ROWS) return
    const [first] = this.#seen
    const far = [...this.#rows.keys()].sort((a, b) => Math.abs(b - first) - Math.abs(a - first))
    for (const index of far.slice(0, this.#rows.size - MAX_ROWS)) this.#rows.delete(index)
  }
}

/** Conversations of a mailbox among these emails, the newest first. */
export function threadsIn(key: ListKey, emails: Iterable<Email>): string[] {
  if (key.kind !== 'mailbox') return []
  const latest = new Map<string, string>()
  for (const { threadId, mailboxIds, receivedAt } of emails)
    if (mailboxIds[key.id] && receivedAt > (latest.get(threadId) ?? '')) latest.set(threadId, receivedAt)
  return [...latest].sort(([, a], [, b]) => b.localeCompare(a)).map(([id]) => id)
}
