/**
 * Resolves import specifiers of a configuration. `iems` is this installation, even for a file in /etc; a reload reads
 * the file and its imports again; a package is looked up in the configuration's folder, then beside this installation.
 *
 * Importing this module registers the hooks, once per process. Invariants: modules that no configuration imports
 * resolve as usual; an unresolvable specifier is reported with its line.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { reasonOf } from '../api/errors.ts'

/** Marks a URL as part of one load of the configuration. */
export const GENERATION = '?iems-generation='

registerHooks({
  resolve(specifier, context, next) {
    const { parentURL = '' } = context
    const [parent = '', generation] = parentURL.split(GENERATION)
    const isIems = specifier === 'iems' || specifier.startsWith('iems/')
    try {
      if (isIems) return next(specifier, { ...context, parentURL: import.meta.url })
      const found = next(specifier, context)
      return generation !== undefined && /^\.\.?\//.test(specifier)
        ? { ...found, url: found.url + GENERATION + generation }
        : found
    } catch (cause) {
      if (generation === undefined) throw cause
      // Falls back to packages installed beside a global iems and to its own dependencies, such as zod.
      if (isBare(specifier) && isMissing(cause)) {
        try {
          return next(specifier, { ...context, parentURL: import.meta.url })
        } catch (other) {
          if (!isMissing(other)) throw other
        }
      }
      throw new UnknownImport(specifier, fileURLToPath(parent), cause)
    }
  },
})

const isBare = (specifier: string) => !/^(?:\.{0,2}\/|[a-z]+:)/.test(specifier)
const isMissing = (cause: unknown) => (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND'

/** An import of the configuration that cannot be resolved. */
class UnknownImport extends Error {
  /** `file:line:column`. */
  readonly at: string
  constructor(specifier: string, file: string, cause: unknown) {
    super(`cannot import '${specifier}': ${whyNot(specifier, file, cause)}`, { cause })
    this.at = `${file}${positionIn(file, specifier)}`
  }
}

function whyNot(specifier: string, file: string, cause: unknown): string {
  if (specifier.startsWith('iems/')) return 'iems has no such part'
  if (/^\.\.?\//.test(specifier)) return 'there is no such file'
  if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') return reasonOf(cause)
  return `the package is not installed; run npm install in ${dirname(file)}`
}

function positionIn(file: string, specifier: string): string {
  const source = readFileSync(file, 'utf8')
  const at = Math.max(source.indexOf(`'${specifier}'`), source.indexOf(`"${specifier}"`))
  if (at < 0) return ''
  const before = source.slice(0, at).split('\n')
  return `:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`
}
