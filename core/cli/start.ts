/**
 * `iems start`: runs the server in this process until a signal or `iems stop` ends it.
 */
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import type { Level } from '../api/events.ts'
import { openControl } from '../control/server.ts'
import { loadConfig, pathIn } from '../runtime/config.ts'
import type { Config } from '../runtime/config-schema.ts'
import { controlPath } from '../runtime/folders.ts'
import type { Kernel } from '../runtime/kernel.ts'
import type { Listener } from '../runtime/listeners.ts'
import { createLog } from '../runtime/log.ts'
import { createLineWriter } from '../runtime/log-writer.ts'
import { type Server, startServer } from '../runtime/server.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { escapeLine } from '../runtime/text.ts'
import { startWatchdog } from '../runtime/watchdog/watchdog.ts'
import { Workers } from '../runtime/workers/workers.ts'
import { common } from './options.ts'
import { bold, dim, fail, table } from './print.ts'

interface StartOptions {
  readonly config?: string
  readonly memory?: boolean
  readonly logLevel?: Level
  readonly quiet?: boolean
}

/** The running server, with facts for the start screen. */
interface Started extends Pick<Kernel, 'listeners'> {
  readonly config: Config
  readonly commands: { has(words: string): boolean }
  readonly notices: readonly string[]
  readonly server: Pick<Server, 'reload' | 'stop' | 'stopped'>
  /** Closes what outlives the server's stop. */
  close(): void
}

interface Beginning {
  readonly config: Config
  readonly level: Level
  readonly memory: boolean
  readonly count: number
}

/** Runs everything in this thread. */
async function startAlone({ config, level, memory }: Beginning): Promise<Started> {
  const log = createLog({ ...config.log, level })
  const server = await startServer({ config, log, memory })
  let closeControl: () => void
  try {
    closeControl = await openControl(server, controlPath(config))
  } catch (error) {
    await server.stop()
    throw error
  }
  const stopWatching = startWatchdog({
    timeout: config.watchdog,
    failed: (cause) => server.kernel.emit('kernel.fault', { cause }),
  })
  const close = () => {
    closeControl()
    stopWatching()
  }
  const { kernel } = server
  const notices = await kernel.started().catch(async (error: unknown) => {
    close()
    await server.stop()
    throw error
  })
  return { listeners: kernel.listeners, commands: kernel.commands, config, notices, server, close }
}

/** Runs each worker in a thread; this one owns the store. */
async function startWorkers({ config, level, memory, count }: Beginning): Promise<Started> {
  const { format } = config.log
  const lines = createLineWriter(1)
  const shown = format === 'auto' ? (process.stdout.isTTY ? 'text' : 'json') : format
  const log = createLog({ ...config.log, level, format: shown, to: lines })
  const writeLines = (text: string) => {
    lines.write(text)
    lines.flush()
  }
  const server = new Workers({ config, count, memory, log, level, format: shown, writeLines })
  const close = startWatchdog({
    timeout: config.watchdog,
    failed: (cause) => log.event({ name: 'kernel.fault', at: systemClock.now(), cause }),
  })
  try {
    const { listeners, commands, notices } = await server.start()
    return { listeners, commands: new Set(commands), config, notices, server, close }
  } catch (error) {
    close()
    throw error
  }
}

/** Where to find more; printed on later starts instead of the first screen. */
function laterScreen({ listeners, config }: Started): string[] {
  const places = listeners.map((listener) => `${escapeLine(listener.label)} ${placeOf(listener)}`)
  return [
    `${bold('iems')} is running as ${escapeLine(config.hostname)} with ${escapeLine(config.path)}`,
    `  ${places.join(', ') || 'no listener'}`,
    `  ${bold('iems status')} shows what waits, ${bold('iems stop')} stops it`,
  ]
}

/** Listeners and how to test them, printed on the first start on a data folder. */
function firstScreen({ listeners, config, commands, notices }: Started, named?: string): string[] {
  const { postmaster } = config.reports
  const option = named === undefined ? '' : ` --config ${escapeLine(named)}`
  const tries =
    postmaster === undefined
      ? []
      : [
          '',
          'Send yourself a message, and read it:',
          bold(`  ${COMMAND} send ${escapeLine(postmaster)} --subject Hello --text "It works"${option}`),
          ...(commands.has('mail') ? [bold(`  ${COMMAND} mail${option}`)] : []),
        ]
  return [
    `${bold('iems')} is running as ${escapeLine(config.hostname)} with ${escapeLine(config.path)}`,
    '',
    table(
      listeners.map((listener) => [
        '',
        escapeLine(listener.label),
        placeOf(listener),
        dim(escapeLine(listener.plugin)),
      ]),
    ),
    ...(notices.length > 0 ? ['', ...notices.map(escapeLine)] : []),
    ...tries,
  ]
}

const placeOf = ({ address, port }: Listener) =>
  escapeLine(port === 0 ? address : `${address.includes(':') ? `[${address}]` : address}:${port}`)

/** The data folder holds no records yet. */
const isFirstStart = ({ store, path }: Config) =>
  'path' in store && !existsSync(join(pathIn({ path }, store.path), 'records'))

/** The command as typed in the current folder. */
const COMMAND = process.env.npm_lifecycle_event === undefined ? 'iems' : 'npx iems'

async function start(options: StartOptions) {
  // Mail, passwords and keys: other users of the machine must not read any file of the server.
  process.umask(0o077)
  const config = await loadConfig(options.config)
  const level = options.logLevel ?? config.log.level
  const isFirst = options.memory || isFirstStart(config)
  const count = config.workers === 'auto' ? availableParallelism() : config.workers
  const begin = count > 1 ? startWorkers : startAlone
  const started = await begin({ config, level, memory: options.memory ?? false, count })
  if (!options.quiet) {
    const screen = isFirst
      ? firstScreen(started, options.config)
      : [...laterScreen(started), ...started.notices.map(escapeLine)]
    process.stderr.write(`${screen.join('\n')}\n`)
  }
  const { server } = started
  // A failed reload is logged, and the old configuration continues.
  process.on('SIGHUP', () => void server.reload().catch(() => {}))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void server.stop().catch(fail))
  await server.stopped
  started.close()
}

export function addStart(iems: Command): void {
  common(iems.command('start').description('start the server'))
    .option('--memory', 'keep nothing: for trying things out')
    .option('--quiet', 'do not say what listens where')
    .addOption(
      new Option('--log-level <level>', 'the least important lines that are written').choices([
        'error',
        'warn',
        'info',
        'debug',
      ]),
    )
    .action(start)
}
