/**
 * `iems --help`: every command with its summary, subcommands included, in groups.
 */
import { type Command, Help } from 'commander'

/** Headings of the server's own commands, by first word, in the order in which they are shown. */
const HEADINGS: Readonly<Record<string, string>> = {
  init: 'Set up and run:',
  start: 'Set up and run:',
  check: 'Set up and run:',
  doctor: 'Set up and run:',
  backup: 'Set up and run:',
  store: 'Set up and run:',
  hooks: 'Set up and run:',
  man: 'Set up and run:',
  completion: 'Set up and run:',
  status: 'The running server:',
  top: 'The running server:',
  log: 'The running server:',
  trace: 'The running server:',
  reload: 'The running server:',
  stop: 'The running server:',
  watch: 'Several machines:',
  responder: 'Several machines:',
  node: 'Several machines:',
  send: 'Messages:',
  message: 'Messages:',
  queue: 'Messages:',
}

/** The runnable commands: a word with subcommands counts only if it is a command itself. */
function runnable(command: Command): Command[] {
  const usual = new Help()
  return usual.visibleCommands(command).flatMap((one) => {
    const below = runnable(one).filter((each) => each.name() !== 'help')
    if (below.length === 0) return [one]
    return one.registeredArguments.length > 0 ? [one, ...below] : below
  })
}

function wordsOf(command: Command): string {
  const { parent } = command
  return parent?.parent ? `${wordsOf(parent)} ${command.name()}` : command.name()
}

const wordOf = (command: Command) => wordsOf(command).split(' ')[0] as string

const ORDER = Object.keys(HEADINGS)
const rankOf = (command: Command) => ORDER.indexOf(wordOf(command)) + 1 || ORDER.length + 1

function termOf(command: Command): string {
  const given = command.registeredArguments.map((argument) => {
    const text = `${argument.name()}${argument.variadic ? '...' : ''}`
    return argument.required ? `<${text}>` : `[${text}]`
  })
  return [wordsOf(command), ...given].join(' ')
}

/** Applies to the commands that exist when the help is printed. */
export function showEveryCommand(iems: Command): void {
  iems.configureHelp({
    visibleCommands: (command) => {
      if (command !== iems) return new Help().visibleCommands(command)
      const all = runnable(iems).filter((one) => one.name() !== 'help')
      for (const one of all) if (!one.helpGroup()) one.helpGroup(HEADINGS[wordOf(one)] ?? `iems ${wordOf(one)}:`)
      return all.sort((a, b) => rankOf(a) - rankOf(b))
    },
    subcommandTerm: (command) =>
      command.parent === iems || wordsOf(command).includes(' ') ? termOf(command) : command.name(),
    // The text after a semicolon appears only in the command's own help.
    subcommandDescription: (command) => command.description().split(';')[0] as string,
  })
}
