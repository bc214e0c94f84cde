/*
 * A private Cyrus for one test: its own configuration, spool and database folders in a temporary folder, one loopback
 * port for IMAP. It is Debian's cyrus-imapd, installed, or unpacked (`dpkg -x` of cyrus-imapd, cyrus-common, libical3
 * and sasl2-bin) into /opt/iems-test-cyrus, or the folder that IEMS_CYRUS names. `whyNoCyrus` says why a test that needs it has to be skipped.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Scope, startProgram } from 'iems/testing'
import { talkTo } from './imap-talk.ts'
import { freePort } from './running-server.ts'

const run = promisify(execFile)
const unpacked = '/opt/iems-test-cyrus'
const root = process.env.IEMS_CYRUS ?? (existsSync(unpacked) ? unpacked : '')
const bin = `${root}/usr/lib/cyrus/bin`
const saslpasswd = `${root}/usr/sbin/saslpasswd2`

export function whyNoCyrus(): string | undefined {
  for (const path of [`${bin}/master`, saslpasswd])
    if (!existsSync(path))
      return `Cyrus is not installed (${path}; Debian packages cyrus-imapd, sasl2-bin, or IEMS_CYRUS)`
  return process.getuid?.() === 0 ? undefined : 'Cyrus can only be started by root'
}

/** Starts it with mailboxes of these users; the password of each is `secret`. */
export async function startCyrus(scope: Scope, users: readonly string[]): Promise<{ readonly imap: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'cyrus-'))
  scope.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))
  await chmod(folder, 0o755)
  const imap = await freePort()
  for (const name of [
    'lib/db',
    'lib/proc',
    'lib/user',
    'lib/msg',
    'lib/log',
    'lib/sync',
    'spool',
    'run/lock',
    'run/proc',
  ])
    await mkdir(join(folder, name), { recursive: true })
  const conf = join(folder, 'imapd.conf')
  await writeFile(
    conf,
    `configdirectory: ${folder}/lib
defaultpartition: default
partition-default: ${folder}/spool
cyrus_user: mail
cyrus_group: mail
admins: cyrus
allowplaintext: yes
unixhierarchysep: no
altnamespace: no
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: ${folder}/sasldb2
sasl_mech_list: PLAIN
idlesocket: ${folder}/run/idle
notifysocket: ${folder}/run/notify
lmtpsocket: ${folder}/run/lmtp
proc_path: ${folder}/run/proc
mboxname_lockpath: ${folder}/run/lock
`,
  )
  await writeFile(
    join(folder, 'cyrus.conf'),
    `START {
  recover cmd="${bin}/ctl_cyrusdb -C ${conf} -r"
}
SERVICES {
  imap cmd="${bin}/imapd -C ${conf}" listen="127.0.0.1:${imap}" prefork=1
}
EVENTS {
}
`,
  )
  const env = { ...process.env, LD_LIBRARY_PATH: `${root}/usr/lib/x86_64-linux-gnu:${root}/usr/lib` }
  for (const user of ['cyrus', ...users]) {
    const made = run(saslpasswd, ['-p', '-c', '-f', join(folder, 'sasldb2'), '-u', hostname(), user], { env })
    made.child.stdin?.end('secret\n')
    await made
  }
  await run('chown', ['-R', 'mail:mail', folder])
  await startProgram(
    scope,
    '/usr/bin/env',
    [
      `LD_LIBRARY_PATH=${env.LD_LIBRARY_PATH}`,
      `${bin}/master`,
      '-C',
      conf,
      '-M',
      join(folder, 'cyrus.conf'),
      '-p',
      join(folder, 'run/master.pid'),
      '-D',
    ],
    { ready: { ports: [imap] } },
  )
  const admin = await talkTo(scope, imap, { isChecked: false })
  await admin.line()
  await admin.command('LOGIN cyrus secret')
  for (const user of users) await admin.command(`CREATE user.${user}`)
  admin.close()
  return { imap }
}
