/**
 * Commands for the running server: `status`, `reload`, `stop`, `message show`.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import type { Status } from '../control/protocol.ts'
import type { MessageTrace } from '../message/trace.ts'
import { counted, formatSize } from '../runtime/text.ts'
import { ask } from './ask.ts'
import { common, count } from './options.ts'
import { ago, bold, type Common, dim, out, print, table } from './print.ts'
import { showTrace } from './show-message.ts'

function showBackend({ plugin, service, server, failures, lastFailure }: Status['backends'][number]): string[] {
  const state = failures === 0 ? 'in use' : `down, ${counted(failures, 'failure')} in a row`
  return ['', service, server, plugin, `${state}${failures > 0 && lastFailure ? `: ${lastFailure}` : ''}`]
}

function showKernel({ worker, since, state, sessions, deliveries }: Status['kernels'][number]): string[] {
  const work = `${counted(sessions, 'session')}, ${counted(deliveries, 'delivery')}`
  return ['', worker === undefined ? 'kernel' : `worker ${worker}`, state, `for ${ago(Date.now() - since)}`, work]
}

function showStatus({ pid, since, config, hostname, listeners, kernels, backends, lanes, ...rest }: Status): string {
  const { memory, problems } = rest
  const waiting = lanes.length === 0 ? 'The queue is empty' : `${counted(lanes.length, 'next hop')} with mail waiting`
  return [
    `${hostname}: running for ${ago(Date.now() - since)}, process ${pid}, ${formatSize(memory)} of memory`,
    config,
    table(listeners.map(({ label, plugin, address, port }) => ['', label, `${address}:${port}`, plugin])),
    table(kernels.map(showKernel)),
    ...(backends.length > 0 ? [table(backends.map(showBackend))] : []),
    waiting,
    ...(problems.length === 0 ? ['All is well'] : problems.map(({ text, cure }) => `ill: ${text}\n     ${dim(cure)}`)),
  ].join('\n')
}

const COUNTERS = ['iems_connections_total', 'iems_events_total', 'iems_deliveries_total', 'iems_messages_refused_total']
const ROWS = 15

/** `iems_messages_refused_total` as people read it. */
const titleOf = (name: string) => name.replace(/^iems_|_total$/g, '').replaceAll('_', ' ')

interface Counted {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

async function counters(options: Common): Promise<ReadonlyMap<string, number>> {
  const values = new Map<string, number>()
  const params = { words: 'metrics', arguments: [], options: {} }
  await ask({ ...options, json: false }, { v: 1, method: 'command', params }, (item) => {
    const { value: one } = item as { value?: Counted }
    if (one && COUNTERS.includes(one.name))
      values.set([titleOf(one.name), ...Object.values(one.labels)].join('  '), one.value)
  })
  return values
}

/** Prints rates between two samples, highest first. */
async function top(options: Common & { interval: number; times?: number }): Promise<void> {
  let before = await counters(options)
  for (let look = 0; look < (options.times ?? Number.POSITIVE_INFINITY); look++) {
    await delay(options.interval * 1000)
    const [status, now] = [await ask<Status>(options, { v: 1, method: 'status' }), await counters(options)]
    const rates = [...now]
      .map(([name, value]) => ({ name, rate: (value - (before.get(name) ?? 0)) / options.interval }))
      .filter(({ rate }) => rate > 0)
      .sort((a, b) => b.rate - a.rate)
      .slice(0, ROWS)
    before = now
    const rows = rates.map(({ name, rate }) => [`${rate.toFixed(1)}/s`.padStart(10), name])
    const screen = `${showStatus(status)}\n\n${rows.length === 0 ? dim('Nothing happens') : table(rows)}`
    if (options.json) print(options, { status, rates }, '')
    else out(process.stdout.isTTY ? `\x1b[2J\x1b[H${bold(new Date().toTimeString().slice(0, 8))}\n${screen}` : screen)
  }
}

export function addServer(iems: Command): void {
  common(
    iems.command('status').description('what runs, listens and waits, and what is ill; exit code 1 when something is'),
  )
    .option('--health', 'exit code 1 only when the server does not do its work: not for a scanner that is down')
    .action(async (options: Common & { health?: boolean }) => {
      const status = await ask<Status>(options, { v: 1, method: 'status' })
      print(options, status, showStatus(status))
      if (status.problems.some(({ isGrave }) => isGrave || !options.health)) process.exitCode = 1
    })

  common(iems.command('top').description('the status and the busiest counters, again and again'))
    .option('--interval <seconds>', 'time between two looks', count, 2)
    .option('--times <number>', 'looks after which it ends; default: none', count)
    .action(top)

  common(
    iems.command('reload').description('change over to the configuration as it is now; a wrong one changes nothing'),
  ).action(async (options: Common) => {
    await ask(options, { v: 1, method: 'reload' })
    print(options, { ok: true }, 'The new configuration is in force')
  })

  common(iems.command('stop').description('finish what is under way, then end'))
    .option('--now', 'do not wait')
    .action(async (options: Common & { now?: boolean }) => {
      await ask(options, { v: 1, method: 'stop', params: { now: options.now ?? false } })
      print(options, { ok: true }, 'The server is stopping')
    })

  const message = iems.command('message').description('a single message')
  common(
    message
      .command('show')
      .description("the trace of a message: each hook's verdict, each attempt with the remote's reply"),
  )
    .argument('<id>')
    .option('--all', 'also the plugins that had no opinion')
    .action(async (id: string, options: Common & { all?: boolean }) => {
      const life = await ask<MessageTrace>(options, {
        v: 1,
        method: 'message.show',
        params: { id: id.split('.')[0] ?? id },
      })
      print(options, life, showTrace(life, options.all ?? false))
    })
}
