/**
 * Log lines for watchers of the server: recent ones, then each new one.
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

/** A line with its fields before addresses were masked: for matching only, never shown. */
export interface WatchedLine {
  readonly line: LogLine
  readonly raw: Readonly<Record<string, unknown>>
}

const MAX_RECENT = 1000
/** Maximum lines that wait for a reader. */
const MAX_WAITING = 2000

export class LogFeed {
  readonly #recent: WatchedLine[] = []
  readonly #watchers = new Set<(watched: WatchedLine) => void>()

  get isWatched(): boolean {
    return this.#watchers.size > 0
  }

  /** `isWritten`: the line is also written to the log and counts as recent. */
  push(watched: WatchedLine, isWritten: boolean): void {
    if (isWritten) {
      this.#recent.push(watched)
      // In bulk, because a shift per line costs the length of the list.
      if (this.#recent.length >= 2 * MAX_RECENT) this.#recent.splice(0, MAX_RECENT)
    }
    for (const watch of this.#watchers) watch(watched)
  }

  recent(): readonly WatchedLine[] {
    return this.#recent.slice(-MAX_RECENT)
  }

  /** Each new line until the signal aborts; `undefined` replaces dropped lines. */
  async *follow(signal: AbortSignal): AsyncGenerator<WatchedLine | undefined> {
    const waiting: WatchedLine[] = []
    let isShort = false
    let wake = () => {}
    const watch = (watched: WatchedLine) => {
      if (waiting.length < MAX_WAITING) waiting.push(watched)
      else isShort = true
      wake()
    }
    const stop = () => wake()
    this.#watchers.add(watch)
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
      signal.removeEventListener('abort', stop)
    }
  }
}
