/**
 * The list beside a DXL file: which documents are in a folder, and what is unread. One fact a line, its words divided by
 * tabs: `folder`, the folder's name with backslashes between its levels, a document's UNID; `unread`, the user's name,
 * a document's UNID. A folder without a UNID is an empty folder.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Unreadable } from '../nsf/source.ts'

export interface Beside {
  /** UNIDs by the folder's name. */
  readonly folders: ReadonlyMap<string, ReadonlySet<string>>
  /** UNIDs by the user's name. */
  readonly unread: ReadonlyMap<string, ReadonlySet<string>>
}

const MAX_LINES = 20_000_000
const UNID = /^[0-9A-F]{32}$/

export async function readBeside(path: string, isNeeded: boolean, problem: (why: string) => void): Promise<Beside> {
  const folders = new Map<string, Set<string>>()
  const unread = new Map<string, Set<string>>()
  try {
    let count = 0
    for await (const line of createInterface({ input: createReadStream(path) })) {
      if (++count > MAX_LINES) throw new Unreadable(`${path} has more than ${MAX_LINES} lines`)
      const [kind, name = '', given = ''] = line.trim().split('\t')
      const unid = given.trim().toUpperCase()
      const into = kind === 'folder' ? folders : kind === 'unread' ? unread : undefined
      if (line.trim() === '' || line.startsWith('#')) continue
      if (!into || name === '' || (unid !== '' && !UNID.test(unid))) {
        problem(`line ${count} of the list is not understood`)
        continue
      }
      const set = into.get(name) ?? new Set()
      into.set(name, set)
      if (unid !== '') set.add(unid)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || isNeeded) throw error
  }
  return { folders, unread }
}
