/**
 * Watched folders: each file that has come to rest is a batch, or a part of one, of the partner that the folder belongs
 * to.
 *
 * Invariants: a file leaves the folder when the batch was taken, or was refused, which moves it into `refused`; links,
 * folders and hidden files are passed over, so that no file outside can be read.
 */
import { constants } from 'node:fs'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from 'iems'
import type { Inbox } from './inbox.ts'
import type { Link, Links } from './links.ts'
import { MANIFEST } from './transports.ts'

export interface FoldersDeps {
  readonly inbox: Inbox
  readonly links: Links
  readonly log: Log
  /** Ms for which a file must not have changed. */
  readonly settle: number
}

/** Files that one look takes of one folder. */
const MAX_FILES = 10_000
/** Octets of a detached signature. */
const MAX_SIGNATURE = 1000

export async function readFolders({ links, ...deps }: FoldersDeps): Promise<void> {
  for (const link of links.all) {
    const { folder } = link.accept
    if (folder === undefined) continue
    try {
      await readFolder({ links, ...deps }, link, folder)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT')
        deps.log.warn('a watched folder cannot be read', { partner: link.name, folder, cause })
    }
  }
}

async function readFolder(deps: FoldersDeps, link: Link, folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter((one) => one.isFile() && !/^\.|\.(?:tmp|sig)$/.test(one.name) && one.name !== MANIFEST)
  for (const { name } of names.slice(0, MAX_FILES)) await readFile(deps, link, join(folder, name), folder)
}

async function readFile({ inbox, log, settle }: FoldersDeps, link: Link, path: string, folder: string): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  let taken: Awaited<ReturnType<Inbox['receive']>>
  try {
    const { mtimeMs } = await file.stat()
    if (Date.now() - mtimeMs < settle) return
    const signature = await signatureOf(`${path}.sig`)
    const octets = file.createReadStream({ autoClose: false }) as AsyncIterable<Uint8Array>
    taken = await inbox.receive(octets, { link, ...(signature === undefined ? {} : { signature }) })
  } finally {
    await file.close()
  }
  if (taken.code < 300) {
    await rm(path, { force: true })
    await rm(`${path}.sig`, { force: true })
  } else if (taken.code >= 500) {
    log.warn('a batch in a watched folder was refused', { partner: link.name, file: path, reply: taken.text })
    const refused = join(folder, 'refused')
    await mkdir(refused, { recursive: true })
    await rename(path, join(refused, path.slice(folder.length).replaceAll('/', '')))
  }
}

async function signatureOf(path: string): Promise<string | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => undefined)
  if (!file) return undefined
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_SIGNATURE), 0, MAX_SIGNATURE, 0)
    return buffer.toString('latin1', 0, bytesRead).trim()
  } finally {
    await file.close()
  }
}
