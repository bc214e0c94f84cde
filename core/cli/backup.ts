/**
 * Backup commands that need no server: `backup list`, `verify`, `restore`.
 */
import { isAbsolute, resolve } from 'node:path'
import type { Command } from 'commander'
import { IemsError } from '../api/errors.ts'
import { openBackupFolder, readBackup, type Snapshot, verifyBackup } from '../backup/backup.ts'
import { passphraseOf } from '../runtime/backup-command.ts'
import { counted, formatSize } from '../runtime/text.ts'
import { restoreStore } from '../store/level/dump.ts'
import { type Common, print } from './print.ts'

interface Options extends Common {
  readonly keyFile?: string
  readonly snapshot?: string
  readonly all?: boolean
}

async function openFor(path: string, { keyFile }: Options) {
  const passphrase = keyFile === undefined ? undefined : await passphraseOf(keyFile)
  return openBackupFolder(resolve(path), { passphrase })
}

/** The named snapshot, or the newest. */
async function chosen(folder: Awaited<ReturnType<typeof openFor>>, { snapshot }: Options): Promise<string> {
  const name = snapshot ?? (await folder.snapshots()).at(-1)
  if (name === undefined) throw new IemsError('IEMS_BACKUP_ABSENT', { path: folder.path })
  return name
}

async function list(path: string, options: Options): Promise<void> {
  const folder = await openFor(path, options)
  const lines: string[] = []
  const values: unknown[] = []
  for (const name of await folder.snapshots()) {
    const { at, hostname, records, files } = await folder.getSnapshot<Snapshot>(name)
    const octets = files.reduce((sum, { size }) => sum + size, records.octets)
    values.push({ snapshot: name, at, hostname, records: records.count, files: files.length, octets })
    lines.push(
      `${name}  ${hostname}  ${counted(records.count, 'record')}, ${counted(files.length, 'file')}, ${formatSize(octets)}`,
    )
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

async function restore(path: string, target: string, options: Options): Promise<void> {
  const folder = await openFor(path, options)
  const name = await chosen(folder, options)
  const to = isAbsolute(target) ? target : resolve(target)
  process.umask(0o077)
  await restoreStore(to, await readBackup(folder, name))
  print(options, { snapshot: name, folder: to }, `${name} is restored in ${to}; start a server with store.path there`)
}

export function addBackup(iems: Command): void {
  const backup = iems.command('backup').description('backups of everything in the store')
  const add = (words: string, summary: string) =>
    backup
      .command(words)
      .description(summary)
      .option('--key-file <file>', 'a file whose first line is the passphrase')
      .option('--json', 'one JSON value a line')
  add('list <folder>', 'the snapshots in a folder').action(list)
  add('verify <folder>', 'read everything that a snapshot names and compare it; exit code 1 when it is damaged')
    .option('--snapshot <name>', 'this one; default: the newest')
    .option('--all', 'every snapshot')
    .action(verify)
  add('restore <folder> <target>', 'make a data folder of a snapshot; the target must be absent or empty')
    .option('--snapshot <name>', 'this one; default: the newest')
    .action(restore)
}
