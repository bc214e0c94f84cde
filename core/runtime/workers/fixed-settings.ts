/**
 * Settings that all threads of a server share and that must be equal in every worker.
 */
import { IemsError } from '../../api/errors.ts'
import type { Config } from '../config-schema.ts'
import { controlPath, dataFolder } from '../folders.ts'
import type { FixedSettings } from './protocol.ts'

export const fixedSettings = (config: Config): FixedSettings => ({
  store: JSON.stringify(config.store),
  blobs: JSON.stringify(config.blobs),
  folder: dataFolder(config),
  control: controlPath(config),
  workers: config.workers,
})

/** Throws IEMS_SETTING_NEEDS_RESTART when one of them has changed since the server started. */
export function requireFixed(config: Config, fixed: FixedSettings): void {
  const own = fixedSettings(config)
  for (const path of Object.keys(fixed) as (keyof FixedSettings)[])
    if (own[path] !== fixed[path]) throw new IemsError('IEMS_SETTING_NEEDS_RESTART', { path })
}
