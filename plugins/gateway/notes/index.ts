/**
 * Notes and Domino: databases (NSF and DXL) inspected, converted and imported into mailboxes; the directory of Notes
 * imported; and the border to a Domino server that is still in use.
 *
 * This file only wires; start reading at archive/model.ts, then message/convert.ts and migration/import.ts.
 */
import { type Command, definePlugin, type SetupContext, type Taps } from 'iems'
import { Accounts } from '../../directory/static/api.ts'
import { Directory, type DirectoryApi } from '../../directory/store/api.ts'
import { MailStore } from '../../mailbox/store/api.ts'
import { Contacts } from '../../web/jmap/api.ts'
import { createBook } from './book.ts'
import { expandNotes, fromDomino, leaveDomino } from './border.ts'
import { createConvert } from './commands/convert.ts'
import { createImport } from './commands/import.ts'
import { createInspect } from './commands/inspect.ts'
import { bringDirectory, createDirectoryCommand } from './directory/command.ts'
import { createDirectoryExport } from './directory/export.ts'
import type { AddressBook } from './names.ts'
import { type Connector, type DirectorySource, type Options, options } from './options.ts'
import { createRoute, createSwitch } from './routing.ts'

export const notes = definePlugin({
  name: 'notes',
  config: options.prefault({}),
  wants: [Accounts, Directory, MailStore, Contacts],
  records: { filed: { version: 1 }, intention: { version: 1 } },
  setup(config, ctx) {
    const directory = ctx.find(Directory)
    const book = createBook(directory, ctx.find(Accounts))
    const { connector, domain } = config
    const source = connector?.directory
    if (directory && source) schedule(ctx, directory, source, domain)
    return { commands: commandsOf(config, ctx, book), ...(connector ? { hooks: hooksOf(connector, book) } : {}) }
  },
})

function hooksOf(connector: Connector, book: AddressBook): Taps {
  const deps = { connector, book }
  return {
    expand: { stage: 'early', handler: ({ to }) => expandNotes(deps, to) },
    modify: (message) => fromDomino(deps, message),
    dispatch: (delivery) => leaveDomino(deps, delivery),
  }
}

/** One kernel of the store at a time. */
function schedule(ctx: SetupContext, directory: DirectoryApi, source: DirectorySource, domain: string): void {
  const run = async (signal: AbortSignal) => {
    for await (const line of bringDirectory(directory, { source, domain, isCheck: false, signal }))
      if ('text' in line) ctx.log.info('the Notes directory', { change: line.text })
  }
  ctx.schedule({ name: 'directory', every: source.interval, run })
}

function commandsOf(
  { domain, connector }: Options,
  ctx: SetupContext,
  book: AddressBook,
): Readonly<Record<string, Command>> {
  const [accounts, directory, mail] = [ctx.find(Accounts), ctx.find(Directory), ctx.find(MailStore)]
  const switchHere = directory && createSwitch(directory)
  const target = connector && { channel: connector.channel, nexthop: connector.nexthop }
  return {
    'notes inspect': createInspect(domain),
    'notes convert': createConvert({ domain, book }),
    ...(mail && accounts
      ? {
          'notes import': createImport({
            store: ctx.store,
            mail,
            contacts: ctx.find(Contacts),
            accounts,
            book,
            domain,
            switchHere,
          }),
        }
      : {}),
    ...(directory
      ? {
          'notes route': createRoute(directory, target),
          'notes directory': createDirectoryCommand(directory, { domain, source: connector?.directory }),
          'notes export-directory': createDirectoryExport(directory),
        }
      : {}),
  }
}
