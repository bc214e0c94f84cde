/** Files that a command names: paths of the server's machine. */
import { readdir, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'

const FILE = /\.(?:nsf|dxl|xml)$/i
const MAX_FILES = 100_000

/** The file itself, or those of a folder and of what is below it, in order of their names. */
export async function filesAt(path: string): Promise<readonly string[]> {
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
