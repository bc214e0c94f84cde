/**
 * Backup commands that need no server: `backup list`, `verify`, `restore`.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { IemsError } from '../api/errors.ts'
import { openBackupFolder, readBackup, type Snapshot, verifyBackup } from '../backup/backup.ts'
import { exported, IMPORT, passphraseOf } from '../runtime/backup-command.ts'
import { loadConfig } from '../runtime/config.ts'
import type { Config } from '../runtime/config-schema.ts'
import { dataFolder } from '../runtime/folders.ts'
import { counted, escapeLine, formatSize, jsonLine } from '../runtime/text.ts'
import { restoreStore, withoutPlace } from '../store/level/dump.ts'
import { askRaw } from './ask.ts'
import { runOffline, withoutServer } from './offline.ts'
import { type Common, out, print } from './print.ts'

interface Options extends Common {
  readonly keyFile?: string
  readonly snapshot?: string
  readonly all?: boolean
  readonly account?: string
  readonly credentials?: string
}

async function openFor(path: string, { keyFile, credentials }: Options) {
  const passphrase = keyFile === undefined ? undefined : await passphraseOf(keyFile)
  return openBackupFolder(path, { passphrase, credentials })
}
type Folder = Awaited<ReturnType<typeof openFor>>

/** The named snapshot, or the newest; `fits` leaves out those of other accounts. */
async function chosen(folder: Folder, { snapshot }: Options, fits = (_: Snapshot) => true): Promise<string> {
  for (const name of snapshot === undefined ? (await folder.snapshots()).toReversed() : [snapshot])
    if (fits(await folder.getSnapshot<Snapshot>(name))) return name
  throw new IemsError('IEMS_BACKUP_ABSENT', { path: folder.path })
}

async function list(path: string, options: Options): Promise<void> {
  const folder = await openFor(path, options)
  const lines: string[] = []
  const values: unknown[] = []
  for (const name of await folder.snapshots()) {
    const { at, hostname, records, files, account } = await folder.getSnapshot<Snapshot>(name)
    const octets = files.reduce((sum, { size }) => sum + size, records.octets)
    values.push({ snapshot: name, at, account, hostname, records: records.count, files: files.length, octets })
    const held =
      account === undefined
        ? `${counted(records.count, 'record')}, ${counted(files.length, 'file')}`
        : `account ${escapeLine(account)}`
    lines.push(`${name}  ${escapeLine(hostname)}  ${held}, ${formatSize(octets)}`)
  }
  print(options, values, lines.join('\n') || 'There is no snapshot')
}

async function verify(path: string, options: Options): Promise<void> {
  const folder = await openFor(path, options)
  const names = options.all ? await folder.snapshots() : [await chosen(folder, options)]
  for (const name of names) {
    const result = await verifyBackup(folder, name)
    const { objects, damaged } = result
    const verdict = damaged.length === 0 ? 'whole' : `${damaged.length} damaged: ${damaged.slice(0, 5).join(', ')}`
    print(options, result, `${name}: ${counted(objects, 'piece')} read, ${verdict}`)
    if (damaged.length > 0) process.exitCode = 1
  }
}

async function restore(path: string, target: string | undefined, options: Options): Promise<void> {
  const folder = await openFor(path, options)
  process.umask(0o077)
  if (options.account !== undefined) return restoreAccount(folder, options.account, options)
  if (target === undefined) throw new Error('Name the folder that is to be made, or an account with --account')
  const name = await chosen(folder, options, ({ account }) => account === undefined)
  const to = resolve(target)
  await restoreStore(to, withoutPlace(await readBackup(folder, name)))
  print(options, { snapshot: name, folder: to }, `${name} is restored in ${to}; start a server with store.path there`)
}

/** Brings the messages of a snapshot that are missing back into the mailboxes of an account. */
async function restoreAccount(folder: Folder, account: string, options: Options): Promise<void> {
  const config = await loadConfig(options.config)
  const fits = (one: Snapshot) => one.account === undefined || one.account === account
  const name = await chosen(folder, options, fits)
  const { files, account: only } = await folder.getSnapshot<Snapshot>(name)
  if (only !== undefined && only !== account) throw new IemsError('IEMS_BACKUP_ABSENT', { path: folder.path })
  if (only === undefined) return fromEverything(folder, name, { config, account, options })
  const source = await readBackup(folder, name)
  await importInto(source.open(files[0]?.id ?? ''), { config, account, options })
}

interface AccountRestore {
  readonly config: Config
  readonly account: string
  readonly options: Options
}

/** Restores the whole snapshot beside the data folder, and takes the account out of it. */
async function fromEverything(folder: Folder, name: string, restored: AccountRestore): Promise<void> {
  const { config, account } = restored
  const beside = await mkdtemp(join(dataFolder(config), 'restore-'))
  try {
    const path = join(beside, 'data')
    await restoreStore(path, withoutPlace(await readBackup(folder, name)))
    const { place: _, ...blobs } = config.blobs
    const copy: Config = { ...config, folder: path, store: { minFree: 0, reserve: 0, path }, blobs }
    await withoutServer(copy, (administration) =>
      importInto(exported(administration, account, new AbortController().signal), restored),
    )
  } finally {
    await rm(beside, { recursive: true, force: true })
  }
}

async function importInto(content: AsyncIterable<Uint8Array>, restored: AccountRestore): Promise<void> {
  const { config, account, options } = restored
  const params = { words: IMPORT, arguments: [account], options: { missing: true as const } }
  const asked = { v: 1, method: 'command', params } as const
  const each = (item: unknown) => {
    const { text, value } = item as { text?: string; value?: unknown }
    if (text !== undefined) out(options.json ? jsonLine(value) : escapeLine(text))
  }
  await askRaw(options, asked, each, content).catch((error: unknown) => {
    if ((error as IemsError).code !== 'IEMS_CONTROL_ABSENT') throw error
    return runOffline(config, asked, each, content)
  })
}

export function addBackup(iems: Command): void {
  const backup = iems.command('backup').description('backups of everything in the store')
  const add = (words: string, summary: string) =>
    backup
      .command(words)
      .description(summary)
      .option('--key-file <file>', 'a file whose first line is the passphrase')
      .option('--credentials <file>', "for s3://BUCKET/PREFIX: a file in the format of AWS's; default: the environment")
      .option('--json', 'one JSON value a line')
  add('list <folder>', 'the snapshots in a folder or bucket').action(list)
  add('verify <folder>', 'read everything that a snapshot names and compare it; exit code 1 when it is damaged')
    .option('--snapshot <name>', 'this one; default: the newest')
    .option('--all', 'every snapshot')
    .action(verify)
  add('restore <folder> [target]', 'make a data folder of a snapshot, or bring mail of one account back')
    .option('--snapshot <name>', 'this one; default: the newest')
    .option('--account <name>', 'bring the messages that are missing back into the mailboxes of this account')
    .option('-c, --config <file>', 'the configuration; default: the first iems.config.* from here upwards')
    .addHelpText('after', '\nThe target must be absent or empty.')
    .action(restore)
}
