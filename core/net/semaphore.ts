/**
 * A semaphore with a bounded FIFO queue for each rank and an optional wait timeout.
 *
 * Invariants: the limit is never exceeded; a slot passes directly to the next waiter, so that no later caller of the
 * same rank overtakes; a full queue rejects only callers of its own rank; no rank starves.
 */

/** `isLate`: the wait timed out; otherwise the queue was full. */
export class SemaphoreRejected extends Error {
  readonly isLate: boolean

  constructor(isLate: boolean) {
    super(isLate ? 'no turn in time' : 'too many wait for a turn')
    this.isLate = isLate
  }
}

export interface SemaphoreOptions {
  readonly limit: number
  /** Maximum waiters per queue. Default: unlimited. */
  readonly waiting?: number
  /** Wait timeout in milliseconds. Default: none. */
  readonly waitTimeout?: number
}

export interface Semaphore {
  /** Runs the work when a slot is free; lower ranks go first. Default rank: 0. Throws `SemaphoreRejected`. */
  take<T>(work: () => Promise<T>, rank?: number): Promise<T>
}

/** One in this many slots goes to the highest waiting rank. */
const SHARE = 8

export function createSemaphore({
  limit,
  waiting: most = Number.POSITIVE_INFINITY,
  waitTimeout,
}: SemaphoreOptions): Semaphore {
  let working = 0
  let given = 0
  const queues: (() => void)[][] = []

  async function enter(rank: number): Promise<void> {
    if (working < limit) {
      working++
      return
    }
    while (queues.length <= rank) queues.push([])
    const queue = queues[rank] as (() => void)[]
    if (queue.length >= most) throw new SemaphoreRejected(false)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    queue.push(resolve)
    const late = () => {
      queue.splice(queue.indexOf(resolve), 1)
      reject(new SemaphoreRejected(true))
    }
    const timer = waitTimeout === undefined ? undefined : setTimeout(late, waitTimeout)
    // The next waiter takes over the slot; it is not released in between.
    await promise.finally(() => clearTimeout(timer))
  }

  function next(): (() => void) | undefined {
    const isWaiting = (queue: readonly unknown[]) => queue.length > 0
    return (++given % SHARE === 0 ? queues.findLast(isWaiting) : queues.find(isWaiting))?.shift()
  }

  return {
    async take(work, rank = 0) {
      await enter(rank)
      try {
        return await work()
      } finally {
        const resolve = next()
        if (resolve) resolve()
        else working--
      }
    },
  }
}
