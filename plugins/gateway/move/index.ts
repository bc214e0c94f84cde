/**
 * Moving in: accounts of other mail systems brought into mailboxes here, as often as it takes until nothing differs.
 *
 * This file only wires; start reading at sources/source.ts, then transfer/account-move.ts.
 */
import { definePlugin } from 'iems'
import { Accounts } from '../../directory/static/api.ts'
import { MailStore } from '../../mailbox/store/api.ts'
import { createImapCommand } from './commands/imap.ts'
import { options } from './options.ts'

export const move = definePlugin({
  name: 'move',
  config: options.prefault({}),
  needs: [Accounts, MailStore],
  records: { filed: { version: 1 }, intention: { version: 1 } },
  setup({ server }, ctx) {
    const [accounts, mail] = [ctx.use(Accounts), ctx.use(MailStore)]
    return { commands: { 'move imap': createImapCommand({ store: ctx.store, mail, accounts, server }) } }
  },
})
