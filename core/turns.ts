/**
 * Turns at something of which there is little: so many work at a time, the others wait in order.
 *
 * What must stay true: never more at a time than that; a turn goes from hand to hand, so that nobody who comes later gets
 * in before; who may not wait is told at once, who has waited too long when that is.
 */

/** `isLate`: it waited in vain; otherwise too many waited already. */
export class NoTurn extends Error {
  readonly isLate: boolean

  constructor(isLate: boolean) {
    super(isLate ? 'no turn in time' : 'too many wait for a turn')
    this.isLate = isLate
  }
}

export interface TurnsParts {
  readonly atOnce: number
  /** Most that wait. Default: any number. */
  readonly waiting?: number
  /** Milliseconds that one waits. Default: as long as it takes. */
  readonly patience?: number
}

export interface Turns {
  /** Does the work when it is its turn. Throws `NoTurn`. */
  take<T>(work: () => Promise<T>): Promise<T>
}

export function createTurns({ atOnce, waiting: most = Number.POSITIVE_INFINITY, patience }: TurnsParts): Turns {
  let working = 0
  const waiting: (() => void)[] = []

  async function enter(): Promise<void> {
    if (working < atOnce) {
      working++
      return
    }
    if (waiting.length >= most) throw new NoTurn(false)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    waiting.push(resolve)
    const late = () => {
      waiting.splice(waiting.indexOf(resolve), 1)
      reject(new NoTurn(true))
    }
    const timer = patience === undefined ? undefined : setTimeout(late, patience)
    // Who gets the turn takes it over: it is not given back in between.
    await promise.finally(() => clearTimeout(timer))
  }

  return {
    async take(work) {
      await enter()
      try {
        return await work()
      } finally {
        const next = waiting.shift()
        if (next) next()
        else working--
      }
    },
  }
}
