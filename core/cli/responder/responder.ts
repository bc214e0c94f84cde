/**
 * `iems responder`: the process on each machine that keeps the server there running; `iems node …`: what is asked of it
 * from any machine.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { hostname as machineName } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Status } from '../../api/administration.ts'
import { IemsError } from '../../api/errors.ts'
import { askServer } from '../../control/client.ts'
import { loadConfig } from '../../runtime/config.ts'
import type { Config } from '../../runtime/config-schema.ts'
import { controlPath, dataFolder } from '../../runtime/folders.ts'
import { escapeLine } from '../../runtime/text.ts'
import { common } from '../options.ts'
import { type Common, dim, fail, out, print } from '../print.ts'
import { ask, listen, placeOf, type Respond, type ResponderRequest } from './link.ts'
import { type ServerState, Supervisor } from './supervisor.ts'
import { launcherIn, upgrade } from './upgrade.ts'

const EVERY = 'all'
/** Ms beyond `drain` that a stop may take. */
const STOP_MS = 10_000

function settingsOf({ responder }: Config) {
  if (responder) return responder
  throw new IemsError('IEMS_RESPONDER_FAILED', { what: 'The responder', why: 'the configuration has no `responder`' })
}

const ownName = ({ node }: Config) => node ?? machineName()

function placeFor(config: Config, name: string) {
  const place = settingsOf(config).machines[name]
  if (place === undefined) throw new IemsError('IEMS_NODE_UNKNOWN', { node: name })
  return placeOf(place)
}

/** One JSON line for each event, as the server's log. */
function say(text: string, fields: Readonly<Record<string, unknown>> = {}): void {
  out(JSON.stringify({ level: 'info', t: new Date().toISOString(), event: 'responder.said', ...fields, text }))
}

function supervisorOf(config: Config): Supervisor {
  const control = controlPath(config)
  const given = ['start', '--quiet', '--config', config.path]
  mkdirSync(dataFolder(config), { recursive: true, mode: 0o700 })
  return new Supervisor({
    command: () => {
      const launcher = launcherIn(config)
      if (launcher !== undefined) return [process.execPath, launcher, ...given]
      return [process.execPath, ...process.execArgv, process.argv[1] ?? '', ...given]
    },
    pid: async () => (await askServer<Status>(control, { v: 1, method: 'status' })).pid,
    stop: () => askServer(control, { v: 1, method: 'stop', params: { now: false } }),
    stopTimeout: config.drain + STOP_MS,
    file: join(dataFolder(config), 'responder.json'),
    say,
  })
}

/** Requests run one after the other; a status does not wait. */
function responding(config: Config, server: Supervisor): Respond {
  let busy: Promise<unknown> = Promise.resolve()
  return async function* (asked) {
    const state = () => ({ node: ownName(config), ...server.status })
    if (asked.do === 'status') return state()
    say('asked', { for: asked.do, ...(asked.version === undefined ? {} : { version: asked.version }) })
    const before = busy
    const { promise, resolve } = Promise.withResolvers<void>()
    busy = promise
    await before
    try {
      if (asked.do === 'upgrade') {
        const version = yield* upgrade(config, asked.version ?? 'latest', server)
        return { ...state(), version }
      }
      yield `${asked.do} is under way`
      await server[asked.do]()
      return state()
    } finally {
      resolve()
    }
  }
}

async function runResponder({ config: file }: Common): Promise<void> {
  process.umask(0o077)
  const config = await loadConfig(file)
  const server = supervisorOf(config)
  const place = placeFor(config, ownName(config))
  const listening = await listen(place, settingsOf(config).key.reveal(), responding(config, server))
  say('the responder listens', { node: ownName(config), host: place.host, port: listening.port, pid: process.pid })
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      listening.close()
      server.close().catch(fail).finally(resolve)
    })
  await server.begin()
  await ended
}

const textOf = (state: ServerState & { readonly node: string; readonly version?: string }) => {
  const { node, state: is, pid, crashes, last, version } = state
  const more = [
    ...(pid === undefined ? [] : [`process ${pid}`]),
    ...(crashes > 0 ? [`ended ${crashes} times, last with ${last}`] : []),
    ...(version === undefined ? [] : [`version ${version}`]),
  ]
  return [`${node}  ${is}`, ...more].map(escapeLine).join('  ')
}

/** Asks the responders of one machine, or of each in turn. */
async function command(what: ResponderRequest['do'], name: string, options: Common & { version?: string }) {
  const config = await loadConfig(options.config)
  const { key, machines } = settingsOf(config)
  const asked = { v: 1, do: what, ...(options.version === undefined ? {} : { version: options.version }) } as const
  for (const node of name === EVERY ? Object.keys(machines) : [name]) {
    const progress = (text: string) => process.stderr.write(dim(`${escapeLine(`${node}: ${text}`)}\n`))
    try {
      const state = await ask(placeFor(config, node), key.reveal(), asked, progress)
      print(options, state, textOf(state as Parameters<typeof textOf>[0]))
    } catch (error) {
      // Of all machines, one that is away must not hide the others, but an upgrade stops at the first that fails.
      fail(error)
      if (what !== 'status') return
    }
  }
}

export function addResponder(iems: Command): void {
  const responder = common(
    iems.command('responder').description('keep the server of this machine running, and do what `iems node` asks'),
  ).action(runResponder)
  responder
    .command('key')
    .description('make a key for the responders of all machines')
    .action(() => void out(randomBytes(32).toString('base64url')))
  const node = iems.command('node').description('the server process of a machine')
  const summaries = {
    status: 'whether the server of a machine runs; `all` for every machine',
    start: 'start the server of a machine',
    stop: 'stop the server of a machine; it stays stopped until it is started',
    restart: 'stop the server of a machine and start it again',
    upgrade: 'install a version of iems on a machine and restart its server; back to the version before if that fails',
  }
  for (const [what, summary] of Object.entries(summaries) as [ResponderRequest['do'], string][]) {
    const one = common(node.command(what).description(summary).argument('<machine>'))
    if (what === 'upgrade') one.option('--version <version>', 'a version or a tag', 'latest')
    one.action((name: string, options: Common) => command(what, name, options))
  }
}
