/**
 * Limits how long one session works before others get their turn. Every listener consults it before each command, so
 * that pipelined commands of one client delay the others by no more than this.
 */

/** Maximum ms of work per turn of the event loop. */
const SHARE_MS = 5

export class Pace {
  /** When the session started to work in this turn of the event loop. */
  #began: number | undefined

  /** Undefined while the session may continue; otherwise resolves after other sessions had their turn. */
  due(): Promise<void> | undefined {
    const now = performance.now()
    if (this.#began !== undefined)
      return now - this.#began < SHARE_MS ? undefined : new Promise((resolve) => setImmediate(resolve))
    this.#began = now
    setImmediate(() => {
      this.#began = undefined
    })
    return undefined
  }
}
