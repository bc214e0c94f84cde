/**
 * Changes the version of iems in the folder of the configuration.
 *
 * Invariants: a version whose `iems check` fails, or that does not start, is replaced by the one before, together with
 * the store if the new version had begun to upgrade it.
 */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { IemsError, reasonOf } from '../../api/errors.ts'
import { pathIn } from '../../runtime/config.ts'
import type { Config } from '../../runtime/config-schema.ts'
import { revertStore, snapshotsIn } from '../../runtime/upgrades.ts'

const run = promisify(execFile)
const INSTALL_MS = 600_000

/** Path of the launcher of the iems package in the folder of a configuration; undefined without one. */
export function launcherIn(config: Pick<Config, 'path'>): string | undefined {
  const path = join(dirname(config.path), 'node_modules', 'iems', 'core', 'cli', 'launch.cjs')
  return existsSync(path) ? path : undefined
}

function versionIn(config: Config): string {
  const path = join(dirname(config.path), 'node_modules', 'iems', 'package.json')
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
  } catch (cause) {
    const why = 'iems is not installed in the folder of the configuration'
    throw new IemsError('IEMS_RESPONDER_FAILED', { what: 'The upgrade', why }, cause)
  }
}

export interface Restarting {
  stop(): Promise<void>
  start(): Promise<void>
}

/** Yields what it does. Throws IEMS_RESPONDER_FAILED with the earlier version running again. */
export async function* upgrade(config: Config, version: string, server: Restarting): AsyncGenerator<string, string> {
  const folder = dirname(config.path)
  const before = versionIn(config)
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const install = (wanted: string) =>
    run(npm, ['install', '--save-exact', '--no-audit', '--no-fund', `iems@${wanted}`], {
      cwd: folder,
      timeout: INSTALL_MS,
    })
  const failed = (cause: unknown) =>
    new IemsError('IEMS_RESPONDER_FAILED', { what: `The upgrade to ${version}`, why: reasonOf(cause) }, cause)

  yield `${before} is installed; installing ${version}`
  try {
    await install(version)
    yield 'checking the configuration with it'
    await run(process.execPath, [launcherIn(config) ?? '', 'check', '--config', config.path], { timeout: INSTALL_MS })
  } catch (cause) {
    yield `it does not work here; installing ${before} again`
    await install(before)
    throw failed(cause)
  }
  const path = 'path' in config.store ? pathIn(config, config.store.path) : undefined
  const snapshots = path === undefined ? [] : await snapshotsIn(path)
  yield 'restarting the server'
  await server.stop()
  try {
    await server.start()
  } catch (cause) {
    yield `it does not start; going back to ${before}`
    await server.stop()
    const made = path === undefined ? [] : (await snapshotsIn(path)).filter((name) => !snapshots.includes(name))
    if (path !== undefined && made[0] !== undefined) await revertStore(path, made[0])
    await install(before)
    await server.start()
    throw failed(cause)
  }
  return versionIn(config)
}
