/**
 * `iems move imap`: accounts of an IMAP server into mailboxes here.
 */
import { type Command, type CommandOutput, counted, defineCommand, escapeLine, type Store } from 'iems'
import * as z from 'zod'
import type { AccountsApi } from '../../../directory/static/api.ts'
import type { MailStoreApi } from '../../../mailbox/store/api.ts'
import type { Server } from '../options.ts'
import { openImapSource } from '../sources/imap.ts'
import type { SourceAccount } from '../sources/source.ts'
import { moveAccount } from '../transfer/account-move.ts'
import { describe, type MoveReport } from '../transfer/report.ts'
import { accountOf, type Chosen, listedUsers, loginOf, serverOf } from './accounts.ts'

export interface MoveCommandDeps {
  readonly store: Store
  readonly mail: MailStoreApi
  readonly accounts: AccountsApi
  readonly server: Server | undefined
  /** The account has been switched, so that the old server decides no longer. */
  isHere?(account: string): Promise<boolean>
}

export interface MoveHow {
  readonly keepsUids: boolean
  readonly isDry: boolean
  readonly addsOnly?: boolean
  readonly signal: AbortSignal
}

const fields = z.strictObject({
  account: z.string().optional().describe('the account here'),
  all: z.boolean().optional().describe('every account here; needs a master user'),
  users: z
    .string()
    .optional()
    .describe('file on the server: on each line an account, its login and its password there, divided by tabs'),
  server: z.string().optional().describe('imaps://host, or imap://host for STARTTLS; default: the option server'),
  login: z.string().optional().describe("the account's login there; default: its address"),
  master: z.string().optional().describe('master user there, whose password is asked for'),
  keepUids: z.boolean().optional().describe('keep UIDVALIDITY and UIDs, so that clients keep their caches'),
  dryRun: z.boolean().optional().describe('say what differs, and change nothing'),
})
type Values = z.output<typeof fields>

export function createImapCommand(deps: MoveCommandDeps): Command {
  return defineCommand({
    summary: 'bring accounts of an IMAP server here; may be run again until nothing differs',
    arguments: ['[account]'],
    fields,
    reads: 'secret',
    async *run({ values, input, signal }) {
      const server = serverOf(deps.server, values.server)
      const password = Buffer.concat(await Array.fromAsync(input))
        .toString()
        .replace(/\r?\n$/, '')
      const master =
        values.master === undefined
          ? undefined
          : { user: values.master, separator: deps.server?.master?.separator ?? '*' }
      const how = { keepsUids: values.keepUids === true, isDry: values.dryRun === true, signal }
      yield* moveEach(deps, chosenOf(deps, values), how, async (chosen) => {
        const account = await accountOf(deps.accounts, chosen.account)
        if (await deps.isHere?.(account.id))
          throw new Error('it has been switched: a run would undo what has changed here since')
        return openImapSource(server, loginOf(server, account, chosen, { password, master }), signal)
      })
    },
  })
}

async function* chosenOf({ accounts }: MoveCommandDeps, { account, all, users, login }: Values) {
  if (users !== undefined) yield* listedUsers(users)
  else if (all) for await (const { name } of accounts.list()) yield { account: name }
  else if (account !== undefined) yield { account, ...(login === undefined ? {} : { login }) }
  else throw new Error('name an account, or give --all or --users')
}

/** Moves accounts one after the other, with a report for each; fails at the end if one failed. */
async function* moveEach(
  deps: Pick<MoveCommandDeps, 'store' | 'mail' | 'accounts'>,
  chosen: AsyncIterable<Chosen>,
  how: MoveHow,
  open: (chosen: Chosen) => Promise<SourceAccount>,
): AsyncGenerator<CommandOutput> {
  const all = { accounts: 0, filed: 0, failed: 0, refused: 0 }
  for await (const one of chosen) {
    how.signal.throwIfAborted()
    try {
      const report = yield* moveOne(deps, one, how, open)
      all.accounts++
      all.filed += report.filed
      all.refused += report.refusedCount
    } catch (cause) {
      how.signal.throwIfAborted()
      all.failed++
      const why = (cause as Error).message
      yield {
        text: `${escapeLine(one.account)}: ${escapeLine(why)}`,
        value: { account: one.account, problem: why },
      }
    }
  }
  yield {
    text: `${counted(all.filed, 'message')} into ${counted(all.accounts, 'account')}, ${all.refused} refused, ${counted(all.failed, 'account')} failed`,
    value: all,
  }
  if (all.failed > 0) throw new Error(`${counted(all.failed, 'account')} could not be moved`)
}

export async function* moveOne(
  { store, mail, accounts }: Pick<MoveCommandDeps, 'store' | 'mail' | 'accounts'>,
  chosen: Chosen,
  how: MoveHow,
  open: (chosen: Chosen) => Promise<SourceAccount>,
): AsyncGenerator<CommandOutput, MoveReport> {
  const account = await accountOf(accounts, chosen.account)
  const source = await open(chosen)
  try {
    const run = moveAccount({ store, mail }, source, { ...how, account: account.id })
    for (;;) {
      const { value, done } = await run.next()
      if (done) {
        const report = value.report(account.name, source.id)
        yield { text: describe(report, how.isDry), value: report }
        return report
      }
      yield { progress: `${account.name}: ${value.messages} messages seen, ${value.filed} filed` }
    }
  } finally {
    await source.close()
  }
}
