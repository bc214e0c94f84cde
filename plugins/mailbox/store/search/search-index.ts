/**
 * The full-text index as its users see it: it runs in a worker thread, so that only searches wait for it.
 *
 * Invariants: a bounded number of requests is sent to the worker, and one write at a time, so a search waits for at
 * most one small write; unanswered requests of a dead worker are sent to its successor (every request is repeatable);
 * when the index cannot answer in time, the caller learns so and reads the messages instead.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { Log } from 'iems'
import type { Holding, IndexDocument, IndexFileOptions, IndexQuery, IndexState, Latest, Page } from './index-file.ts'
import { FIELDS } from './text.ts'
import type { Answer, Argument, Call, Request } from './worker/index.ts'

export type { Hit, Holding, IndexDocument, IndexQuery, IndexState, Page } from './index-file.ts'

export interface SearchIndex {
  /** Forgets emails in accounts that no longer hold them, and answers those whose text is still wanted by `add`. */
  align(holdings: readonly Holding[]): Promise<readonly string[]>
  /** On stable storage when it resolves. Existing documents stay unchanged. */
  add(documents: readonly IndexDocument[]): Promise<void>
  /** Undefined when the index knows nothing about these conditions. */
  search(query: IndexQuery): Promise<Page | undefined>
  /** Sure hits, the last indexed first; undefined where the index cannot be sure. */
  latest(query: Omit<IndexQuery, 'after'>): Promise<Latest | undefined>
  /** Those of the emails that are not in the index for this account. */
  missing(account: string, emails: readonly string[]): Promise<readonly string[]>
  state(): Promise<IndexState>
  /** Everything there is has been handed in, or waits where it is not forgotten. */
  setWhole(): Promise<void>
  /** Forgets everything, which asks for a rebuild. */
  clear(): Promise<void>
  close(): Promise<void>
}

export interface IndexOptions extends IndexFileOptions {
  readonly log: Log
  /** Ms for which a search waits for its answer. */
  readonly searchMs: number
}

interface Waiting {
  readonly request: Request
  /** Whether a worker has died with it once. */
  isSecond: boolean
  settle(answer: Answer): void
}

/** Documents, and characters of their text, that are written in one transaction. */
const CHUNK = 200
const CHUNK_TEXT = 2_000_000
/** Emails asked about at once. */
const ASKED = 5000
/** Requests that may wait for the worker. */
const MAX_WAITING = 100
const WRITES: readonly Call[] = ['align', 'add', 'setWhole', 'clear']
/** Ms after which a worker that does not answer a write is ended. */
const WRITE_MS = 120_000
const CLOSE_MS = 10_000
/** Ms before a worker that keeps dying is started again: doubled each time. */
const RESTART_MS = 100
const RESTART_MOST_MS = 60_000
/** Memory limit of the worker, whose input is bounded. */
const MEMORY_MB = 256
const YOUNG_MEMORY_MB = 8

/** A worker that is started when it is needed, and again when it dies. */
class IndexWorker {
  readonly #options: IndexOptions
  readonly #waiting = new Map<number, Waiting>()
  readonly #closing = new AbortController()
  #worker: Worker | undefined
  #lastId = 0
  /** Deaths since the last answer. */
  #deaths = 0
  #isResting = false

  constructor(options: IndexOptions) {
    this.#options = options
  }

  call(call: Call, argument: unknown, ms: number): Promise<unknown> {
    if (this.#closing.signal.aborted && call !== 'close') return Promise.reject(new Error('the search index is closed'))
    if (this.#isResting) return Promise.reject(new Error('the search index cannot be used at the moment'))
    if (this.#waiting.size >= MAX_WAITING) return Promise.reject(new Error('the search index has too much to do'))
    const worker = this.#started()
    const request: Request = { id: ++this.#lastId, call, argument }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const timer = setTimeout(() => this.#giveUp(request), ms)
    this.#waiting.set(request.id, {
      request,
      isSecond: false,
      settle: (answer) => {
        clearTimeout(timer)
        this.#waiting.delete(request.id)
        if (this.#waiting.size === 0) this.#worker?.unref()
        if ('value' in answer) resolve(answer.value)
        else reject(new Error('why' in answer ? answer.why : 'no answer'))
      },
    })
    worker.ref()
    worker.postMessage(request)
    return promise
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    const worker = this.#worker
    if (!worker) return
    await this.call('close', undefined, CLOSE_MS).catch((cause: unknown) =>
      this.#options.log.warn('the search index was not closed in time', { cause }),
    )
    await Promise.race([worker.terminate(), wait(CLOSE_MS, undefined, { ref: false })])
  }

  #started(): Worker {
    if (this.#worker) return this.#worker
    const { path, maxText, maxWords } = this.#options
    const worker = new Worker(new URL(import.meta.resolve('iems/plugins/mailstore/search/worker')), {
      name: 'mailstore-search',
      workerData: { path, maxText, maxWords } satisfies IndexFileOptions,
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB, maxYoungGenerationSizeMb: YOUNG_MEMORY_MB },
    })
    this.#worker = worker
    worker.on('message', (answer: Answer) => this.#hear(answer))
    worker.on('error', (cause) => this.#options.log.error('the search index failed', { cause }))
    worker.on('exit', () => this.#succeed(worker))
    return worker
  }

  #hear(answer: Answer): void {
    if ('putAside' in answer) {
      this.#options.log.error('the search index was put aside and is built again', { why: answer.putAside })
      return
    }
    this.#deaths = 0
    this.#waiting.get(answer.id)?.settle(answer)
  }

  /** An answer did not come in time; a worker that does not end a write is stuck. */
  #giveUp({ id, call }: Request): void {
    this.#waiting.get(id)?.settle({ id, why: 'the search index did not answer in time' })
    if (WRITES.includes(call)) void this.#worker?.terminate()
  }

  /** Sends a dead worker's unanswered requests to the next one, once. */
  #succeed(worker: Worker): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const { isSecond, request, settle } of [...this.#waiting.values()])
      if (isSecond || this.#closing.signal.aborted) settle({ id: request.id, why: 'the search index failed' })
    if (this.#closing.signal.aborted) return
    if (++this.#deaths > 1) this.#rest()
    if (this.#waiting.size === 0) return
    const next = this.#started()
    for (const one of this.#waiting.values()) {
      one.isSecond = true
      next.postMessage(one.request)
    }
  }

  /** Suspends requests for a while. */
  #rest(): void {
    const ms = Math.min(RESTART_MOST_MS, RESTART_MS * 2 ** Math.min(this.#deaths, 20))
    this.#isResting = true
    setTimeout(() => {
      this.#isResting = false
    }, ms).unref()
    for (const { request, settle } of [...this.#waiting.values()])
      settle({ id: request.id, why: 'the search index failed' })
  }
}

/** Opens nothing yet: the worker and the file come with the first request. */
export function openIndex(options: IndexOptions): SearchIndex {
  const worker = new IndexWorker(options)
  let lastWrite: Promise<unknown> = Promise.resolve()
  // The worker answers with the result of the file's method of that name.
  const call = <K extends Call, T>(name: K, argument: Argument<K>, ms: number) =>
    worker.call(name, argument, ms) as Promise<T>

  /** One write after the other. */
  function write<K extends Call, T>(name: K, argument: Argument<K>): Promise<T> {
    const done = lastWrite.then(() => call<K, T>(name, argument, WRITE_MS))
    lastWrite = done.catch(() => {
      // The caller gets the error.
    })
    return done
  }

  return {
    async align(holdings) {
      const wanted: string[] = []
      for (const some of chunksOf(holdings, () => 0)) wanted.push(...(await write<'align', string[]>('align', some)))
      return wanted
    },
    async add(documents) {
      for (const some of chunksOf(documents, lengthOf)) await write('add', some)
    },
    search: (query) => call('search', query, options.searchMs),
    latest: (query) => call('latest', query, options.searchMs),
    async missing(account, emails) {
      const missing: string[] = []
      for (let start = 0; start < emails.length; start += ASKED) {
        const some = emails.slice(start, start + ASKED)
        missing.push(...(await call<'missing', string[]>('missing', { account, emails: some }, options.searchMs)))
      }
      return missing
    },
    state: () => call('state', undefined, options.searchMs),
    setWhole: () => write('setWhole', undefined),
    clear: () => write('clear', undefined),
    close: () => worker.close(),
  }
}

/** Characters of its text. */
export const lengthOf = ({ text }: IndexDocument) => FIELDS.reduce((sum, field) => sum + text[field].length, 0)

function* chunksOf<T>(all: readonly T[], weigh: (one: T) => number): Generator<readonly T[]> {
  let chunk: T[] = []
  let weight = 0
  for (const one of all) {
    chunk.push(one)
    weight += weigh(one)
    if (chunk.length < CHUNK && weight < CHUNK_TEXT) continue
    yield chunk
    chunk = []
    weight = 0
  }
  if (chunk.length > 0) yield chunk
}
