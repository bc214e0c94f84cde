/**
 * The folder of a browser application's built files: `dist/web` in the package; in a checkout a cache below
 * node_modules, filled by a build in a child process while mail flows.
 *
 * Invariants: a folder in the cache is complete (it is renamed into place), and its name is a hash of all inputs of the
 * build.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, glob, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'

const BUILD_TIMEOUT_MS = 120_000
const MAX_OUTPUT = 20_000
const SOURCES = ['plugins/web/*/ui/**/*.*', 'plugins/web/*/store/**/*.ts', 'plugins/web/app/build.ts']

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/** The folder of the package that this file belongs to. */
async function packageRoot(): Promise<string> {
  let folder = import.meta.dirname
  while (!(await isThere(join(folder, 'package.json')))) {
    if (dirname(folder) === folder) throw new Error('the package of the web applications was not found')
    folder = dirname(folder)
  }
  return folder
}

async function hashOf(root: string, name: string): Promise<string> {
  const hash = createHash('sha256').update(name)
  const files = await Array.fromAsync(glob(SOURCES, { cwd: root }))
  for (const file of [...files.sort(), 'package-lock.json']) {
    const content = await readFile(join(root, file)).catch(() => Buffer.alloc(0))
    hash.update(`\n${file}\n`).update(content)
  }
  return hash.digest('hex').slice(0, 20)
}

async function build(root: string, name: string, folder: string): Promise<void> {
  const script = join(root, 'plugins/web/app/build.ts')
  const child = spawn(process.execPath, [script, name, folder], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: BUILD_TIMEOUT_MS,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-MAX_OUTPUT)
    })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`the web application ${name} could not be built: ${output.trim()}`)
}

/** The folder of an application's built files. Builds them when there are none. */
export async function builtFolder(name: string): Promise<string> {
  const root = await packageRoot()
  if (import.meta.dirname.startsWith(join(root, 'dist') + sep) || import.meta.dirname === join(root, 'dist'))
    return join(root, 'dist/web', name)
  const cache = join(root, 'node_modules/.cache/iems-web')
  const folder = join(cache, `${name}-${await hashOf(root, name)}`)
  if (await isThere(folder)) return folder
  await mkdir(cache, { recursive: true })
  const made = `${folder}.${process.pid}.tmp`
  try {
    await build(root, name, made)
    // Another process was faster: its folder is equivalent.
    await rename(made, folder).catch(async (cause: unknown) => {
      if (!(await isThere(folder))) throw cause
    })
  } finally {
    await rm(made, { recursive: true, force: true })
  }
  return folder
}
