/**
 * Log lines for watchers of the server: recent ones, then each new one; with several workers, those of every thread.
 *
 * Invariants: a watcher sees what the log would hold, masked in the same way; lines that are not read in time are
 * counted and dropped, so that a slow reader costs bounded memory and never blocks the server.
 */
import type { Level } from '../api/events.ts'

export interface LogLine {
  /** Ms since 1970. */
  readonly at: number
  readonly level: Level
  readonly event: string
  readonly text?: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** A line as the feed keeps it until there is a watcher. */
export interface KeptLine {
  /** Ms since 1970. */
  readonly at: number
  readonly level: Level
  readonly raw: Readonly<Record<string, unknown>>
  readonly text: string | undefined
}

/** A line with its fields before addresses were masked: for matching only, never shown. */
export interface WatchedLine {
  readonly line: LogLine
  readonly raw: Readonly<Record<string, unknown>>
}

/** The log as administrators see it. */
export interface LogView {
  /** The last lines, oldest first. */
  recent(): Promise<readonly WatchedLine[]>
  /** Each new line until the signal aborts; `undefined` replaces dropped lines. */
  follow(signal: AbortSignal): AsyncIterable<WatchedLine | undefined>
}

/** Called with lines of this thread for watchers in others. */
export type ForwardLines = (lines: readonly (WatchedLine | undefined)[]) => void

const MAX_RECENT = 1000
/** Maximum lines that wait for a reader. */
const MAX_WAITING = 2000

export class LogFeed {
  readonly #recent: KeptLine[] = []
  readonly #watchers = new Set<(watched: WatchedLine | undefined) => void>()
  readonly #shown: (kept: KeptLine) => WatchedLine
  readonly #watched: (isWatched: boolean) => void
  #forward: ForwardLines | undefined
  #forwarded: (WatchedLine | undefined)[] = []

  /** `shown`: a line as watchers see it. `watched` is called when the first watcher comes and when the last one goes. */
  constructor(shown: (kept: KeptLine) => WatchedLine, watched: (isWatched: boolean) => void = () => {}) {
    this.#shown = shown
    this.#watched = watched
  }

  get isWatched(): boolean {
    return this.#watchers.size > 0 || this.#forward !== undefined
  }

  /** Sends new lines to watchers in other threads, until it is called with undefined. */
  forwardTo(forward: ForwardLines | undefined): void {
    this.#forward = forward
  }

  /** Lines of other threads. */
  hear(lines: readonly (WatchedLine | undefined)[]): void {
    for (const line of lines) for (const watch of this.#watchers) watch(line)
  }

  /** `isWritten`: the line is also written to the log and counts as recent. */
  push(kept: KeptLine, isWritten: boolean): void {
    if (isWritten) {
      this.#recent.push(kept)
      // In bulk, because a shift per line costs the length of the list.
      if (this.#recent.length >= 2 * MAX_RECENT) this.#recent.splice(0, MAX_RECENT)
    }
    if (!this.isWatched) return
    const watched = this.#shown(kept)
    for (const watch of this.#watchers) watch(watched)
    if (this.#forward) this.#forwardSoon(watched)
  }

  /** Lines of one turn of the event loop go together. */
  #forwardSoon(watched: WatchedLine): void {
    const waiting = this.#forwarded.length
    if (waiting === 0)
      setImmediate(() => {
        this.#forward?.(this.#forwarded)
        this.#forwarded = []
      })
    if (waiting < MAX_WAITING) this.#forwarded.push(watched)
    else if (waiting === MAX_WAITING) this.#forwarded.push(undefined)
  }

  recent(): readonly WatchedLine[] {
    return this.#recent.slice(-MAX_RECENT).map(this.#shown)
  }

  async *follow(signal: AbortSignal): AsyncGenerator<WatchedLine | undefined> {
    const waiting: WatchedLine[] = []
    let isShort = false
    let wake = () => {}
    const watch = (watched: WatchedLine | undefined) => {
      if (watched && waiting.length < MAX_WAITING) waiting.push(watched)
      else isShort = true
      wake()
    }
    const stop = () => wake()
    this.#watchers.add(watch)
    if (this.#watchers.size === 1) this.#watched(true)
    signal.addEventListener('abort', stop)
    try {
      while (!signal.aborted) {
        yield* waiting.splice(0)
        if (isShort) yield undefined
        isShort = false
        if (waiting.length > 0) continue
        await new Promise<void>((resolve) => {
          wake = resolve
          if (signal.aborted || waiting.length > 0) resolve()
        })
      }
    } finally {
      this.#watchers.delete(watch)
      if (this.#watchers.size === 0) this.#watched(false)
      signal.removeEventListener('abort', stop)
    }
  }
}
