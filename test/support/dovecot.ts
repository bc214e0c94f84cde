/*
 * A private Dovecot for one test or measurement: its own configuration, mail and runtime folders in a temporary folder,
 * its own loopback ports for IMAP, POP3 and LMTP. It is Dovecot as it comes, but for what loopback needs: no TLS,
 * passwords in the clear, users from a file, Maildir, its log in a file. `whyNoDovecot` says why a test that needs it has
 * to be skipped.
 */
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Scope, startProgram } from 'iems/testing'
import { freePort } from './running-server.ts'

export interface DovecotOptions {
  /** Login names; the password of each is `secret`, mail for `NAME@here.test` is his. */
  readonly users: readonly string[]
  /** Further settings; they come last and win. */
  readonly settings?: string
}

export interface Dovecot {
  readonly imap: number
  readonly pop3: number
  readonly lmtp: number
  /** Leader of its process group. */
  readonly pid: number
  readonly folder: string
  log(): Promise<string>
}

export function whyNoDovecot(): string | undefined {
  for (const path of ['/usr/sbin/dovecot', '/usr/lib/dovecot/imap', '/usr/lib/dovecot/pop3', '/usr/lib/dovecot/lmtp'])
    if (!existsSync(path))
      return `Dovecot is not installed (${path}; Debian packages dovecot-imapd, dovecot-pop3d, dovecot-lmtpd)`
  return process.getuid?.() === 0 ? undefined : 'Dovecot can only be started by root'
}

export async function startDovecot(scope: Scope, { users, settings = '' }: DovecotOptions): Promise<Dovecot> {
  const folder = await mkdtemp(join(tmpdir(), 'dovecot-'))
  await chmod(folder, 0o755)
  const removed = () => rm(folder, { recursive: true, force: true, maxRetries: 10 })
  const { uid, gid } = await owner()
  for (const name of ['run', 'mail', 'state']) await mkdir(join(folder, name))
  await chown(join(folder, 'mail'), uid, gid)
  const [imap, pop3, lmtp] = [await freePort(), await freePort(), await freePort()]
  await writeFile(join(folder, 'users'), users.map((name) => `${name}:{PLAIN}secret::::::\n`).join(''))
  await writeFile(join(folder, 'conf'), configuration({ folder, uid, gid, imap, pop3, lmtp, settings }))
  const log = () => readFile(join(folder, 'log'), 'utf8').catch(() => '(no log)')
  const ready = { ports: [imap, pop3, lmtp] }
  const { pid } = await startProgram(scope, '/usr/sbin/dovecot', ['-F', '-c', join(folder, 'conf')], { ready, log })
  scope.after(removed)
  return { imap, pop3, lmtp, pid, folder, log }
}

interface Configured {
  readonly folder: string
  readonly uid: number
  readonly gid: number
  readonly imap: number
  readonly pop3: number
  readonly lmtp: number
  readonly settings: string
}

function configuration({ folder, uid, gid, imap, pop3, lmtp, settings }: Configured): string {
  const listener = (name: string, port: number) =>
    `inet_listener ${name} {\n    address = 127.0.0.1\n    port = ${port}\n  }`
  return `base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/log
protocols = imap pop3 lmtp
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_format = %Ln
first_valid_uid = 1
mail_location = maildir:${folder}/mail/%n
mail_uid = ${uid}
mail_gid = ${gid}
passdb {
  driver = passwd-file
  args = ${folder}/users
}
userdb {
  driver = static
  args = uid=${uid} gid=${gid} home=${folder}/mail/%n
}
namespace inbox {
  inbox = yes
  separator = /
}
service imap-login {
  ${listener('imap', imap)}
  inet_listener imaps {
    port = 0
  }
  process_min_avail = 2
  service_count = 0
}
service pop3-login {
  ${listener('pop3', pop3)}
  inet_listener pop3s {
    port = 0
  }
  service_count = 0
}
service lmtp {
  ${listener('lmtp', lmtp)}
}
service imap {
  process_limit = 4000
}
mail_max_userip_connections = 4000
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
${settings}
`
}

async function owner(): Promise<{ uid: number; gid: number }> {
  const entry = (await readFile('/etc/passwd', 'utf8')).split('\n').find((line) => line.startsWith('mail:'))
  const [, , uid, gid] = (entry ?? '').split(':')
  return { uid: Number(uid), gid: Number(gid) }
}
