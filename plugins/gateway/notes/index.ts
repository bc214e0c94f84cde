/**
 * Notes and Domino: databases (NSF and DXL) inspected, converted and imported into mailboxes, by the directory that this
 * server has or that Notes had.
 *
 * This file only wires; start reading at archive/model.ts, then message/convert.ts and migration/import.ts.
 */
import { type Command, definePlugin, type SetupContext } from 'iems'
import { Accounts } from '../../directory/static/api.ts'
import { Directory } from '../../directory/store/api.ts'
import { MailStore } from '../../mailbox/store/api.ts'
import { createBook } from './book.ts'
import { createConvert } from './commands/convert.ts'
import { createImport } from './commands/import.ts'
import { createInspect } from './commands/inspect.ts'
import { createDirectoryCommand } from './directory/command.ts'
import { type Options, options } from './options.ts'
import { createRoute, createSwitch } from './routing.ts'

export const notes = definePlugin({
  name: 'notes',
  config: options.prefault({}),
  wants: [Accounts, Directory, MailStore],
  records: { filed: { version: 1 }, intention: { version: 1 } },
  setup: (config, ctx) => ({ commands: commandsOf(config, ctx) }),
})

function commandsOf({ domain }: Options, ctx: SetupContext): Readonly<Record<string, Command>> {
  const [accounts, directory, mail] = [ctx.find(Accounts), ctx.find(Directory), ctx.find(MailStore)]
  const book = createBook(directory, accounts)
  const switchHere = directory && createSwitch(directory)
  return {
    'notes inspect': createInspect(domain),
    'notes convert': createConvert({ domain, book }),
    ...(mail && accounts
      ? { 'notes import': createImport({ store: ctx.store, mail, accounts, book, domain, switchHere }) }
      : {}),
    ...(directory
      ? {
          'notes route': createRoute(directory, undefined),
          'notes directory': createDirectoryCommand(directory, domain),
        }
      : {}),
  }
}
