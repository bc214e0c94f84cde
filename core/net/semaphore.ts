/**
 * A semaphore: so many work at a time, the others wait, each rank in a queue of its own.
 *
 * What must stay true: never more at a time than that; a turn goes from hand to hand, so that a later caller of the same
 * rank gets in before no one; a full queue refuses only callers of its own rank; every queue moves, however long the
 * better ones are.
 */

/** `isLate`: it waited in vain; otherwise its queue was full. */
export class SemaphoreRejected extends Error {
  readonly isLate: boolean

  constructor(isLate: boolean) {
    super(isLate ? 'no turn in time' : 'too many wait for a turn')
    this.isLate = isLate
  }
}

export interface SemaphoreOptions {
  readonly atOnce: number
  /** Most that wait in one queue. Default: any number. */
  readonly waiting?: number
  /** Milliseconds that one waits. Default: as long as it takes. */
  readonly patience?: number
}

export interface Semaphore {
  /** Does the work when it is its turn; a lower rank is served first. Default rank: 0. Throws `NoTurn`. */
  take<T>(work: () => Promise<T>, rank?: number): Promise<T>
}

/** Of so many turns one goes to the highest rank that waits. */
const SHARE = 8

export function createSemaphore({
  atOnce,
  waiting: most = Number.POSITIVE_INFINITY,
  patience,
}: SemaphoreOptions): Semaphore {
  let working = 0
  let given = 0
  const queues: (() => void)[][] = []

  async function enter(rank: number): Promise<void> {
    if (working < atOnce) {
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
    const timer = patience === undefined ? undefined : setTimeout(late, patience)
    // Who gets the turn takes it over: it is not given back in between.
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
