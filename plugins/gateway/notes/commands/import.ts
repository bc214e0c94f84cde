/**
 * `iems notes import`: files into mailboxes, for one account or for many.
 */
import { createReadStream } from 'node:fs'
import { basename, isAbsolute, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { type Command, type CommandOutput, counted, escapeLine, type Store } from 'iems'
import type { Account, AccountsApi } from '../../../directory/static/api.ts'
import type { MailStoreApi } from '../../../mailbox/store/api.ts'
import type { ContactsApi } from '../../../web/jmap/api.ts'
import type { NotesArchive } from '../archive/model.ts'
import { type OpenOptions, openArchive } from '../archive/open.ts'
import { importArchive } from '../migration/import.ts'
import type { MigrationReport } from '../migration/report.ts'
import type { AddressBook } from '../names.ts'
import { isRemote } from '../remote/location.ts'
import { filesAt, OPEN_OPTIONS, openOptions } from './files.ts'

export interface ImportCommandDeps {
  readonly store: Store
  readonly mail: MailStoreApi
  readonly contacts: ContactsApi | undefined
  readonly accounts: AccountsApi
  readonly book: AddressBook
  readonly domain: string
  /** Lets the account's mail arrive here from now on; undefined without a directory that can be changed. */
  readonly switchHere: ((account: string) => Promise<string>) | undefined
}

interface Task {
  readonly path: string
  readonly open?: OpenOptions
  readonly account: string
  readonly owner?: string
}

export function createImport(deps: ImportCommandDeps): Command {
  return {
    summary: 'import Notes databases or DXL files into mailboxes; may be run again',
    arguments: ['<path>', '[account]'],
    options: {
      '--users':
        'the file is a list: on each line a path, an account and, if need be, a Notes name and a password file, divided by tabs',
      '--owner <name>': "whose unread marks count; default: the name that fits the account's, or the only one",
      ...OPEN_OPTIONS,
      '--switch': 'let mail of each account that is imported without a refusal arrive here from then on',
    },
    async *run({ arguments: [path = '', account], options, signal }) {
      const tasks = await tasksOf(deps, { path, account, isList: options.users === true })
      const counts = { accounts: 0, filed: 0, already: 0, failed: 0 }
      for (const task of tasks) {
        signal.throwIfAborted()
        try {
          const owner = typeof options.owner === 'string' ? options.owner : task.owner
          const report = yield* importOne(
            deps,
            { ...task, ...(owner === undefined ? {} : { owner }) },
            { open: { ...openOptions(options), ...task.open }, signal },
          )
          counts.accounts++
          counts.filed += report.filed
          counts.already += report.already
          if (options.switch === true) yield* switched(deps, task.account, report)
        } catch (error) {
          signal.throwIfAborted()
          counts.failed++
          const why = (error as Error).message
          yield {
            text: `${escapeLine(task.path)}: ${escapeLine(why)}`,
            value: { file: task.path, account: task.account, problem: why },
          }
        }
      }
      yield {
        text: `${counted(counts.filed, 'message')} into ${counted(counts.accounts, 'account')}, ${counts.already} were there, ${counted(counts.failed, 'file')} failed`,
        value: counts,
      }
      if (counts.failed > 0) throw new Error(`${counts.failed} of ${tasks.length} files could not be imported`)
    },
  }
}

async function tasksOf(
  deps: ImportCommandDeps,
  { path, account, isList }: { readonly path: string; readonly account: string | undefined; readonly isList: boolean },
): Promise<readonly Task[]> {
  if (isList) return listed(path)
  const files = await filesAt(path)
  if (account !== undefined) return files.map((file) => ({ path: file, account }))
  // Domino names mail files after the short names of their owners.
  const tasks = await Promise.all(
    files.map(async (file) => {
      const name = basename(file).replace(/\.[^.]+$/, '')
      return { path: file, account: (await deps.accounts.byLogin(name))?.name }
    }),
  )
  const unknown = tasks.filter((task) => task.account === undefined).map((task) => basename(task.path))
  if (unknown.length > 0)
    throw new Error(`no account has the name of ${unknown.slice(0, 5).join(', ')}: name the account, or use --users`)
  return tasks.map((task) => ({ path: task.path, account: task.account ?? '' }))
}

const MAX_USERS = 1_000_000

async function listed(path: string): Promise<readonly Task[]> {
  if (!isAbsolute(path)) throw new Error(`${path}: give an absolute path, of the machine that the server runs on`)
  const tasks: Task[] = []
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const [file = '', account = '', owner = '', password = ''] = line.split('\t').map((word) => word.trim())
    if (file === '' || file.startsWith('#')) continue
    if (account === '' || tasks.length >= MAX_USERS) throw new Error(`a line of ${path} has no account: ${file}`)
    tasks.push({
      path: isRemote(file) ? file : resolve(path, '..', file),
      account,
      ...(owner === '' ? {} : { owner }),
      ...(password === '' ? {} : { open: { passwordFile: resolve(path, '..', password) } }),
    })
  }
  return tasks
}

async function* importOne(
  { store, mail, contacts, accounts, book, domain }: ImportCommandDeps,
  { path, account: name, owner }: Task,
  { open, signal }: { readonly open: OpenOptions; readonly signal: AbortSignal },
): AsyncGenerator<CommandOutput, MigrationReport> {
  const account: Account | undefined = await accounts.byLogin(name)
  if (!account) throw new Error(`there is no account ${name}`)
  const archive: NotesArchive = await openArchive(path, open)
  try {
    const run = importArchive({ store, mail, contacts }, archive, {
      account,
      book,
      domain,
      signal,
      ...(owner === undefined ? {} : { owner }),
    })
    for (;;) {
      const { value, done } = await run.next()
      if (done) {
        yield { text: describe(path, account.name, value), value: { file: path, account: account.name, ...value } }
        return value
      }
      yield { progress: `${account.name}: ${value} documents` }
    }
  } finally {
    await archive.close()
  }
}

async function* switched(
  { switchHere }: ImportCommandDeps,
  account: string,
  report: MigrationReport,
): AsyncGenerator<CommandOutput> {
  const isRefused = report.lost.some(({ what }) => what.some((one) => one.startsWith('the message:')))
  if (!switchHere) throw new Error('--switch needs the directory plugin, which keeps where mail of an account goes')
  if (isRefused) yield { text: `${escapeLine(account)} stays where it is: not every message was taken` }
  else yield { text: await switchHere(account), value: { account, arrives: 'here' } }
}

const SHOWN = 50

function describe(path: string, account: string, report: MigrationReport): string {
  const passed = Object.entries(report.passedOver).map(([form, count]) => `${count} ${form}`)
  return [
    `${escapeLine(path)} into ${escapeLine(account)}:`,
    `  ${counted(report.documents, 'document')}: ${report.mail} mail, ${report.calendar} calendar, ${report.contacts} contacts` +
      (passed.length > 0 ? `; no message: ${escapeLine(passed.join(', '))}` : ''),
    `  ${report.filed} filed, ${report.already} were there${report.recovered > 0 ? `, ${report.recovered} of a run that was ended` : ''}, ${report.copies} copies in further folders`,
    `  ${report.folders} folders, of which ${report.emptyFolders} empty; ${report.deletionStubs} deletion stubs`,
    report.owner === undefined
      ? '  no unread marks fit the account: everything counts as read'
      : `  unread marks of ${escapeLine(report.owner)}`,
    ...report.mailboxes.map(({ name, inNotes, here }) => `  ${escapeLine(name)}: ${inNotes} in Notes, ${here} here`),
    ...report.lost
      .slice(0, SHOWN)
      .map(({ subject, document, what }) => `  ! ${escapeLine(subject || document)}: ${escapeLine(what.join('; '))}`),
    ...(report.lostCount > SHOWN ? [`  ! ${report.lostCount - SHOWN} more with losses (--json lists them)`] : []),
    ...(report.unknownNames.length > 0 ? [`  ${report.unknownNames.length} names are not in the directory`] : []),
    ...report.problems.slice(0, SHOWN).map((why) => `  ! ${escapeLine(why)}`),
  ].join('\n')
}
