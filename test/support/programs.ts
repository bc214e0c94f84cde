/** What tests want on a machine, and what they say where it is not there. */
import { existsSync } from 'node:fs'

/** Why a test cannot run here; false when it can. */
export const missing = (...files: readonly string[]): string | false => {
  const absent = files.filter((file) => !existsSync(file))
  return absent.length > 0 && `not on this machine: ${absent.join(', ')}`
}
