/**
 * What the operating system and LevelDB say when they fail, in the store's own words: is it full, or broken?
 */
import { IemsError, reasonOf } from '../../api/errors.ts'

const FULL = /ENOSPC|EDQUOT|No space left|quota exceeded/i

/** The error that a caller of the store sees. */
export function storeFailure(cause: unknown, path: string): IemsError {
  if (cause instanceof IemsError) return cause
  // LevelDB's own words lie one below abstract-level's.
  const inner = cause instanceof Error ? (cause.cause ?? cause) : cause
  const why = reasonOf(inner)
  const code = FULL.test(`${(inner as NodeJS.ErrnoException).code} ${why}`) ? 'IEMS_STORE_FULL' : 'IEMS_STORE_FAILED'
  return new IemsError(code, { path, why }, cause)
}
