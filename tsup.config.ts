/**
 * Builds the package: each public entry as one ESM file, sharing what they have in common. `tsc` writes the types beside
 * them, one readable declaration file for each source file.
 */
import { readFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

const { exports: exported } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  exports: Record<string, string | { source: string }>
}

// package.json names every public entry and every worker; the command is reached through its launcher.
const entries = [
  'core/cli/main.ts',
  ...Object.values(exported).flatMap((entry) => (typeof entry === 'string' ? [] : [entry.source.slice(2)])),
]

export default defineConfig({
  entry: Object.fromEntries(entries.map((file) => [file.replace(/\.ts$/, ''), file])),
  format: 'esm',
  target: 'node24',
  clean: true,
  splitting: true,
  // Plugins import the kernel by its name, like those of third parties.
  external: [/^iems(\/|$)/],
  removeNodeProtocol: false,
})
