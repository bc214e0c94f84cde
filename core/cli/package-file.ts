/**
 * Files of this package, wherever it is installed.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/**
 * Resolves a path within the package; undefined when the file does not exist. In dist/ the tree is one level deeper.
 */
export function packageFile(path: string): string | undefined {
  return ['../../', '../../../', '../']
    .map((up) => fileURLToPath(new URL(up + path, import.meta.url)))
    .find((file) => existsSync(file))
}
