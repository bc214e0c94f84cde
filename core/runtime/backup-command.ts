/**
 * `iems backup create`: the server takes a snapshot of its own store.
 *
 * Invariants: only one backup runs at a time, a second is refused; the passphrase is read from a file on the server and
 * never logged.
 */
import { readFile } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import * as z from 'zod'
import type { Clock } from '../api/clock.ts'
import { type Command, defineCommand } from '../api/command.ts'
import { IemsError } from '../api/errors.ts'
import { makeBackup, openBackupFolder } from '../backup/backup.ts'
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

export function backupCommand(
  { store, clock, config }: BackedUp,
  running: Set<string>,
): Readonly<Record<string, Command>> {
  return {
    'backup create': defineCommand({
      summary: 'write a snapshot of everything in the store to a folder; only what is new is written',
      arguments: ['<folder>'],
      fields: z.strictObject({
        folder: z.string().refine(isAbsolute, 'must be an absolute path').describe('Made on first use; absolute'),
        keyFile: z.string().optional().describe('A file whose first line is the passphrase: the backup is encrypted'),
        keep: z.int().min(1).optional().describe('The number of snapshots that stay, this one included'),
      }),
      async *run({ values: { folder: path, keyFile, keep }, signal }) {
        if (!store.dump) throw refused('This store cannot be backed up while it is in use: use its own tools')
        if (running.size > 0) throw refused('A backup is under way already')
        running.add(path)
        try {
          const passphrase = keyFile === undefined ? undefined : await passphraseOf(keyFile)
          const folder = await openBackupFolder(path, { passphrase, create: true })
          await using dump = closing(await store.dump())
          yield { progress: 'Reading the store' }
          const options = { hostname: config.hostname, now: clock.now(), keep, signal, progress: () => {} }
          const done = await makeBackup(folder, dump.value, options)
          const { snapshot, records, files, octets, newObjects, removed } = done
          const what = `${counted(records, 'record')} and ${counted(files, 'file')}, ${formatSize(octets)}`
          const gone = removed.length === 0 ? '' : `; ${counted(removed.length, 'older snapshot')} removed`
          yield { text: `${snapshot}: ${what}, ${counted(newObjects, 'new piece')}${gone}`, value: done }
        } finally {
          running.delete(path)
        }
      },
    }),
  }
}

const closing = <T extends { close(): Promise<void> }>(value: T) => ({
  value,
  [Symbol.asyncDispose]: () => value.close(),
})
