/**
 * `npm run new plugin NAME`: a folder iems-plugin-NAME beside the checkout's own, copied from docs/example-plugin, whose
 * test passes. It is a package of its own from the first minute, and uses this checkout until a release of iems is named.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const [kind, name = ''] = process.argv.slice(2)
const root = resolve(import.meta.dirname, '..')
const target = resolve(`iems-plugin-${name}`)

function stop(text: string): never {
  console.error(text)
  process.exit(1)
}

if (kind !== 'plugin' || !/^[a-z][a-z0-9-]*$/.test(name))
  stop('Usage: npm run new plugin NAME   (lower-case letters, digits and hyphens)')
if (existsSync(target)) stop(`${target} is there already`)

const camel = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
cpSync(join(root, 'docs/example-plugin'), target, {
  recursive: true,
  filter: (path) => !/node_modules|dist|package-lock/.test(path),
})
for (const file of ['package.json', 'index.ts', 'index.test.ts', 'README.md']) {
  const path = join(target, file)
  const text = readFileSync(path, 'utf8')
    .replaceAll('iems-plugin-example', `iems-plugin-${name}`)
    .replaceAll("name: 'example'", `name: '${name}'`)
    .replaceAll("plugin: 'example'", `plugin: '${name}'`)
    .replaceAll(/\bexample(?=\b(?!\.org|\.net))/g, camel)
  writeFileSync(path, text)
}
// What is not published yet is used from this checkout, built once.
const manifest = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8'))
manifest.devDependencies.iems = `file:${root}`
writeFileSync(join(target, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
if (!existsSync(join(root, 'dist/core/index.js')))
  execFileSync('npm', ['run', 'build'], { cwd: root, stdio: 'inherit' })

console.log(`\n${target} is there. Next:\n\n  cd ${target}\n  npm install\n  npm test\n`)
