/**
 * Runs a configuration file and locates errors in it or in its imports.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { IemsError, reasonOf } from '../api/errors.ts'

/**
 * Imports the current version of the file and returns its default export. Throws IEMS_CONFIG_UNREADABLE with the
 * position of the error.
 */
export async function importFresh(path: string): Promise<unknown> {
  const { GENERATION } = await import('./config-resolution.ts')
  try {
    const module = (await import(`${pathToFileURL(path).href}${GENERATION}${randomUUID()}`)) as { default?: unknown }
    return module.default
  } catch (cause) {
    if (cause instanceof IemsError) throw cause
    throw new IemsError('IEMS_CONFIG_UNREADABLE', { path: whereOf(cause, path), why: reasonOf(cause) }, cause)
  }
}

/** `file:line:column`, as far as the error contains it. */
function whereOf(cause: unknown, path: string): string {
  const { at, stack = '' } = cause as { at?: string; stack?: string }
  if (at !== undefined) return at
  return frameOf(stack) ?? (cause instanceof SyntaxError ? parsedAgain(path) : callOf(stack)) ?? path
}

/** Syntax errors begin with the position, the source line and a mark below it. */
function frameOf(stack: string): string | undefined {
  const [place = '', ...lines] = stack.split('\n', 8)
  const [, file, line] = /^([^?]+)(?:\?[^:]*)?:(\d+)$/.exec(place) ?? []
  if (file === undefined || /^\w*Error\b/.test(place)) return undefined
  const mark = lines.find((text) => /^\s*\^/.test(text))
  const name = file.startsWith('file:') ? fileURLToPath(file) : file
  return `${name}:${line}${mark === undefined ? '' : `:${mark.indexOf('^') + 1}`}`
}

/** The call that threw, if it is in the configuration. */
function callOf(stack: string): string | undefined {
  const [, file, position] = /\(?(file:[^\s()]+?)\?iems-generation=[^:\s]+:(\d+:\d+)/.exec(stack) ?? []
  return file === undefined ? undefined : `${fileURLToPath(file)}:${position}`
}

/** Node does not expose the position of a syntax error in JavaScript; the TypeScript parser does. */
function parsedAgain(path: string): string | undefined {
  try {
    stripTypeScriptTypes(readFileSync(path, 'utf8'))
    return undefined
  } catch (cause) {
    const found = /^.*?:(\d+)\n/.exec((cause as Error).stack ?? '')
    return found
      ? frameOf(`${path}:${found[1]}\n${(cause as Error).stack?.split('\n').slice(1).join('\n')}`)
      : undefined
  }
}
