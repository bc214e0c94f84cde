/*
 * A private Postfix for one test: its own configuration, queue and data folders in a temporary folder, its own port on
 * loopback, nothing of the machine's real mail system touched. It can relay to a next hop, keep what it takes in
 * maildirs, hold it in its queue, or throw it away. It is started as Debian ships it (master.cf.dist) but for what
 * loopback needs: no chroot, its log in a file. When the test ends it is stopped and everything is removed.
 * Postfix must be started by root; `whyNoPostfix` says why a test that needs it has to be skipped.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Scope } from 'iems/testing'
import { endGroup } from '../../core/testing/program.ts'
import { freePort } from './running-server.ts'

const run = promisify(execFile)

/** What Postfix does with a message it has taken. */
export type Fate =
  | { readonly relayTo: number } // a port on loopback
  | { readonly keepFor: readonly string[] } // domains; read it with `kept()`
  | 'hold' // stays in the hold queue, no delivery is tried
  | 'discard'

export interface PostfixOptions {
  readonly fate: Fate
  /** Further main.cf settings; they win over those made here. */
  readonly settings?: Readonly<Record<string, string | number>>
}

export interface Postfix {
  readonly port: number
  readonly folder: string
  /** The master's process id, which is also its process group. */
  readonly pid: number
  /** What differs from Debian's main.cf and master.cf, to be printed beside a measurement. */
  readonly settings: Readonly<Record<string, string | number>>
  /** The messages it has kept, each with a Delivered-To field for its recipient, in no particular order. */
  kept(): Promise<readonly string[]>
  /** How many messages wait in all its queues. */
  queued(): Promise<number>
  log(): Promise<string>
  stop(): Promise<void>
}

/** Why a private Postfix cannot be started here, or nothing. */
export function whyNoPostfix(): string | undefined {
  if (!existsSync('/usr/sbin/postfix') || !existsSync(masterTemplate))
    return 'Postfix (Debian package) is not installed'
  if (process.getuid?.() !== 0) return 'Postfix can only be started by root'
  return undefined
}

/** Starts a Postfix on a free loopback port and stops it when `scope` ends. */
export async function startPostfix(scope: Scope, options: PostfixOptions): Promise<Postfix> {
  const folder = await mkdtemp(join(tmpdir(), 'postfix-'))
  let pid: number | undefined
  // The master makes itself the leader of a process group; its services may outlive it for a moment.
  const stop = async () => void (pid && (await endGroup(pid)))
  scope.after(async () => {
    await stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  })
  const port = await freePort()
  const settings = { ...common(folder), ...fateSettings(options.fate, folder, await owner()), ...options.settings }
  await prepare(folder, port, settings)
  await run('postfix', ['-c', join(folder, 'etc'), 'start'], { timeout: 30_000 }).catch(async (fault) => {
    throw new Error(`Postfix did not start: ${await readLog(folder)}`, { cause: fault })
  })
  pid = Number(await readFile(join(folder, 'queue/pid/master.pid'), 'utf8'))
  return {
    port,
    folder,
    pid,
    settings,
    kept: () => readMaildir(join(folder, 'kept/all')),
    queued: () => countQueued(join(folder, 'queue')),
    log: () => readLog(folder),
    stop,
  }
}

const masterTemplate = '/usr/share/postfix/master.cf.dist'

function common(folder: string): Record<string, string | number> {
  return {
    compatibility_level: '3.6',
    queue_directory: join(folder, 'queue'),
    data_directory: join(folder, 'data'),
    maillog_file: join(folder, 'log'),
    maillog_file_prefixes: folder,
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    myhostname: 'postfix.test',
    mydestination: '',
    mynetworks: '127.0.0.0/8',
    alias_maps: '',
    local_recipient_maps: '',
    smtp_host_lookup: 'native',
    smtpd_relay_restrictions: 'permit_mynetworks, reject_unauth_destination',
    append_dot_mydomain: 'no',
    biff: 'no',
    recipient_delimiter: '+',
  }
}

function fateSettings(fate: Fate, folder: string, user: { uid: number; gid: number }): Record<string, string | number> {
  if (fate === 'hold') return { smtpd_data_restrictions: 'check_client_access static:HOLD' }
  if (fate === 'discard') return { default_transport: 'discard', relay_transport: 'discard' }
  if ('relayTo' in fate) return { relayhost: `[127.0.0.1]:${fate.relayTo}` }
  return {
    virtual_mailbox_domains: fate.keepFor.join(', '),
    virtual_mailbox_base: join(folder, 'kept'),
    virtual_mailbox_maps: 'static:all/',
    virtual_minimum_uid: 1,
    virtual_uid_maps: `static:${user.uid}`,
    virtual_gid_maps: `static:${user.gid}`,
  }
}

async function prepare(folder: string, port: number, settings: Record<string, string | number>): Promise<void> {
  const { uid, gid } = await owner()
  await chmod(folder, 0o755)
  for (const name of ['etc', 'queue', 'data', 'kept']) await mkdir(join(folder, name))
  for (const name of ['data', 'kept']) await chown(join(folder, name), uid, gid)
  const main = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`)
  await writeFile(join(folder, 'etc/main.cf'), main.join(''))
  await writeFile(join(folder, 'etc/master.cf'), master(await readFile(masterTemplate, 'utf8'), port))
}

/** Debian's master.cf with the SMTP listener moved and every service taken out of the chroot. */
function master(template: string, port: number): string {
  const service = /^(\S+\s+(?:unix|inet|unix-dgram|fifo|pass)\s+\S+\s+\S+\s+)\S+(\s)/gm
  return template.replace(service, '$1n$2').replace(/^smtp(\s+inet\s)/m, `127.0.0.1:${port}$1`)
}

async function owner(): Promise<{ uid: number; gid: number }> {
  const entry = (await readFile('/etc/passwd', 'utf8')).split('\n').find((line) => line.startsWith('postfix:'))
  const [, , uid, gid] = (entry ?? '').split(':')
  return { uid: Number(uid), gid: Number(gid) }
}

async function readMaildir(folder: string): Promise<readonly string[]> {
  const names = await readdir(join(folder, 'new')).catch(() => []) // nothing has come yet
  return Promise.all(names.map((name) => readFile(join(folder, 'new', name), 'latin1')))
}

async function countQueued(queue: string): Promise<number> {
  let count = 0
  for (const name of ['incoming', 'active', 'deferred', 'hold', 'maildrop']) {
    const entries = await readdir(join(queue, name), { recursive: true, withFileTypes: true })
    count += entries.filter((entry) => entry.isFile()).length
  }
  return count
}

async function readLog(folder: string): Promise<string> {
  return readFile(join(folder, 'log'), 'utf8').catch(() => '(no log)')
}
