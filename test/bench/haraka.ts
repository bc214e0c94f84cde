/*
 * Haraka as a peer: installed into this folder when it is first asked for, started with its shipped settings and one
 * small plugin of ours that lets loopback relay and names the next hop. Its outbound queue writes each message to a
 * file that it fsyncs (not the folder); with 'hold' its delivery is disabled, with 'discard' it accepts and stores
 * nothing, which is the least work it can do.
 */
import { execFileSync, spawn } from 'node:child_process'
import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scope } from 'iems/testing'
import { endGroup } from '../../core/testing/program.ts'
import { freePort } from '../support/running-server.ts'
import { accepting } from './load.ts'
import type { Fate, Server } from './servers.ts'

const haraka = join(import.meta.dirname, 'node_modules/Haraka/bin/haraka')

export function installHaraka(): void {
  if (existsSync(haraka)) return
  execFileSync('npm', ['install', '--prefix', import.meta.dirname, '--no-audit', '--no-fund', '--ignore-scripts'])
}

export async function startHaraka(scope: Scope, fate: Fate): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), 'haraka-'))
  let pid: number | undefined
  scope.after(async () => {
    if (pid) await endGroup(pid)
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  })
  const port = await freePort()
  await configure(folder, port, fate)
  const child = spawn(process.execPath, [haraka, '-c', folder], {
    detached: true, // a process group of its own, so that what it uses can be told apart
    env: { ...process.env, NODE_ENV: 'production', ...(fate === 'discard' && { YES_REALLY_DO_DISCARD: '1' }) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  child.stdout.pipe(createWriteStream(join(folder, 'log')))
  pid = child.pid
  if (!pid) throw new Error('Haraka did not start')
  await accepting(port)
  return { port, pid }
}

async function configure(folder: string, port: number, fate: Fate): Promise<void> {
  execFileSync(process.execPath, [haraka, '-i', folder], { stdio: 'ignore' }) // its shipped settings
  const nextHop = typeof fate === 'object' ? fate.relayTo : 0
  const files: Record<string, string> = {
    'config/smtp.ini': `listen=127.0.0.1:${port}\n`,
    'config/me': 'haraka.test\n',
    'config/plugins': fate === 'discard' ? 'bench\nqueue/discard\n' : 'bench\n',
    'config/outbound.ini': `local_mx_ok=true\ndisabled=${fate === 'hold'}\n`,
    'config/databytes': '104857600\n',
    'plugins/bench.js': plugin(nextHop),
  }
  for (const name of ['plugins', 'queue']) await mkdir(join(folder, name), { recursive: true })
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
}

function plugin(nextHop: number): string {
  return `exports.hook_connect = (next, connection) => { connection.relaying = true; next() }
exports.hook_rcpt = (next) => next(OK)
exports.hook_get_mx = (next) => next(OK, { priority: 0, exchange: '127.0.0.1', port: ${nextHop} })
`
}
