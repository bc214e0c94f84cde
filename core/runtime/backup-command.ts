/**
 * `iems backup create`: the server takes a snapshot of its own store.
 *
 * Invariants: only one backup runs at a time, a second is refused; the passphrase is read from a file on the server and
 * never logged.
 */
import { readFile } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import * as z from 'zod'
import type { Administration } from '../api/administration.ts'
import type { Clock } from '../api/clock.ts'
import { type Command, type CommandCall, defineCommand } from '../api/command.ts'
import { IemsError } from '../api/errors.ts'
import { type BackupResult, makeAccountBackup, makeBackup, openBackupFolder } from '../backup/backup.ts'
import { isS3 } from '../store/s3.ts'
import type { Store } from '../store/store.ts'
import { counted, formatSize } from './text.ts'

export interface BackedUp {
  readonly store: Store
  readonly clock: Clock
  readonly config: { readonly hostname: string }
}

const refused = (why: string) => new IemsError('IEMS_CONTROL_REFUSED', { why })

/** The first line of a file, as octets. */
export async function passphraseOf(file: string): Promise<string> {
  const [line = ''] = (await readFile(file, 'utf8')).split(/\r?\n/)
  if (line.length < 12) throw refused(`The passphrase in ${file} has fewer than 12 characters`)
  return line
}

/** Commands of the plugin that stores mail: one account's mailboxes as a file. */
const EXPORT = 'mailbox export'
export const IMPORT = 'mailbox import'

const isPlace = (text: string) => isAbsolute(text) || isS3(text)

export function backupCommand(
  kernel: BackedUp,
  running: Set<string>,
  of: (call: CommandCall) => Administration,
): Readonly<Record<string, Command>> {
  return {
    'backup create': defineCommand({
      summary:
        'write a snapshot of everything, or of one account, to a folder or a bucket; only what is new is written',
      arguments: ['<folder>'],
      fields: z.strictObject({
        folder: z
          .string()
          .refine(isPlace, 'must be an absolute path or s3://BUCKET/PREFIX')
          .describe('An absolute path, or s3://BUCKET/PREFIX; made on first use'),
        account: z.string().min(1).optional().describe('Only the mailboxes of this account'),
        keyFile: z.string().optional().describe('A file whose first line is the passphrase: the backup is encrypted'),
        credentials: z
          .string()
          .optional()
          .describe("For a bucket: a file in the format of AWS's; default: the environment of the server"),
        keep: z.int().min(1).optional().describe('The number of snapshots that stay, this one included'),
      }),
      async *run(call) {
        const { folder: path, account, keyFile, credentials, keep } = call.values
        if (running.size > 0) throw refused('A backup is under way already')
        running.add(path)
        try {
          const passphrase = keyFile === undefined ? undefined : await passphraseOf(keyFile)
          const folder = await openBackupFolder(path, { passphrase, credentials, create: true })
          yield { progress: 'Reading the store' }
          const options = { hostname: kernel.config.hostname, now: kernel.clock.now() }
          const done =
            account === undefined
              ? await everything(kernel, folder, { ...options, keep, signal: call.signal, progress: () => {} })
              : await makeAccountBackup(folder, account, exported(of(call), account, call.signal), options)
          yield { text: textOf(done), value: done }
        } finally {
          running.delete(path)
        }
      },
    }),
  }
}

async function everything({ store }: BackedUp, ...[folder, options]: FolderAndOptions): Promise<BackupResult> {
  if (!store.dump) throw refused('This store cannot be backed up while it is in use: use its own tools')
  await using dump = closing(await store.dump())
  return await makeBackup(folder, dump.value, options)
}
type FolderAndOptions = [Parameters<typeof makeBackup>[0], Parameters<typeof makeBackup>[2]]

/** One account's mailboxes as a ZIP. */
export async function* exported(
  administration: Administration,
  account: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const output of administration.run({ words: EXPORT, arguments: [account], options: {}, signal }))
    if ('bytes' in output) yield output.bytes
}

function textOf({ snapshot, records, files, octets, newObjects, removed }: BackupResult): string {
  const what = `${counted(records, 'record')} and ${counted(files, 'file')}, ${formatSize(octets)}`
  const gone = removed.length === 0 ? '' : `; ${counted(removed.length, 'older snapshot')} removed`
  return `${snapshot}: ${what}, ${counted(newObjects, 'new piece')}${gone}`
}

const closing = <T extends { close(): Promise<void> }>(value: T) => ({
  value,
  [Symbol.asyncDispose]: () => value.close(),
})
