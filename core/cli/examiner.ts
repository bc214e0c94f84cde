/**
 * The process that checks a configuration for `examineConfiguration`: prints the result as JSON.
 */
import { ADMIN } from '../api/administration.ts'
import { IemsError, reasonOf } from '../api/errors.ts'
import { loadConfig } from '../runtime/config.ts'
import { rehearse } from './rehearse.ts'

const [file] = process.argv.slice(2)

async function examine() {
  try {
    const config = await loadConfig(file)
    return await rehearse(config, (kernel) => ({
      problems: [],
      warnings: kernel.warnings,
      view: kernel.administration.as({ user: 'check', roles: [ADMIN] }).configuration(),
    }))
  } catch (cause) {
    const list =
      cause instanceof IemsError ? (cause.details.list as { path: string; text: string }[] | undefined) : undefined
    const problems = list?.map(({ path, text }) => (path === '' ? text : `${path}: ${text}`)) ?? [reasonOf(cause)]
    return { problems, warnings: [] }
  }
}

// One line, after which the parent ends this process: plugins may have left timers behind.
process.stdout.write(`${JSON.stringify(await examine())}\n`)
