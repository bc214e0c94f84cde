/**
 * The exchange folders beside a post office: `in` (written by EXPORT), `out` (read by IMPORT), `und` (what either could
 * not deliver), `bad` (what could not be read).
 *
 * Invariants: a file in `out` appears with its whole content, under its name, by a rename; a file in `in` is touched
 * only when it has not changed for a while and has no lock file beside it; a file leaves `in` after its last message
 * has been accepted, permanently refused, or moved to `bad`.
 */
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

export type FolderName = 'in' | 'out' | 'bad' | 'und'
const FOLDERS: readonly FolderName[] = ['in', 'out', 'bad', 'und']
const LOCK = /\.(?:lck|lock|tmp|\$\$\$)$/i
/** Files of one look. */
const MAX_FILES = 10_000

export interface ExchangeFolders {
  make(): Promise<void>
  path(folder: FolderName, name: string): string
  /** Files that are whole, in order of their names. */
  ready(folder: 'in' | 'und'): Promise<readonly string[]>
  /** Writes a file whole or not at all; one of the same name is replaced. */
  write(folder: 'out' | 'bad', name: string, octets: Buffer): Promise<void>
  remove(folder: FolderName, name: string): Promise<void>
}

export function createFolders(root: string, { quietMs, now }: { quietMs: number; now: () => number }): ExchangeFolders {
  const path = (folder: FolderName, name: string) => join(root, folder, name)
  return {
    path,
    async make() {
      for (const folder of FOLDERS) await mkdir(join(root, folder), { recursive: true })
    },
    async ready(folder) {
      const names = (await readdir(join(root, folder), { withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map(({ name }) => name)
      // A lock stands for the file of its name, and one called `lock` for the folder.
      const locks = names.filter((name) => LOCK.test(name))
      if (locks.some((name) => /^(?:lock|export|import)\./i.test(name))) return []
      const locked = new Set(locks.map((name) => baseOf(name)))
      const found: string[] = []
      for (const name of names.sort().slice(0, MAX_FILES)) {
        if (name.startsWith('.') || LOCK.test(name) || locked.has(baseOf(name))) continue
        const { mtimeMs, size } = await stat(path(folder, name)).catch(() => ({
          mtimeMs: Number.POSITIVE_INFINITY,
          size: 0,
        }))
        if (size > 0 && now() - mtimeMs >= quietMs) found.push(name)
      }
      return found
    },
    async write(folder, name, octets) {
      const temporary = path(folder, `${name}.tmp`)
      const file = await open(temporary, 'w', 0o660)
      try {
        await file.writeFile(octets)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, path(folder, name))
      await syncFolder(join(root, folder))
    },
    remove: (folder, name) => rm(path(folder, name), { force: true }),
  }
}

const baseOf = (name: string) => name.replace(/\.[^.]*$/, '').toLowerCase()

/** The rename is on stable storage; some systems cannot say so of a folder. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined)
  try {
    await folder?.sync()
  } catch {
    // Windows.
  } finally {
    await folder?.close()
  }
}
