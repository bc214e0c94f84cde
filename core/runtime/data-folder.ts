/**
 * Protects the folders that hold mail, passwords and keys: only the server's own user may enter them.
 *
 * Invariants: a folder that the server did not create and that holds other files is never changed.
 */
import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { IemsError } from '../api/errors.ts'

const OTHERS = 0o077
const octal = (mode: number) => (mode & 0o777).toString(8).padStart(4, '0')

/** The mode, such as `0755`, of a folder that other users can enter; undefined when it is private or absent. */
export function openMode(path: string): string | undefined {
  // Windows uses access control lists instead.
  if (process.platform === 'win32') return undefined
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0
  return mode & OTHERS ? octal(mode) : undefined
}

/** Whether `secureFolder` would restrict the folder instead of refusing it. */
export function isOurs(path: string): boolean {
  const names = readdirSync(path)
  return names.length === 0 || names.includes('records') || names.includes('plugins')
}

/**
 * Creates the folder, or removes other users' access to it and returns its previous mode. Throws IEMS_FOLDER_OPEN when
 * it holds files that are not the server's, or belongs to another user.
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
