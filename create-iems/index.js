#!/usr/bin/env node
/**
 * `npm create iems FOLDER -- --domain example.org …`: a folder with a package.json whose dependencies are iems and, later,
 * the plugins of others; then `iems init` in it with the same options. That folder is what runs in production.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'

const [first = '', ...rest] = process.argv.slice(2)
if (first === '' || first.startsWith('-')) {
  process.stderr.write('Usage: npm create iems FOLDER -- [options of iems init, such as --domain example.org]\n')
  process.exit(2)
}
const folder = resolve(first)
if (existsSync(folder) && readdirSync(folder).length > 0) {
  process.stderr.write(`create-iems: ${folder} is not empty\n`)
  process.exit(1)
}
mkdirSync(folder, { recursive: true })
const name =
  basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '') || 'mail-server'
const manifest = {
  name,
  private: true,
  type: 'module',
  scripts: { start: 'iems start', check: 'iems check' },
  // Where no release is meant: a tarball or a folder, as the tests of iems do.
  dependencies: { iems: process.env.IEMS_PACKAGE ?? '^0.1.0' },
}
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
writeFileSync(join(folder, '.gitignore'), 'node_modules/\ndata/\ntls.key\n')

/** Ends this process with the code of a command that fails. */
function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: folder, stdio: 'inherit', shell: process.platform === 'win32' })
  if (status !== 0) process.exit(status ?? 1)
}
run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'])
run('npx', ['iems', 'init', ...rest])
