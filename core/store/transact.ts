/**
 * An optimistic transaction: read, prepare, commit with checks; again when another kernel was faster.
 *
 * Invariants: tries are bounded; random pauses keep kernels that try in step from overtaking each other again and again.
 */
import { setTimeout as wait } from 'node:timers/promises'

/** Returned by a try whose commit failed a check. */
export const CONFLICT: unique symbol = Symbol('a check of the commit failed')

/** Another kernel was faster at every try. */
export class TransactionConflict extends Error {
  constructor(what: string, tries: number) {
    super(`${what} was changed by others again and again, ${tries} times`)
    this.name = 'TransactionConflict'
  }
}

export interface TransactOptions {
  /** Name of the changed object, for the error: `the account`. */
  readonly what: string
  /** Maximum number of tries. Default: 20. */
  readonly tries?: number
}

/** Longest pause between two tries, in ms. */
const MAX_PAUSE_MS = 100

/** The result of the first try that does not return CONFLICT. Throws TransactionConflict when none is left. */
export async function transact<T>(
  { what, tries = 20 }: TransactOptions,
  attempt: () => Promise<T | typeof CONFLICT>,
): Promise<T> {
  for (let count = 0; count < tries; count++) {
    if (count > 0) await wait(Math.random() * Math.min(MAX_PAUSE_MS, 2 ** count))
    const result = await attempt()
    if (result !== CONFLICT) return result
  }
  throw new TransactionConflict(what, tries)
}
