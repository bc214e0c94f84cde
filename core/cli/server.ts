/**
 * Commands about the running server: `status`, `reload`, `stop`, `message show`.
 */
import type { Command } from 'commander'
import type { Status } from '../control/protocol.ts'
import type { MessageTrace } from '../message/trace.ts'
import { counted, formatSize } from '../runtime/text.ts'
import { ask } from './ask.ts'
import { common } from './options.ts'
import { ago, type Common, print, table } from './print.ts'
import { showBiography } from './show-message.ts'

function showBackend({ plugin, service, server, failures, lastFailure }: Status['backends'][number]): string[] {
  const state = failures === 0 ? 'in use' : `down, ${counted(failures, 'failure')} in a row`
  return ['', service, server, plugin, `${state}${failures > 0 && lastFailure ? `: ${lastFailure}` : ''}`]
}

function showKernel({ worker, since, state, sessions, deliveries }: Status['kernels'][number]): string[] {
  const work = `${counted(sessions, 'session')}, ${counted(deliveries, 'delivery')}`
  return ['', worker === undefined ? 'kernel' : `worker ${worker}`, state, `for ${ago(Date.now() - since)}`, work]
}

function showStatus({ pid, since, config, hostname, doors, kernels, backends, lanes, memory }: Status): string {
  const waiting = lanes.length === 0 ? 'The queue is empty' : `${counted(lanes.length, 'next hop')} with mail waiting`
  return [
    `${hostname}: running for ${ago(Date.now() - since)}, process ${pid}, ${formatSize(memory)} of memory`,
    config,
    table(doors.map(({ label, plugin, address, port }) => ['', label, `${address}:${port}`, plugin])),
    table(kernels.map(showKernel)),
    ...(backends.length > 0 ? [table(backends.map(showBackend))] : []),
    waiting,
  ].join('\n')
}

export function addServer(iems: Command): void {
  common(
    iems
      .command('status')
      .description('what runs, listens and waits; exit code 1 when a server that a plugin depends on is down'),
  ).action(async (options: Common) => {
    const status = await ask<Status>(options, { v: 1, method: 'status' })
    print(options, status, showStatus(status))
    if (status.backends.some(({ failures }) => failures > 0)) process.exitCode = 1
  })

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
      .description("a message's biography: each hook's verdict, each attempt with the remote's reply"),
  )
    .argument('<id>')
    .option('--all', 'also the plugins that had no opinion')
    .action(async (id: string, options: Common & { all?: boolean }) => {
      const life = await ask<MessageTrace>(options, {
        v: 1,
        method: 'message.show',
        params: { id: id.split('.')[0] ?? id },
      })
      print(options, life, showBiography(life, options.all ?? false))
    })
}
