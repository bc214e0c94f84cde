/*
 * One and two servers on one PostgreSQL, in alternation, with fsync on. Processor time is that of the servers and, apart,
 * that of the database.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Scope } from 'iems/testing'
import { startPostgres, whyNoPostgres } from '../support/postgres.ts'
import { startIems } from './iems.ts'
import { send, startSink } from './load.ts'
import { RATES, type RateName, scoped } from './measure.ts'
import type { Server } from './servers.ts'
import { idleShare, usageOf, usageOfProcesses, watchMachine } from './usage.ts'

const CLIENTS = 20
const BYTES = 4096
const WARM_UP = 1000

interface SeenNodes {
  readonly perSecond: number
  /** Of all servers together, for each message. */
  readonly serverMs: number
  readonly databaseMs: number
  readonly busy: number
}

interface NodesReport {
  readonly rounds: number
  readonly messages: number
  readonly say: (text: string) => void
}

export async function reportNodes({ rounds, messages, say }: NodesReport): Promise<Record<string, unknown>> {
  const missing = whyNoPostgres()
  if (missing) return { skipped: missing }
  const report: Record<string, unknown> = {}
  for (const rate of ['accept-kept', 'relay'] as const) {
    say(`\nnodes: ${RATES[rate].text}, one and two servers on one PostgreSQL`)
    for (let round = 0; round < rounds; round++) {
      const idle = await idleShare()
      const one = await scoped((scope) => measureNodes(scope, rate, { nodes: 1, messages }))
      const two = await scoped((scope) => measureNodes(scope, rate, { nodes: 2, messages }))
      for (const [name, seen] of Object.entries({ 'one server': one, 'two servers': two }))
        say(
          `  ${name.padEnd(12)}${seen.perSecond.toFixed(0)} messages/s   ms of processor each: ${seen.serverMs.toFixed(2)}, database ${seen.databaseMs.toFixed(2)}   machine ${(seen.busy * 100).toFixed(0)} % busy`,
        )
      say(
        `  two/one ${(two.perSecond / one.perSecond).toFixed(2)} (aim 1.8)   idle before: ${(idle * 100).toFixed(0)} %`,
      )
      report[`${rate} ${round}`] = { one, two, idle }
    }
  }
  return report
}

async function measureNodes(
  scope: Scope,
  rate: RateName,
  { nodes, messages }: { readonly nodes: number; readonly messages: number },
): Promise<SeenNodes> {
  const { connections, isRelayed } = RATES[rate]
  const postgres = await startPostgres(scope)
  await postgres.query('alter system set fsync = on')
  await postgres.query('select pg_reload_conf()')
  const sink = isRelayed ? await startSink(scope) : undefined
  const servers: Server[] = []
  for (let node = 1; node <= nodes; node++)
    servers.push(
      await startIems(scope, sink ? { relayTo: sink.port } : 'hold', { node: `node${node}`, database: postgres.url() }),
    )
  let sent = 0
  const flow = async (count: number) => {
    const load = { clients: CLIENTS / nodes, messages: count / nodes, bytes: BYTES, connections }
    await Promise.all(servers.map(({ port }) => send(port, load)))
    sent += count
    await sink?.received(sent)
  }
  await flow(WARM_UP)
  const postmaster = Number(readFileSync(join(postgres.folder, 'data/postmaster.pid'), 'utf8').split('\n')[0])
  const spent = () => ({
    servers: servers.reduce((sum, { pid }) => sum + usageOf(pid).cpuSeconds, 0),
    database: usageOfProcesses([postmaster, ...childrenOf(postmaster)]),
  })
  const before = spent()
  const busy = watchMachine()
  const started = performance.now()
  await flow(messages)
  const seconds = (performance.now() - started) / 1000
  const after = spent()
  return {
    perSecond: messages / seconds,
    serverMs: ((after.servers - before.servers) * 1000) / messages,
    databaseMs: ((after.database - before.database) * 1000) / messages,
    busy: busy(),
  }
}

/** PostgreSQL's processes are process groups of their own. */
function childrenOf(pid: number): number[] {
  return execFileSync('/usr/bin/pgrep', ['-P', String(pid)], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean)
    .map(Number)
}
