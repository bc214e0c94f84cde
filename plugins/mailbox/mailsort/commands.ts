/**
 * `iems mailsort …`: scripts of accounts, domains, groups and the server; their effect on a message, step by step; and
 * rules for mail that is stored.
 */
import { type Command, type CommandOutput, defineCommand, escapeLine, escapeText } from 'iems'
import { gather } from 'iems/mime'
import * as z from 'zod'
import type { Account, AccountsApi } from '../../directory/static/api.ts'
import type { MailStoreApi } from '../store/api.ts'
import { problemOf } from './service.ts'
import { apply, explain, type PreviewDeps, preview } from './trial.ts'

export interface CommandsDeps extends PreviewDeps {
  readonly accounts: AccountsApi
  readonly mail: MailStoreApi
}

const whose = {
  account: z.string().optional().describe('the account by name or address'),
  domain: z.string().optional().describe('a domain, whose scripts run for all its addresses'),
  group: z.string().optional().describe('a group, whose scripts run for its members'),
  server: z.boolean().optional().describe('the scripts that run for everybody'),
}
type Whose = { [K in keyof typeof whose]?: z.output<(typeof whose)[K]> }

const named = z.object({ name: z.string().describe('the name of the script'), ...whose })

export function createCommands(deps: CommandsDeps): Readonly<Record<string, Command>> {
  const { accounts, scripts, programs } = deps

  async function accountOf(name = ''): Promise<Account> {
    const found =
      (await accounts.byLogin(name)) ?? (await accounts.byAddress(name))?.account ?? (await accounts.byId(name))
    if (!found) throw new Error(`There is no account ${name}`)
    return found
  }

  async function ownerOf({ account, domain, group, server }: Whose): Promise<string> {
    const given = [account, domain, group, server || undefined].filter((one) => one !== undefined)
    if (given.length !== 1) throw new Error('Name one of --account, --domain, --group and --server')
    if (account !== undefined) return `account:${(await accountOf(account)).id}`
    if (domain !== undefined) return `domain:${domain.toLowerCase()}`
    return group === undefined ? 'server' : `group:${group}`
  }

  async function textOf(owner: string, name: string): Promise<string> {
    const text = await scripts.get(owner, name)
    if (text === undefined) throw new Error(`There is no script ${name}`)
    return text
  }

  const refuse = (refused: { readonly why: string } | undefined) => {
    if (refused) throw new Error(refused.why)
  }

  return {
    ...createScriptCommands({ ownerOf, textOf, refuse, scripts, programs }),
    ...createTrialCommands(deps, accountOf, textOf),
  }
}

/** Trials of scripts: with a message, for a vacation, with stored mail. */
function createTrialCommands(
  deps: CommandsDeps,
  accountOf: (name: string) => Promise<Account>,
  textOf: (owner: string, name: string) => Promise<string>,
): Readonly<Record<string, Command>> {
  const { scripts } = deps
  return {
    'mailsort test': defineCommand({
      summary: 'what the scripts of an account do with a message, step by step; nothing is filed or sent',
      fields: z.object({
        account: z.string().describe('the account by name or address'),
        from: z.string().default('').describe('the reverse-path of the envelope'),
        to: z.string().optional().describe("the recipient's address; by default the account's first"),
        script: z.string().optional().describe('this script of the account, whichever is active'),
      }),
      reads: true,
      async *run({ values, input }) {
        const account = await accountOf(values.account)
        yield* explain(deps, { ...values, account, content: await gather(input, MAX_MESSAGE) })
      },
    }),
    'mailsort preview': defineCommand({
      summary: 'the vacation reply of an account to a sample message; nothing is sent',
      fields: z.object({
        account: z.string().describe('the account by name or address'),
        from: z.string().default('someone@example.com').describe('the address of the sender'),
        subject: z.string().optional().describe('the subject of the sample'),
        script: z.string().optional().describe('this script of the account, whichever is active'),
      }),
      async *run({ values: { account: name, script, from, subject } }) {
        const account = await accountOf(name)
        const owner = `account:${account.id}`
        const wanted = script ?? (await scripts.active(owner))
        if (wanted === undefined) throw new Error('No script is active')
        const sample = { from, ...(subject === undefined ? {} : { subject }) }
        const made = await preview(deps, account, { text: await textOf(owner, wanted), sample })
        yield { text: escapeText('reply' in made ? made.reply.replaceAll('\r\n', '\n') : made.none), value: made }
      },
    }),
    'mailsort run': defineCommand({
      summary: "file an account's stored messages by its active script",
      fields: z.object({
        account: z.string().describe('the account by name or address'),
        mailbox: z.string().default('INBOX').describe('the mailbox whose messages are filed'),
        script: z.string().optional().describe('this script of the account, whichever is active'),
        dryRun: z.boolean().optional().describe('say what would be done, and change nothing'),
      }),
      async *run({ values, signal }): AsyncGenerator<CommandOutput> {
        yield* apply(deps, {
          ...values,
          account: await accountOf(values.account),
          dryRun: values.dryRun === true,
          signal,
        })
      },
    }),
  }
}

/** Octets of a message that is tried. */
const MAX_MESSAGE = 50 * 1024 * 1024

interface ScriptCommandsDeps extends Pick<CommandsDeps, 'scripts' | 'programs'> {
  ownerOf(whose: Whose): Promise<string>
  textOf(owner: string, name: string): Promise<string>
  refuse(refused: { readonly why: string } | undefined): void
}

/** Scripts by name: list, show, put, activate, remove. */
function createScriptCommands({
  ownerOf,
  textOf,
  refuse,
  scripts,
  programs,
}: ScriptCommandsDeps): Readonly<Record<string, Command>> {
  return {
    'mailsort list': defineCommand({
      summary: 'scripts, the active one marked',
      fields: z.object(whose),
      async *run({ values }) {
        for (const info of await scripts.list(await ownerOf(values)))
          yield { text: `${info.isActive ? '*' : ' '} ${escapeLine(info.name)}  ${info.size} octets`, value: info }
      },
    }),
    'mailsort show': defineCommand({
      summary: 'the text of a script',
      fields: named,
      arguments: ['<name>'],
      async *run({ values }) {
        yield { text: escapeText((await textOf(await ownerOf(values), values.name)).replaceAll('\r\n', '\n')) }
      },
    }),
    'mailsort put': defineCommand({
      summary: "store a script; 'before' and 'after' of a domain, a group or the server run around those of accounts",
      fields: named.extend({ activate: z.boolean().optional().describe('make it the active script of the account') }),
      arguments: ['<name>'],
      reads: true,
      async *run({ values, input }) {
        const text = Buffer.concat(await Array.fromAsync(input)).toString()
        const problem = problemOf(programs, text)
        if (problem !== undefined) throw new Error(problem)
        const owner = await ownerOf(values)
        refuse(await scripts.put(owner, values.name, text))
        if (values.activate) refuse(await scripts.activate(owner, values.name))
        yield { text: `${escapeLine(values.name)} stored${values.activate ? ' and active' : ''}` }
      },
    }),
    'mailsort activate': defineCommand({
      summary: 'make a script the active one; without a name none is',
      fields: named.extend({ name: z.string().optional().describe('the name of the script') }),
      arguments: ['[name]'],
      async *run({ values }) {
        refuse(await scripts.activate(await ownerOf(values), values.name ?? null))
        yield { text: values.name === undefined ? 'no script is active' : `${escapeLine(values.name)} is active` }
      },
    }),
    'mailsort remove': defineCommand({
      summary: 'remove a script that is not active',
      irreversible: true,
      fields: named,
      arguments: ['<name>'],
      async *run({ values }) {
        refuse(await scripts.remove(await ownerOf(values), values.name))
        yield { text: `${escapeLine(values.name)} removed` }
      },
    }),
  }
}
