#!/usr/bin/env node
/**
 * `npm create iems-plugin NAME`: a folder iems-plugin-NAME with a plugin, its test, a README, a type check over all files
 * and a workflow for CI. In the repository of iems the template is docs/example-plugin; the package has a copy.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

function stop(text, code) {
  process.stderr.write(`${text}\n`)
  process.exit(code)
}

const name = (process.argv[2] ?? '').replace(/^iems-plugin-/, '')
if (!/^[a-z][a-z0-9-]{0,100}$/.test(name))
  stop('Usage: npm create iems-plugin NAME   (lower-case letters, digits and hyphens)', 2)
const target = resolve(`iems-plugin-${name}`)
if (existsSync(target)) stop(`${target} is there already`, 1)
const template = ['template', '../docs/example-plugin']
  .map((path) => join(import.meta.dirname, path))
  .find((path) => existsSync(path))
if (template === undefined) stop('create-iems-plugin: its template is missing; install it again', 1)

const camel = name.replace(/-(.)/g, (_, letter) => letter.toUpperCase())
cpSync(template, target, {
  recursive: true,
  filter: (path) => !/node_modules|dist$|package-lock/.test(path.slice(template.length)),
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
const manifestPath = join(target, 'package.json')
const manifest = JSON.parse(readFileSync(manifestPath, 'utf8'))
// Where no release is meant: a tarball or a folder, as in the repository of iems.
manifest.devDependencies.iems = process.env.IEMS_PACKAGE ?? manifest.devDependencies.iems ?? '^0.1.0'
writeFileSync(manifestPath, `${JSON.stringify(manifest, null, 2)}\n`)
writeFileSync(join(target, '.gitignore'), 'node_modules/\ndist/\n')
mkdirSync(join(target, '.github/workflows'), { recursive: true })
writeFileSync(
  join(target, '.github/workflows/test.yml'),
  `name: test
on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: 24
      - run: npm install
      - run: npm test
`,
)
process.stdout.write(`\n${target} is there. Next:\n\n  cd ${target}\n  npm install\n  npm test\n`)
