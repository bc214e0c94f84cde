/**
 * cc:Mail: a channel to and from a post office by exchange folders, and the commands of a migration.
 *
 * This file only wires; start reading at format/labels.ts and format/reader.ts, then exchange/.
 */
import { type Command, definePlugin, type SetupContext } from 'iems'
import { Accounts } from '../../directory/static/api.ts'
import { Directory } from '../../directory/store/api.ts'
import { MailStore } from '../../mailbox/store/api.ts'
import { fromInternet } from './addresses.ts'
import { createDirectoryCommands } from './commands/directory.ts'
import { createImport } from './commands/import.ts'
import { createInspect } from './commands/inspect.ts'
import { deliverToCc } from './exchange/deliver.ts'
import { createFolders } from './exchange/folders.ts'
import { receiveFromCc, receiveUndelivered } from './exchange/receive.ts'
import { type Options, options } from './options.ts'
import { createTranslator, type Translator } from './translator.ts'

export const ccmail = definePlugin({
  name: 'ccmail',
  config: options,
  wants: [Accounts, Directory, MailStore],
  records: { filed: { version: 1 }, intention: { version: 1 } },
  setup(config, ctx) {
    const translator = createTranslator(config, ctx.find(Directory))
    return { commands: commandsOf(ctx, translator), ...exchangeOf(config, ctx, translator) }
  },
})

function commandsOf(ctx: SetupContext, translator: Translator): Readonly<Record<string, Command>> {
  const [accounts, directory, mail] = [ctx.find(Accounts), ctx.find(Directory), ctx.find(MailStore)]
  return {
    'ccmail inspect': createInspect(translator),
    ...(mail && accounts ? { 'ccmail import': createImport({ store: ctx.store, mail, accounts, translator }) } : {}),
    ...(directory ? createDirectoryCommands(directory, translator) : {}),
  }
}

/** Both ends of the channel; nothing without a folder. */
function exchangeOf(config: Options, ctx: SetupContext, translator: Translator) {
  const { folder, interval, quiet } = config
  if (folder === undefined) return {}
  const { clock, log, name } = ctx
  // Files have the time of the system, whatever the kernel's clock is.
  const folders = createFolders(folder, { quietMs: quiet, now: () => Date.now() })
  const deps = { folders, translator, log, now: clock.now, submit: ctx.submit.bind(ctx) }
  return {
    hooks: {
      route: ({ to }: { readonly to: { readonly address: string } }) =>
        fromInternet(to.address, config) ? { channel: name, nexthop: 'cc:Mail' } : undefined,
    },
    deliver: deliverToCc.bind(undefined, deps),
    async listen() {
      await folders.make()
      const run = async () => {
        await receiveFromCc(deps)
        await receiveUndelivered(deps)
      }
      // One kernel at a time: two would read the same files.
      ctx.schedule({ name: 'exchange', every: interval, run })
    },
  }
}
