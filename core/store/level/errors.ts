/**
 * Translates failures of the operating system and LevelDB into the store's errors: disk full, or failed.
 */
import { IemsError, reasonOf } from '../../api/errors.ts'

const FULL = /ENOSPC|EDQUOT|No space left|quota exceeded/i

/** The error that a caller of the store sees. */
export function storeFailure(cause: unknown, path: string): IemsError {
  if (cause instanceof IemsError) return cause
  // The cause of abstract-level's error is LevelDB's own.
  const inner = cause instanceof Error ? (cause.cause ?? cause) : cause
  const why = reasonOf(inner)
  const code = FULL.test(`${(inner as NodeJS.ErrnoException).code} ${why}`) ? 'IEMS_STORE_FULL' : 'IEMS_STORE_FAILED'
  return new IemsError(code, { path, why }, cause)
}
