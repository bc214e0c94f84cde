/**
 * The `iems` command. Starts a server, or controls a running one through its control socket.
 *
 * Invariants: it prints escaped text for people (text.ts) or, with --json, one JSON value per line for programs; every
 * error suggests a remedy; it contains no server logic.
 */
import { once } from 'node:events'
import type { Command } from 'commander'
import { IemsError } from '../api/errors.ts'
import type { CommandShape, ControlRequest } from '../control/protocol.ts'
import { infoOf } from '../runtime/command-fields.ts'
import { loadConfig } from '../runtime/config.ts'
import { ask, askRaw } from './ask.ts'
import { runOffline } from './offline.ts'
import { addPluginCommands } from './plugin-commands.ts'
import { type Common, fail } from './print.ts'
import { program } from './program.ts'
import { rehearse } from './rehearse.ts'

/** The commands of plugins, from the running server or else from the configuration. */
async function pluginCommands(options: Common): Promise<readonly CommandShape[]> {
  const shapes: CommandShape[] = []
  try {
    await ask(options, { v: 1, method: 'commands' }, (shape) => shapes.push(shape as CommandShape))
    return shapes
  } catch (error) {
    if (!(error instanceof IemsError) || error.code !== 'IEMS_CONTROL_ABSENT') throw error
    return rehearse(await loadConfig(options.config), ({ commands }) =>
      [...commands].map(([words, command]) => infoOf(words, command)),
    )
  }
}

/** Runs a plugin's command in the server or, when none runs, on its store. */
async function runCommand(
  options: Common,
  asked: ControlRequest,
  each: (item: unknown) => unknown,
  file?: AsyncIterable<Uint8Array>,
): Promise<unknown> {
  try {
    return await askRaw(options, asked, each, file)
  } catch (error) {
    const isAbsent = error instanceof IemsError && error.code === 'IEMS_CONTROL_ABSENT'
    if (!isAbsent || asked.method !== 'command') throw error
    return runOffline(await loadConfig(options.config), asked, each, file)
  }
}

/** Whether the words may be a plugin's command, or ask for a list of all. */
function mayBeOfPlugin(iems: Command, [, , word = '--help', next = '--help']: readonly string[]): boolean {
  if (word.startsWith('-')) return word === '--help' || word === '-h'
  if (['help', 'man', 'completion'].includes(word)) return true
  const own = iems.commands.find((command) => command.name() === word)
  if (!own) return true
  // Some subcommands of `message` are the server's.
  return own.commands.length > 0 && !own.commands.some((command) => command.name() === next)
}

/** Finds --config before commander parses, because the commands depend on it. */
function namedConfig(words: readonly string[]): Common {
  const at = words.findIndex((word) => word === '-c' || word === '--config')
  const config = at < 0 ? words.find((word) => word.startsWith('--config='))?.slice(9) : words[at + 1]
  return config === undefined ? {} : { config }
}

// A closed reader, such as `head` after its lines, must not end a command or the server.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') fail(error)
})
process.stderr.on('error', () => {})
try {
  const iems = program()
  if (mayBeOfPlugin(iems, process.argv)) {
    try {
      addPluginCommands(iems, await pluginCommands(namedConfig(process.argv)), runCommand)
    } catch (error) {
      // Help must work without a configuration; a plugin's command cannot.
      if (!/^(?:-|man$|completion$)/.test(process.argv[2] ?? '-')) throw error
    }
  }
  await iems.parseAsync()
} catch (error) {
  fail(error)
}
if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
