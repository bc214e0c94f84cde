/**
 * How long one session may work before the others have their turn. Every listener asks before each command, so that what
 * one client pipelines delays the others by no more than this.
 */

/** Ms of work in one turn of the event loop. */
const SHARE_MS = 5

export class Pace {
  /** When the session began to work in this turn of the event loop. */
  #began: number | undefined

  /** Undefined while the session may go on; otherwise settles after the others have had their turn. */
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
