/**
 * Folders that hold mail, passwords and keys: nobody but the server's own user may enter them.
 *
 * What must stay true: a folder that the server did not make and that holds other things is never changed.
 */
import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { IemsError } from '../api/errors.ts'

const OTHERS = 0o077
const octal = (mode: number) => (mode & 0o777).toString(8).padStart(4, '0')

/** The mode of a folder that users other than its owner can enter, as `0755`; undefined when it is private or absent. */
export function openMode(path: string): string | undefined {
  // Windows has access lists instead.
  if (process.platform === 'win32') return undefined
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0
  return mode & OTHERS ? octal(mode) : undefined
}

/** Whether `secureFolder` would take the rights away instead of refusing. */
export function isOurs(path: string): boolean {
  const names = readdirSync(path)
  return names.length === 0 || names.includes('records') || names.includes('plugins')
}

/**
 * Makes the folder, or takes the rights of others away from it. Returns the mode it had in that case.
 * Throws IEMS_FOLDER_OPEN when it holds other things than data of the server or belongs to another user.
 */
export function secureFolder(path: string): string | undefined {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const mode = openMode(path)
  if (mode === undefined) return undefined
  try {
    if (!isOurs(path)) throw new IemsError('IEMS_FOLDER_OPEN', { path, mode })
    chmodSync(path, 0o700)
  } catch (cause) {
    throw cause instanceof IemsError ? cause : new IemsError('IEMS_FOLDER_OPEN', { path, mode }, cause)
  }
  return mode
}
