/**
 * What a failure of the database means: is it over with a new attempt, with a new connection, or not at all?
 *
 * The codes are those of PostgreSQL's documentation, appendix A.
 */

import { IemsError } from 'iems'
import { DatabaseError } from './session.ts'

/** Another attempt may succeed on the same connection: a deadlock, a serialization failure, a lock that took too long. */
const AGAIN = new Set(['40001', '40P01', '55P03'])
/** The server goes down, comes up, has too many clients, or is a standby. */
const ELSEWHERE = /^(?:08...|57P0[1-5]|53300|25006|25P03)$/
const FULL = /^(?:53100|53200)$/

export type Remedy = 'again' | 'reconnect' | 'none'

export function remedyOf(cause: unknown): Remedy {
  if (cause instanceof IemsError) return 'none'
  // Whatever does not come from the server comes from the connection.
  if (!(cause instanceof DatabaseError)) return 'reconnect'
  const { code = '' } = cause
  if (AGAIN.has(code)) return 'again'
  return ELSEWHERE.test(code) ? 'reconnect' : 'none'
}

/** The error that a caller of the store sees. */
export function storeFailure(cause: unknown, path: string): IemsError {
  if (cause instanceof IemsError) return cause
  const code = cause instanceof DatabaseError && FULL.test(cause.code ?? '') ? 'IEMS_STORE_FULL' : 'IEMS_STORE_FAILED'
  return new IemsError(code, { path, why: cause instanceof Error ? whyOf(cause) : String(cause) }, cause)
}

/** An attempt at several addresses fails with several errors and no text of its own. */
function whyOf(cause: Error): string {
  const [first] = cause instanceof AggregateError ? (cause.errors as unknown[]) : []
  return (first instanceof Error ? first : cause).message || cause.name
}
