/**
 * `iems mailbox …`: what admins ask of the message store.
 */
import { type Command, type CommandCall, type CommandOutput, counted, formatSize } from 'iems'
import type { Account, AccountsApi } from '../../directory/static/api.ts'
import { isRefused } from './account-transactions.ts'
import type { Mailbox, MailStoreApi } from './api.ts'
import type { AccountCheck, CheckOptions } from './check.ts'
import { createReader } from './reader.ts'
import type { Finding } from './search-service.ts'
import { createTransferCommands } from './transfer/commands.ts'
import type { Undelete } from './undelete.ts'

export interface CommandsDeps {
  readonly service: MailStoreApi
  readonly accounts: AccountsApi
  readonly checkAccount: AccountCheck['checkAccount']
  sweep(): Promise<void>
  readonly finding: Pick<Finding, 'rebuild' | 'status'>
  readonly undelete: Undelete
}

export function createCommands(parts: CommandsDeps): Readonly<Record<string, Command>> {
  const { service, accounts } = parts
  const named = (name: string | undefined) => accountOf(accounts, name)
  return {
    ...createTransferCommands({ service, accountOf: named }),
    ...createReader({
      service,
      accountOf: named,
      mailboxOf: (account, name) => mailboxOf(service, account, name),
      list: () => accounts.list(),
    }),
    'mailbox list': {
      summary: "an account's mailboxes",
      arguments: ['<account>'],
      run: ({ arguments: [name] }) => list(parts, name),
    },
    'mailbox usage': {
      summary: 'what accounts hold',
      arguments: ['[account]'],
      run: ({ arguments: [name] }) => usage(parts, name),
    },
    'mailbox check': {
      summary: 'whether everything about mailboxes is in order',
      arguments: ['[account]'],
      options: {
        '--repair': 'put right what can be',
        '--deep': 'read all content and compare it with the hash kept when it came',
      },
      run: ({ arguments: [name], options }) =>
        check(parts, name, { repair: options.repair === true, deep: options.deep === true }),
    },
    'mailbox sweep': {
      summary: 'remove now what is past its time, which otherwise happens every hour',
      async *run() {
        yield { progress: 'sweeping' }
        await parts.sweep()
        yield { text: 'What was past its time is gone' }
      },
    },
    'mailbox index': {
      summary: 'how far the full-text index is',
      options: { '--rebuild': 'delete the index and build it again' },
      run: (call) => index(parts, call),
    },
    'mailbox undelete': {
      summary: 'bring expunged messages back, as long as they are kept',
      arguments: ['<account>'],
      options: { '--mailbox <name>': 'only those of this mailbox', '--since <date>': 'only those expunged since then' },
      run: (call) => restore(parts, call),
    },
    'mailbox acl': {
      summary: 'who else may do what with a mailbox (RFC 4314); without rights, what is given',
      arguments: ['<account>', '<mailbox>', '[identifier]', '[rights]'],
      run: (call) => access(parts, call),
    },
  }
}

async function* index({ finding }: CommandsDeps, { options }: CommandCall): AsyncGenerator<CommandOutput> {
  if (options.rebuild === true) await finding.rebuild()
  const status = await finding.status()
  const { waiting } = status
  yield {
    text: waiting === 0 ? 'Everything is indexed' : `${counted(waiting, 'message')} still to be indexed`,
    value: status,
  }
}

async function* restore(
  { accounts, undelete }: CommandsDeps,
  { arguments: [name], options }: CommandCall,
): AsyncGenerator<CommandOutput> {
  const { id } = await accountOf(accounts, name)
  const since = typeof options.since === 'string' ? Date.parse(options.since) : 0
  if (Number.isNaN(since)) throw new Error(`--since ${options.since}: it must be a date such as 2026-11-24T10:00`)
  let count = 0
  const only = typeof options.mailbox === 'string' ? { mailbox: options.mailbox } : {}
  for await (const { mailbox } of undelete({ account: id, since, ...only }))
    yield { progress: `${counted(++count, 'message')}, ${mailbox}` }
  yield { text: `${counted(count, 'message')} restored`, value: { messages: count } }
}

async function* access(
  { service, accounts }: CommandsDeps,
  { arguments: [name, mailboxName, identifier, rights] }: CommandCall,
): AsyncGenerator<CommandOutput> {
  let mailbox = await mailboxOf(service, await accountOf(accounts, name), mailboxName)
  if (identifier !== undefined) {
    const id = await identifierOf(accounts, identifier)
    const { [id]: _, ...others } = mailbox.acl
    const set = await service.setAcl(mailbox, rights ? { ...others, [id]: rights } : others)
    if (isRefused(set)) throw new Error(set.why)
    mailbox = set
  }
  for (const [who, given] of Object.entries(mailbox.acl))
    yield { text: `${await shownIdentifier(accounts, who)}  ${given}`, value: { identifier: who, rights: given } }
}

/** By name, address or id. */
async function accountOf(accounts: AccountsApi, name = ''): Promise<Account> {
  const found =
    (await accounts.byLogin(name)) ?? (await accounts.byAddress(name))?.account ?? (await accounts.byId(name))
  if (!found) throw new Error(`There is no account ${name}`)
  return found
}

async function* chosen(accounts: AccountsApi, name: string | undefined): AsyncGenerator<Account> {
  if (name === undefined) yield* accounts.list()
  else yield await accountOf(accounts, name)
}

async function mailboxOf(service: MailStoreApi, account: Account, name = ''): Promise<Mailbox> {
  const found = await service.find(account.id, name)
  if (!found) throw new Error(`${account.name} has no mailbox ${name}`)
  return found
}

/** Access lists contain account ids, whatever name the administrator types. */
async function identifierOf(accounts: AccountsApi, text: string): Promise<string> {
  const sign = text.startsWith('-') ? '-' : ''
  const bare = text.slice(sign.length)
  return bare === 'anyone' || bare.startsWith('group:') ? text : sign + (await accountOf(accounts, bare)).id
}

async function shownIdentifier(accounts: AccountsApi, identifier: string): Promise<string> {
  const sign = identifier.startsWith('-') ? '-' : ''
  const bare = identifier.slice(sign.length)
  return sign + ((await accounts.byId(bare))?.name ?? bare)
}

async function* list({ service, accounts }: CommandsDeps, name: string | undefined): AsyncGenerator<CommandOutput> {
  const account = await accountOf(accounts, name)
  for (const mailbox of await service.mailboxes(account.id)) {
    const { messages, unseen, size, specialUse = '' } = mailbox
    const text =
      `${mailbox.name}  ${counted(messages, 'message')}, ${unseen} unseen, ${formatSize(size)} ${specialUse}`.trimEnd()
    yield { text, value: mailbox }
  }
}

async function* usage({ service, accounts }: CommandsDeps, name: string | undefined): AsyncGenerator<CommandOutput> {
  for await (const account of chosen(accounts, name)) {
    const { octets, messages } = await service.usage(account.id)
    const { octets: quota } = await service.limitsOf(account.id)
    const share = quota === null ? 'no limit' : `of ${formatSize(quota)}`
    yield {
      text: `${account.name}  ${formatSize(octets)}  ${share}`,
      value: { account: account.name, octets, messages, ...(quota === null ? {} : { quota }) },
    }
  }
}

async function* check(
  { accounts, checkAccount }: CommandsDeps,
  name: string | undefined,
  { repair, deep }: CheckOptions,
): AsyncGenerator<CommandOutput> {
  let [checked, found, left, lost] = [0, 0, 0, 0]
  for await (const account of chosen(accounts, name)) {
    yield { progress: `${counted(++checked, 'account')}, ${counted(found, 'problem')}: ${account.name}` }
    for await (const problem of checkAccount(account.id, { repair, deep })) {
      found++
      const isMended = repair && problem.canRepair
      if (!isMended) left++
      if (!problem.canRepair) lost++
      const where = `${account.name} ${problem.mailbox}${problem.uid === undefined ? '' : ` UID ${problem.uid}`}`
      yield {
        text: `${where}: ${problem.what}${isMended ? ' (repaired)' : ''}`,
        value: { account: account.name, ...problem },
      }
    }
  }
  yield { text: `${counted(checked, 'account')} checked, ${counted(found, 'problem')} found, ${left} left` }
  if (lost > 0)
    yield {
      text: 'Content that is missing or damaged comes back only from a backup of the data folder, under the name of its blob; without one, expunge the messages',
    }
  if (left > lost || (left > 0 && repair))
    throw new Error(repair ? 'Not everything can be repaired' : 'Repair with --repair what can be')
  if (left > 0) throw new Error('Nothing of this can be repaired here')
}
