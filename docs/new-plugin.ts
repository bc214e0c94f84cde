/**
 * `npm run new plugin NAME`: what `npm create iems-plugin NAME` makes, in this folder, with this checkout as its iems.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

const [kind, name = ''] = process.argv.slice(2)
const root = resolve(import.meta.dirname, '..')
if (kind !== 'plugin') {
  console.error('Usage: npm run new plugin NAME   (lower-case letters, digits and hyphens)')
  process.exit(2)
}
const made = spawnSync(process.execPath, [join(root, 'create-iems-plugin/index.js'), name], {
  stdio: 'inherit',
  env: { ...process.env, IEMS_PACKAGE: `file:${root}` },
})
// What is not published yet is used from this checkout, built once.
if (made.status === 0 && !existsSync(join(root, 'dist/core/index.js')))
  execFileSync('npm', ['run', 'build'], { cwd: root, stdio: 'inherit' })
process.exitCode = made.status ?? 1
