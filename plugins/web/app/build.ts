/**
 * Builds a browser application: `node build.ts mail FOLDER`. Each text file gets its .br and .gz forms beside it.
 */
import { createHash } from 'node:crypto'
import { glob, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, gzip } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { build } from 'vite'

const [name = '', folder = ''] = process.argv.slice(2)
const outDir = resolve(folder)
const MIN_COMPRESSED = 1024

await build({
  configFile: false,
  root: join(import.meta.dirname, '..', name, 'ui'),
  base: `/${name}/`,
  logLevel: 'warn',
  plugins: [react()],
  build: {
    outDir,
    emptyOutDir: true,
    target: 'es2023',
    // Under the policy of the page neither inline scripts nor inline images of the build are needed.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1000,
  },
})

// The service worker of an application knows the files of its version.
const worker = join(outDir, 'sw.js')
const text = await readFile(worker, 'utf8').catch(() => undefined)
if (text !== undefined) {
  const files = (await Array.fromAsync(glob('assets/*.{js,css,svg}', { cwd: outDir }))).sort()
  const paths = files.map((file) => `/${name}/${file}`).join(' ')
  const version = createHash('sha256').update(paths).update(text).digest('hex').slice(0, 16)
  await writeFile(worker, text.replace('__VERSION__', version).replace('__FILES__', paths))
}

for await (const file of glob('**/*.{js,css,html,svg,json,webmanifest}', { cwd: outDir })) {
  const path = join(outDir, file)
  const content = await readFile(path)
  if (content.length < MIN_COMPRESSED) continue
  await writeFile(`${path}.br`, await promisify(brotliCompress)(content))
  await writeFile(`${path}.gz`, await promisify(gzip)(content, { level: 9 }))
}
