/*
 * This server as a peer: a process of its own from the sources of this checkout, with the shipped plugins and their
 * defaults. To hold what it takes, a small plugin answers `check` with a quarantine, which is what Postfix's HOLD does.
 */
import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endGroup, freePort, type Scope } from '../support/postfix.ts'
import { accepting } from './load.ts'
import type { Fate, Server } from './peers.ts'

const project = join(import.meta.dirname, '../..')

/** `nodeFlags` are for profiling. */
export async function startIems(scope: Scope, fate: Fate, nodeFlags: readonly string[] = []): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), 'iems-bench-'))
  scope.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))
  const port = await freePort()
  const config = join(folder, 'iems.config.ts')
  await writeFile(config, configuration(port, fate))
  const log = openSync(join(folder, 'log'), 'w')
  const child = spawn(
    process.execPath,
    ['--conditions=source', ...nodeFlags, join(project, 'core/cli.ts'), 'start', '--config', config],
    { detached: true, cwd: project, stdio: ['ignore', log, log] },
  )
  const { pid } = child
  if (pid === undefined) throw new Error('the server did not start')
  scope.after(() => endGroup(pid))
  await accepting(port).catch(async (cause) => {
    throw new Error(`the server did not start: ${await readFile(join(folder, 'log'), 'utf8')}`, { cause })
  })
  return { name: 'iems', port, pid, folder }
}

function configuration(port: number, fate: Fate): string {
  const nexthop = typeof fate === 'object' ? `127.0.0.1:${fate.relayTo}` : '127.0.0.1:1'
  return `import { defineConfig } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
import { hold } from '${join(import.meta.dirname, 'hold.ts')}'

export default defineConfig({
  hostname: 'iems.test',
  store: { path: 'data' },
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${port}' }, { trusts: ['127.0.0.0/8'] }),
    relay: smtpOut({ nexthop: '${nexthop}' }),
  },
  plugins: [${fate === 'hold' ? 'hold({})' : ''}],
})
`
}
