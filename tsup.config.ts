/**
 * Builds the package: each public entry as one ESM file, sharing what they have in common. `tsc` writes the types beside
 * them, one readable declaration file for each source file.
 */
import { globSync } from 'node:fs'
import { defineConfig } from 'tsup'

// Workers are found by the name of their own entry.
const entries = [
  'core/index.ts',
  'core/testing.ts',
  'core/cli.ts',
  'core/watchdog/worker.ts',
  ...globSync(['plugins/*/index.ts', 'plugins/**/worker/index.ts']),
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
