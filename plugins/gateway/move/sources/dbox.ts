/**
 * An mdbox or sdbox of Dovecot on disk, which Dovecot's own `doveadm` copies to a Maildir that is read and removed.
 *
 * Invariants: doveadm runs with the rights of the owner of the files and without the machine's configuration; folders,
 * UIDs, flags, dates and subscriptions are those of the original.
 */
import { execFile } from 'node:child_process'
import { chown, mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { openDovecotCopy } from './maildir.ts'
import type { SourceAccount } from './source.ts'

const run = promisify(execFile)
/** For the copy of one account. */
const COPY_MS = 6 * 3_600_000
const MAX_OUTPUT = 1024 * 1024

interface Dbox {
  readonly path: string
  readonly doveadm: string
  /** An empty folder for the copy. */
  readonly folder: string
}

export async function openDbox({ path, doveadm, folder }: Dbox, signal: AbortSignal): Promise<SourceAccount> {
  const kind = await kindOf(path)
  const { uid, gid } = await stat(path)
  const copy = join(folder, 'copy')
  await mkdir(copy, { mode: 0o700 })
  if (process.getuid?.() === 0) for (const place of [folder, copy]) await chown(place, uid, gid)
  const conf = join(folder, 'dovecot.conf')
  await writeFile(
    conf,
    `log_path = /dev/stderr
base_dir = ${folder}/run
mail_location = ${kind}:${path}
mail_home = ${folder}
mail_uid = ${uid}
mail_gid = ${gid}
first_valid_uid = 0
first_valid_gid = 0
ssl = no
namespace inbox {
  inbox = yes
  separator = /
}
`,
  )
  try {
    await run(doveadm, ['-c', conf, 'backup', `maildir:${copy}:LAYOUT=fs`], {
      signal,
      timeout: COPY_MS,
      maxBuffer: MAX_OUTPUT,
      cwd: dirname(conf),
      env: { USER: 'move', HOME: folder },
    })
  } catch (cause) {
    signal.throwIfAborted()
    const { stderr, message } = cause as Error & { stderr?: string }
    throw new Error(`doveadm did not read ${path}: ${(stderr || message).trim().slice(0, 500)}`, { cause })
  }
  return openDovecotCopy(copy, `${kind}:${path}`)
}

async function kindOf(path: string): Promise<'mdbox' | 'sdbox'> {
  const names = await readdir(path)
  if (!names.includes('mailboxes')) throw new Error(`${path} is neither an mdbox nor an sdbox: it has no mailboxes/`)
  return names.includes('storage') ? 'mdbox' : 'sdbox'
}
