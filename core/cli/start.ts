/**
 * `iems start`: the server in this process, until a signal or `iems stop` ends it.
 */
import { type Command, Option } from 'commander'
import type { Level } from '../api/events.ts'
import { openControl } from '../control/server.ts'
import { loadConfig } from '../runtime/config.ts'
import { controlPath } from '../runtime/folders.ts'
import type { Kernel } from '../runtime/kernel.ts'
import { createLog } from '../runtime/log.ts'
import { startServer } from '../runtime/server.ts'
import { escapeLine } from '../runtime/text.ts'
import { startWatchdog } from '../runtime/watchdog/watchdog.ts'
import { common } from './options.ts'
import { bold, dim, fail } from './print.ts'

interface StartOptions {
  readonly config?: string
  readonly memory?: boolean
  readonly logLevel?: Level
  readonly quiet?: boolean
}

/** Where mail can be tried at once, for someone who has just started his first server. */
function welcome({ doors, config }: Kernel): string {
  const first = doors.find(({ label }) => label.startsWith('SMTP'))
  const lines = [
    `${bold('iems')} ${escapeLine(config.hostname)} with ${escapeLine(config.path)}`,
    ...doors.map(({ label, plugin, address, port }) => {
      const place = port === 0 ? address : `${address.includes(':') ? `[${address}]` : address}:${port}`
      return `  ${escapeLine(label).padEnd(14)} ${escapeLine(place)}  ${dim(escapeLine(plugin))}`
    }),
    ...(first
      ? [
          '',
          'Send a first message with',
          bold(`  printf 'Subject: first\\n\\nHello\\n' | npx iems send --from me@example.org you@example.org`),
          'and see what became of it with',
          bold('  npx iems queue'),
        ]
      : []),
    '',
  ]
  return lines.join('\n')
}

async function start(options: StartOptions) {
  // Mail, passwords and keys: nothing that the server makes is for other users of the machine.
  process.umask(0o077)
  const config = await loadConfig(options.config)
  const log = createLog({ ...config.log, ...(options.logLevel ? { level: options.logLevel } : {}) })
  const server = await startServer({ config, log, ...(options.memory ? { memory: true } : {}) })
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
  if (!options.quiet) process.stderr.write(`${welcome(server.kernel)}\n`)
  // A reload that fails has told so in the log, and the old configuration goes on.
  process.on('SIGHUP', () => void server.reload().catch(() => {}))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void server.stop().catch(fail))
  await server.stopped
  closeControl()
  stopWatching()
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
