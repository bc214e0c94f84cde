/**
 * Builds the package: each public entry as one ESM file, sharing what they have in common. `tsc` writes the types beside
 * them, one readable declaration file for each source file.
 */
import { readFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

const { exports: exported } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  exports: Record<string, string | { source: string }>
}

// Workers are found by the name of their own entry.
const entries = [
  'core/cli/main.ts',
  'core/runtime/watchdog/worker.ts',
  ...Object.values(exported).flatMap((entry) => (typeof entry === 'string' ? [] : [entry.source.slice(2)])),
]

export default defineConfig({
  entry: Object.fromEntries(entries.map((file) => [file.replace(/\.ts$/, ''), file])),
  format: 'esm',
  target: 'node24',
  clean: true,
  splitting: true,
  // Plugins import the kernel by its name, as anybody's do.
  external: [/^iems(\/|$)/],
  removeNodeProtocol: false,
})
