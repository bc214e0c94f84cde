/** Sources that a command names: paths of the server's machine, or mail files of a running Domino. */
import { readdir, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import type { OpenOptions } from '../archive/open.ts'
import { isRemote } from '../remote/location.ts'

const FILE = /\.(?:nsf|dxl|xml)$/i
const MAX_FILES = 100_000

/** The file itself, or those of a folder and of what is below it, in order of their names. */
export async function filesAt(path: string): Promise<readonly string[]> {
  if (isRemote(path)) return [path]
  if (!isAbsolute(path)) throw new Error(`${path}: give an absolute path, of the machine that the server runs on`)
  if (!(await stat(path)).isDirectory()) return [path]
  const found = (await readdir(path, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && FILE.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
  if (found.length === 0) throw new Error(`${path} has no .nsf or .dxl file`)
  if (found.length > MAX_FILES) throw new Error(`${path} has more than ${MAX_FILES} files`)
  return found
}

/** Options of each command that opens files. */
export const OPEN_OPTIONS = {
  '--list <file>': 'folder membership and unread marks of a DXL file; default: the file with .list behind it',
  '--password-file <file>': 'file with the password for https://user@host/mail/file.nsf',
  '--plain': 'ask a server without TLS',
}

export function openOptions(options: Readonly<Record<string, unknown>>): OpenOptions {
  const { list, plain, 'password-file': passwordFile } = options
  return {
    ...(typeof list === 'string' ? { list } : {}),
    ...(typeof passwordFile === 'string' ? { passwordFile } : {}),
    ...(plain === true ? { isPlain: true } : {}),
  }
}
