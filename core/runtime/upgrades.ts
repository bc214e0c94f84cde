/**
 * Snapshots of the store from before an upgrade of its records, to which an administrator can go back.
 *
 * A snapshot is a data folder in `snapshots` of the data folder; its files are links. Invariants: no record is upgraded
 * before its snapshot is complete; an upgrade that is interrupted and begins again keeps its first snapshot; going back replaces nothing, and can be repeated after an interruption.
 */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname as machineName } from 'node:os'
import { join } from 'node:path'
import { IemsError } from '../api/errors.ts'
import { openRecords } from '../store/level/database.ts'
import { restoreStore } from '../store/level/dump.ts'
import type { Store } from '../store/store.ts'
import { pathIn } from './config.ts'
import type { Config } from './config-schema.ts'
import { KERNEL_RECORDS, outdated } from './formats.ts'
import type { Emit } from './log.ts'
import { requireAlone } from './nodes.ts'
import { systemClock } from './system-clock.ts'

/** Snapshots that stay. */
const KEPT = 2
const PARTS = ['records', 'blobs']
/** In a snapshot: the kinds of record that were to be upgraded. */
const UPGRADING = 'upgrading.json'
const NAME = /^\d{8}T\d{9}Z$/

const folderOf = (path: string) => join(path, 'snapshots')

/** Takes a snapshot if the configuration's plugins would upgrade records. Throws with nothing upgraded; IEMS_UPGRADE_MIXED while other servers run on the store. */
export async function snapshotBeforeUpgrade(store: Store, config: Config, emit: Emit): Promise<void> {
  const owners = [...config.channels, ...config.plugins].map(({ name, definition }) => ({
    name,
    kinds: definition.records ?? {},
  }))
  const older: string[] = []
  for (const { name, kinds } of [{ name: '', kinds: KERNEL_RECORDS }, ...owners])
    for (const kind of await outdated(store, name, kinds)) older.push(`${name || 'iems'} ${kind}`)
  if (older.length === 0) return
  if ('open' in config.store && config.store.isShared) await requireAlone(store, config.node ?? machineName(), older)
  if (!store.dump || !('path' in config.store)) return emit('store.unprotected', { upgrading: older })
  const path = pathIn(config, config.store.path)
  if (await isTaken(path, older)) return
  await removePartial(path)
  const name = new Date(systemClock.now()).toISOString().replace(/[-:.]/g, '')
  const to = join(folderOf(path), name)
  const dump = await store.dump()
  try {
    await mkdir(folderOf(path), { recursive: true, mode: 0o700 })
    await restoreStore(to, {
      records: () => dump.records(),
      files: dump.files,
      open: (id) => dump.open(id),
      linked: path,
    })
  } finally {
    await dump.close()
  }
  await writeFile(join(to, UPGRADING), JSON.stringify(older), { mode: 0o600 })
  emit('store.snapshot', { path: to, upgrading: older, back: `iems store revert ${name}` })
  for (const old of (await snapshotsIn(path)).slice(0, -KEPT))
    await rm(join(folderOf(path), old), { recursive: true, force: true })
}

/** The newest snapshot was taken for this upgrade, which was interrupted. */
async function isTaken(path: string, older: readonly string[]): Promise<boolean> {
  const name = (await snapshotsIn(path)).at(-1)
  if (name === undefined) return false
  const text = await readFile(join(folderOf(path), name, UPGRADING), 'utf8').catch(() => '[]')
  const taken = JSON.parse(text) as readonly string[]
  return older.every((one) => taken.includes(one))
}

/** Removes the remains of interrupted snapshots. */
async function removePartial(path: string): Promise<void> {
  for (const name of await readdir(folderOf(path)).catch(() => []))
    if (name.endsWith('.partial')) await rm(join(folderOf(path), name), { recursive: true, force: true })
}

/** Names of snapshots, oldest first. */
export async function snapshotsIn(path: string): Promise<readonly string[]> {
  const names = await readdir(folderOf(path)).catch(() => [])
  return names.filter((name) => NAME.test(name)).sort()
}

/**
 * Puts a snapshot in the place of the store's records and files. Returns the folder that holds the replaced ones.
 * Throws IEMS_SNAPSHOT_UNKNOWN, or IEMS_STORE_LOCKED while a server runs.
 */
export async function revertStore(path: string, name: string): Promise<string> {
  const from = join(folderOf(path), name)
  const aside = `${from}.replaced`
  if (!NAME.test(name) || !existsSync(from)) throw new IemsError('IEMS_SNAPSHOT_UNKNOWN', { name })
  // Takes the lock of a running server, if there is one.
  if (existsSync(join(path, 'records'))) await (await openRecords(path, false)).close()
  await mkdir(aside, { recursive: true, mode: 0o700 })
  for (const part of PARTS) {
    if (!existsSync(join(from, part))) continue
    if (existsSync(join(path, part))) await rename(join(path, part), join(aside, part))
    await rename(join(from, part), join(path, part))
  }
  await rm(from, { recursive: true, force: true })
  return aside
}
