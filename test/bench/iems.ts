/*
 * This server as a peer: a process of its own from the sources of this checkout, with the shipped plugins and their
 * defaults. To hold what it takes, a small plugin answers `check` with a quarantine, which is what Postfix's HOLD does.
 */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Scope } from 'iems/testing'
import { endGroup } from '../../core/testing/program.ts'
import { freePort } from '../support/running-server.ts'
import { accepting } from './load.ts'
import type { Fate, Server } from './servers.ts'

const project = join(import.meta.dirname, '../..')

/** How it differs from one worker on LevelDB. */
export interface Variant {
  readonly workers?: number
  /** Its name among the servers of a database, and the URL of that. */
  readonly node?: string
  readonly database?: string
}

/** Flags for Node come from IEMS_BENCH_NODE_FLAGS, such as --cpu-prof. */
export async function startIems(scope: Scope, fate: Fate, variant: Variant = {}): Promise<Server> {
  const { workers = 1 } = variant
  const nodeFlags = process.env.IEMS_BENCH_NODE_FLAGS?.split(' ') ?? []
  const folder = await mkdtemp(join(tmpdir(), 'iems-bench-'))
  let pid: number | undefined
  scope.after(async () => {
    if (pid) await endGroup(pid, 10_000)
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  })
  const port = await freePort()
  const config = join(folder, 'iems.config.ts')
  await writeFile(config, configuration(port, fate, variant))
  const log = openSync(join(folder, 'log'), 'w')
  const child = spawn(process.execPath, [...nodeFlags, ...startArguments(), '--config', config], {
    detached: true,
    cwd: project,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  pid = child.pid
  if (!pid) throw new Error('the server did not start')
  const readLog = () => readFile(join(folder, 'log'), 'utf8')
  await accepting(port).catch(async (cause) => {
    throw new Error(`the server did not start: ${await readLog()}`, { cause })
  })
  // One worker may listen before the others do.
  while (workers > 1 && !(await readLog()).includes('"server.started"')) await delay(100)
  return { port, pid }
}

/** What `npm start` gives to Node: the flags are part of what is shipped. */
function startArguments(): string[] {
  const { scripts } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { scripts: { start: string } }
  return scripts.start.split(' ').slice(1)
}

function configuration(port: number, fate: Fate, { workers = 1, node, database }: Variant): string {
  const store = database === undefined ? `{ path: 'data' }` : `postgresStore({ url: '${database}' })`
  const nexthop = typeof fate === 'object' ? `127.0.0.1:${fate.relayTo}` : '127.0.0.1:1'
  const dead = typeof fate === 'object' && fate.dead
  return `import { defineConfig } from 'iems'
import { postgresStore } from 'iems/plugins/postgres'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
import { hold } from '${join(import.meta.dirname, 'hold.ts')}'

export default defineConfig({
  hostname: 'iems.test',
  workers: ${workers},
  store: ${store},
  ${node === undefined ? '' : `node: '${node}',`}
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${port}' }, { trusts: ['127.0.0.0/8'] }),
    ${dead ? `dead: smtpOut({ domains: ['${dead}'], nexthop: '127.0.0.1:1' }),` : ''}
    relay: smtpOut({ nexthop: '${nexthop}' }),
  },
  plugins: [${fate === 'hold' ? 'hold({})' : ''}],
})
`
}
