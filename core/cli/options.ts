/**
 * Options shared by several commands, and the parsing of their values.
 */
import { type Command, InvalidArgumentError } from 'commander'

export const count = (text: string) => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a whole number from 1')
  return value
}

/** Adds the options that select deliveries. */
export function choosing(command: Command): Command {
  return command
    .option('--channel <name>', 'only those of this channel')
    .option('--nexthop <name>', 'only those for this next hop; .example.org is every one below it')
    .option('--from <address>', 'only those of this sender')
    .option('--to <address>', 'only those to this recipient')
    .option('--scheduled', 'only those that are to be sent later')
}

export function common(command: Command): Command {
  return command
    .option('-c, --config <file>', 'the configuration; default: the first iems.config.* from here upwards')
    .option('--json', 'one JSON value a line')
}
