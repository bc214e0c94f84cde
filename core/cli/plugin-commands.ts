/**
 * The commands that plugins add to `iems`: their help, and the transfer of their input and output.
 *
 * They run in the server. Invariants: files are streamed, so their size does not matter; progress appears only on
 * terminals; printed text is escaped (text.ts).
 */
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { Command } from 'commander'
import type { CommandOutput } from '../api/command.ts'
import type { CommandShape, ControlRequest } from '../control/protocol.ts'
import { escapeText, jsonLine } from '../runtime/text.ts'

export interface Asking {
  readonly config?: string
  readonly json?: boolean
}
type Ask = (
  options: Asking,
  asked: ControlRequest,
  each: (item: unknown) => unknown,
  file?: AsyncIterable<Uint8Array>,
) => Promise<unknown>
type Given = Asking & { readonly input?: string; readonly output?: string }

/** As received over the control socket. */
type Output = Exclude<CommandOutput, { bytes: unknown }> | { readonly bytes: string }

/** Adds each command under its words. */
export function addPluginCommands(iems: Command, shapes: readonly CommandShape[], ask: Ask): void {
  for (const shape of shapes) {
    const words = shape.words.split(' ')
    // A word may be both a command and a group of commands.
    const command = words.reduce((above, word) => {
      const known = above.commands.find((one) => one.name() === word)
      return known ?? above.command(word).description('commands of a plugin')
    }, iems)
    command.description(shape.summary)
    for (const argument of shape.arguments ?? []) command.argument(argument)
    for (const [flags, sentence] of Object.entries(shape.options ?? {})) command.option(flags, sentence)
    if (shape.reads) command.option('--input <file>', 'what to read; default: standard input')
    if (shape.writes) command.option('--output <file>', 'where to write; default: standard output')
    command.option('-c, --config <file>', 'the configuration; default: the first iems.config.* from here upwards')
    command.option('--json', 'one JSON value a line')
    command.action(() => run(shape, command, ask))
  }
}

/** Converts commander's camelCase names back to the long options. */
function optionsOf(shape: CommandShape, values: Readonly<Record<string, unknown>>): Record<string, string | true> {
  const options: Record<string, string | true> = {}
  for (const flags of Object.keys(shape.options ?? {})) {
    const [, name = ''] = /--([a-z0-9-]+)/.exec(flags) ?? []
    const value = values[name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())]
    if (typeof value === 'string' || value === true) options[name] = value
  }
  return options
}

function inputOf({ reads }: CommandShape, { input }: Given): AsyncIterable<Uint8Array> {
  if (input !== undefined) return createReadStream(input)
  return reads === 'secret' && process.stdin.isTTY ? askSecret() : process.stdin
}

/** Prompts twice for a line, without echo. */
async function* askSecret(): AsyncGenerator<Uint8Array> {
  const hidden = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: hidden, terminal: true })
  const interrupted = new AbortController()
  terminal.on('SIGINT', () => interrupted.abort(new Error('interrupted')))
  const question = async (text: string) => {
    process.stderr.write(text)
    const answer = await terminal.question('', { signal: interrupted.signal })
    process.stderr.write('\n')
    return answer
  }
  try {
    const password = await question('Password: ')
    if ((await question('Again: ')) !== password) throw new Error('The two passwords differ')
    yield Buffer.from(`${password}\n`)
  } finally {
    terminal.close()
  }
}

async function run(shape: CommandShape, command: Command, ask: Ask): Promise<void> {
  const given = command.opts<Given>()
  const file = given.output === undefined ? undefined : createWriteStream(given.output, { mode: 0o600 })
  if (file) await once(file, 'open')
  const target = file ?? process.stdout
  /** A file shown on a terminal is text for people. */
  const screen = !file && process.stdout.isTTY ? new TextDecoder() : undefined
  const isTerminal = process.stderr.isTTY && !given.json
  const clear = isTerminal ? '\r\x1b[K' : ''
  const params = {
    words: shape.words,
    arguments: command.args,
    options: optionsOf(shape, command.opts()),
  }
  const input = shape.reads ? inputOf(shape, given) : undefined
  await ask(
    given,
    { v: 1, method: 'command', params },
    async (item) => {
      const output = item as Output
      if ('progress' in output) return isTerminal && process.stderr.write(`${clear}${escapeText(output.progress)}`)
      if ('bytes' in output) {
        const bytes = Buffer.from(output.bytes, 'base64')
        return (
          target.write(screen ? escapeText(screen.decode(bytes, { stream: true })) : bytes) || once(target, 'drain')
        )
      }
      if (isTerminal) process.stderr.write(clear)
      // Other output would mix with the file on standard output.
      const lines = shape.writes && !file ? process.stderr : process.stdout
      if (!given.json) return lines.write(`${escapeText(output.text)}\n`)
      return output.value === undefined || lines.write(`${jsonLine(output.value)}\n`)
    },
    input,
  )
  if (isTerminal) process.stderr.write(clear)
  if (file) {
    file.end()
    await finished(file)
  }
}
