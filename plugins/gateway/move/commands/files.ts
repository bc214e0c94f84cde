/**
 * `iems move maildir`, `mdbox`, `takeout` and `pst`: mail of one account from files on this machine.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isAbsolute, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { type Command, defineCommand } from 'iems'
import * as z from 'zod'
import { openDbox } from '../sources/dbox.ts'
import { openMaildir } from '../sources/maildir.ts'
import { openMbox } from '../sources/mbox.ts'
import type { SourceAccount } from '../sources/source.ts'
import { type MoveCommandDeps, moveOne } from './imap.ts'

const run = promisify(execFile)
/** For the conversion of one PST file. */
const READPST_MS = 6 * 3_600_000

const fields = z.strictObject({
  account: z.string().describe('the account here'),
  path: z
    .string()
    .refine(isAbsolute, 'must be an absolute path on the machine of the server')
    .describe('the file or folder'),
  keepUids: z.boolean().optional().describe('keep UIDVALIDITY and UIDs, where the source has them'),
  dryRun: z.boolean().optional().describe('say what differs, and change nothing'),
})

type Open = (path: string, folder: string, signal: AbortSignal) => Promise<SourceAccount>
type Deps = Pick<MoveCommandDeps, 'store' | 'mail' | 'accounts'>

function fileCommand(deps: Deps, summary: string, open: Open): Command {
  return defineCommand({
    summary,
    arguments: ['<account>', '<path>'],
    fields,
    async *run({ values: { account, path, keepUids, dryRun }, signal }) {
      const folder = await mkdtemp(join(tmpdir(), 'iems-move-'))
      try {
        const how = { keepsUids: keepUids === true, isDry: dryRun === true, signal }
        yield* moveOne(deps, { account }, how, () => open(path, folder, signal))
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
  })
}

export interface Programs {
  readonly readpst: string
  readonly doveadm: string
}

export const createFileCommands = (deps: Deps, { readpst, doveadm }: Programs): Readonly<Record<string, Command>> => ({
  'move maildir': fileCommand(deps, 'bring a Maildir on disk into an account', openMaildir),
  'move mdbox': fileCommand(
    deps,
    'bring an mdbox or sdbox of Dovecot on disk into an account; needs doveadm (dovecot-core)',
    (path, folder, signal) => openDbox({ path, folder, doveadm }, signal),
  ),
  'move takeout': fileCommand(
    deps,
    'bring an mbox of Google Takeout into an account, by its labels',
    (path, _, signal) => openMbox('takeout', [{ path }], signal),
  ),
  'move pst': fileCommand(
    deps,
    'bring an Outlook PST file into an account; needs readpst (pst-utils)',
    async (path, folder, signal) => {
      await run(readpst, ['-q', '-r', '-o', folder, path], { signal, timeout: READPST_MS })
      return openMbox(`pst:${path}`, await mboxesIn(folder), signal)
    },
  ),
})

/** readpst writes a folder for each one of the PST file, with a file `mbox` in it. */
async function mboxesIn(folder: string) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && entry.name === 'mbox')
    .map((entry) => {
      // The first level is the name of the file.
      const levels = relative(folder, entry.parentPath).split('/').slice(1)
      return { path: join(entry.parentPath, entry.name), folder: levels.join('/') || 'INBOX' }
    })
}
