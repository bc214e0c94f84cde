/**
 * The server's folders and their access rights.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { IemsError } from '../api/errors.ts'
import { pathIn } from './config.ts'
import type { Config } from './config-schema.ts'
import { isOurs, openMode, secureFolder } from './data-folder.ts'
import type { LogWriter } from './log.ts'
import { systemClock } from './system-clock.ts'

/** The folder of plugin files and the control socket; with the default store, of all data. */
export function dataFolder(config: Config): string {
  return pathIn(config, config.folder ?? ('path' in config.store ? config.store.path : 'data'))
}

/** All folders that hold the server's data. */
function dataFolders(config: Config): readonly string[] {
  const folder = dataFolder(config)
  return 'path' in config.store ? [...new Set([pathIn(config, config.store.path), folder])] : [folder]
}

/** Changes that a start would make to folder rights. Throws IEMS_FOLDER_OPEN where it would refuse. */
export function folderWarnings(config: Config): string[] {
  return dataFolders(config).flatMap((path) => {
    const mode = openMode(path)
    if (mode === undefined) return []
    if (!isOurs(path)) throw new IemsError('IEMS_FOLDER_OPEN', { path, mode })
    return [`${path} can be entered by other users (mode ${mode}); the server takes that right away when it starts`]
  })
}

/** Created on first use. */
export function pluginFolder(config: Config, plugin: string): string {
  const path = join(dataFolder(config), 'plugins', plugin)
  mkdirSync(path, { recursive: true, mode: 0o700 })
  return path
}

/** The socket at which the `iems` command reaches the server. */
export function controlPath(config: Config): string {
  const { path } = config.control
  if (path !== undefined) return pathIn(config, path)
  const folder = dataFolder(config)
  return process.platform === 'win32'
    ? `\\\\.\\pipe\\iems-${folder.replace(/\W+/g, '-')}`
    : join(folder, 'control.sock')
}

/** Removes other users' access. */
export function secureFolders(config: Config, log: LogWriter): void {
  for (const path of dataFolders(config)) {
    const mode = secureFolder(path)
    if (mode !== undefined) log.event({ name: 'folder.secured', at: systemClock.now(), path, mode })
  }
}
