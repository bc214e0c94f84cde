/**
 * The administration service: the single interface to inspect and change a running server, for every administration
 * protocol.
 *
 * Invariants: the caller's roles are checked before anything is returned; every change emits an event that names the
 * caller; the view of the configuration holds no secret.
 */
import {
  ADMIN,
  type Administration,
  type AdministrationService,
  type CommandInfo,
  type CommandRun,
  type ConfigurationView,
  type KernelStatus,
  type ListenerStatus,
  type NodeStatus,
  type PluginStatus,
  type Status,
  SUPPORT,
} from '../api/administration.ts'
import type { Caller, Command, CommandOutput } from '../api/command.ts'
import type { ComponentStatus } from '../api/component.ts'
import { IemsError } from '../api/errors.ts'
import type { Route } from '../api/hooks.ts'
import type { MetricStatus } from '../api/metrics.ts'
import type { Service } from '../api/service.ts'
import type { Backend } from '../net/backend.ts'
import type { Admin, Queue, QueueFilter } from '../queue/admin.ts'
import { readLane } from '../queue/records.ts'
import type { Store } from '../store/store.ts'
import { callOf, infoOf, schemaOf } from './command-fields.ts'
import { type Component, EVERYTHING } from './component.ts'
import { type Config, configSchema } from './config-schema.ts'
import type { Listener } from './listeners.ts'
import type { Emit, LogWriter } from './log.ts'
import type { LogView, WatchedLine } from './log-feed.ts'
import { masked } from './masked.ts'
import type { MetricRegistry } from './metrics.ts'
import type { Nodes } from './nodes.ts'
import { problemsOf } from './problems.ts'
import type { Hooks, LoadedPlugin } from './wiring.ts'

/** The part of a kernel that administrators can see. */
export interface AdministeredKernel {
  readonly config: Config
  readonly admin: Admin
  readonly hooks: Hooks
  readonly emit: Emit
  readonly log: LogWriter
  readonly listeners: readonly Listener[]
  /** The plugins in dependency order. */
  readonly plugins: readonly LoadedPlugin[]
  /** Commands that plugins add to `iems`, by their words. */
  readonly commands: ReadonlyMap<string, Command>
  readonly metrics: MetricRegistry
  components(): readonly Component[]
  /** External servers that plugins depend on. */
  backends(): readonly (Backend & { readonly plugin: string })[]
  /** Yields a line for each inconsistency in stored data. */
  check(): AsyncIterable<string>
}

/** The administered object: a server, or in a test a single kernel. */
export interface Administered {
  readonly kernel: AdministeredKernel
  readonly store: Store
  readonly since: number
  /** The servers that share the store; a kernel in a test has none. */
  readonly nodes?: Nodes
  kernels(): readonly KernelStatus[] | Promise<readonly KernelStatus[]>
  reload(): Promise<void>
  stop(): Promise<void>
  /** Called after a component was started or stopped here, so that the other workers follow. */
  changed?(component: string, isStopped: boolean): Promise<void>
  /** With several workers: what all of them know. Absent: the kernel's own. */
  metrics?(): Promise<readonly MetricStatus[]>
  recentLines?(): Promise<readonly WatchedLine[]>
  backends?(): Promise<Status['backends']>
}

/** Maximum lanes in a status. */
const MAX_LANES = 1000

export function createAdministration(administered: Administered): AdministrationService {
  return { as: (caller) => new CallersAdministration(administered, caller) }
}

class CallersAdministration implements Administration {
  readonly #server: Administered
  readonly #caller: Caller

  constructor(server: Administered, caller: Caller) {
    this.#server = server
    this.#caller = caller
  }

  /** Throws unless the caller has one of the roles; `admin` includes all. */
  #admit(what: string, roles: readonly string[]): void {
    const { user, roles: own = [] } = this.#caller
    if (!own.some((role) => role === ADMIN || roles.includes(role)))
      throw new IemsError('IEMS_FORBIDDEN', { user, what })
  }

  get #kernel(): AdministeredKernel {
    return this.#server.kernel
  }

  #changed(what: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#kernel.emit('administration.changed', { by: this.#caller.user, what, ...fields })
  }

  async status(): Promise<Status> {
    this.#admit('see the status', [SUPPORT])
    const { store, since } = this.#server
    const lanes: { lane: string; due: number }[] = []
    for await (const { lane, at } of store.lanes('')) {
      if (readLane(lane)) lanes.push({ lane, due: at })
      if (lanes.length >= MAX_LANES) break
    }
    const { config, plugins } = this.#kernel
    const components = this.components()
    const backends = (await this.#server.backends?.()) ?? this.#kernel.backends()
    return {
      pid: process.pid,
      since,
      config: config.path,
      hostname: config.hostname,
      listeners: this.listeners(),
      kernels: await this.#server.kernels(),
      backends,
      lanes,
      problems: await problemsOf({ config, now: store.now(), components, backends, lanes, plugins }),
      memory: process.memoryUsage.rss(),
    }
  }

  listeners(): readonly ListenerStatus[] {
    this.#admit('see the listeners', [SUPPORT])
    return this.#kernel.listeners.map(({ label, plugin, address, port }) => ({ label, plugin, address, port }))
  }

  hooks(): ReturnType<Administration['hooks']> {
    this.#admit('see the hooks', [SUPPORT])
    const { order } = this.#kernel.hooks
    return Object.fromEntries(
      [...order].map(([hook, taps]) => [hook, taps.map(({ plugin, stage }) => ({ plugin, stage }))]),
    )
  }

  plugins(): readonly PluginStatus[] {
    this.#admit('see the plugins', [SUPPORT])
    const channels = new Set(this.#kernel.config.channels.map(({ name }) => name))
    const names = (services: readonly Service<unknown>[] = []) => services.map(({ name }) => name)
    return this.#kernel.plugins.map(({ name, definition, parts }) => ({
      name,
      plugin: definition.name,
      place: channels.has(name) ? 'channel' : 'plugin',
      listens: parts.listen !== undefined,
      delivers: parts.deliver !== undefined,
      hooks: Object.keys(parts.hooks ?? {}),
      offers: names(definition.offers),
      needs: names(definition.needs),
      commands: Object.keys(parts.commands ?? {}),
    }))
  }

  configuration(): ConfigurationView {
    this.#admit('see the configuration', [])
    const { channels, plugins, ...values } = this.#kernel.config
    const view = (place: 'channel' | 'plugin') => (one: (typeof channels | typeof plugins)[number]) => {
      const schema = schemaOf(one.definition.config)
      return {
        name: one.name,
        plugin: one.definition.name,
        place,
        options: masked(one.options),
        settings: masked(one.settings),
        ...(schema ? { schema } : {}),
      }
    }
    return {
      path: values.path,
      values: masked(values) as Readonly<Record<string, unknown>>,
      schema: schemaOf(configSchema) ?? {},
      plugins: [...channels.map(view('channel')), ...plugins.map(view('plugin'))],
    }
  }

  async metrics(): Promise<readonly MetricStatus[]> {
    this.#admit('see the metrics', [SUPPORT])
    return (await this.#server.metrics?.()) ?? this.#kernel.metrics.read()
  }

  components(): readonly ComponentStatus[] {
    this.#admit('see the components', [SUPPORT])
    return this.#kernel.components().map(({ status }) => status)
  }

  component(name: string): ComponentStatus {
    this.#admit('see the components', [SUPPORT])
    return this.#component(name).status
  }

  async startComponent(name: string): Promise<ComponentStatus> {
    this.#admit('start components', [])
    const component = this.#component(name)
    this.#changed('component.start', { component: name })
    await component.start()
    await this.#server.changed?.(name, false)
    await this.#server.nodes?.want(name, undefined, false)
    return component.status
  }

  async stopComponent(name: string): Promise<ComponentStatus> {
    this.#admit('stop components', [])
    const component = this.#component(name)
    this.#changed('component.stop', { component: name })
    await component.stop(AbortSignal.timeout(this.#kernel.config.drain))
    await this.#server.changed?.(name, true)
    await this.#server.nodes?.want(name, undefined, true)
    return component.status
  }

  async wantComponent(name: string, node: string, isStopped: boolean): Promise<void> {
    this.#admit(isStopped ? 'stop components' : 'start components', [])
    this.#component(name)
    this.#changed(isStopped ? 'component.stop' : 'component.start', { component: name, node })
    await this.#nodes().want(name, node, isStopped)
  }

  #nodes(): Nodes {
    if (this.#server.nodes) return this.#server.nodes
    throw new IemsError('IEMS_CONTROL_REFUSED', { why: 'There is no server around this kernel: start it first' })
  }

  async drainNode(node: string | undefined, isDrained: boolean): Promise<void> {
    this.#admit('drain servers', [])
    this.#changed(isDrained ? 'node.drain' : 'node.resume', node === undefined ? {} : { node })
    await this.#nodes().want(EVERYTHING, node, isDrained)
  }

  async nodes(): Promise<readonly NodeStatus[]> {
    this.#admit('see the servers', [SUPPORT])
    return (await this.#server.nodes?.list()) ?? []
  }

  #component(name: string): Component {
    const found = this.#kernel.components().find((one) => one.name === name)
    if (!found) throw new IemsError('IEMS_COMPONENT_UNKNOWN', { name })
    return found
  }

  #mayRun({ roles = [] }: Command): boolean {
    const own = this.#caller.roles ?? []
    return own.some((role) => role === ADMIN || roles.includes(role))
  }

  commands(): readonly CommandInfo[] {
    return [...this.#kernel.commands].flatMap(([words, command]) =>
      this.#mayRun(command) ? [infoOf(words, command)] : [],
    )
  }

  async *run(run: CommandRun): AsyncGenerator<CommandOutput> {
    const { words } = run
    const command = this.#kernel.commands.get(words)
    if (!command) throw new IemsError('IEMS_COMMAND_UNKNOWN', { command: words })
    this.#admit(`run ${words}`, command.roles ?? [])
    const call = await callOf(command, run, this.#caller)
    // The input is not logged: it may be personal data.
    this.#changed('command', { command: words })
    yield* command.run(call)
  }

  get log(): LogView {
    this.#admit('see the log', [])
    const { feed } = this.#kernel.log
    return {
      recent: async () => (await this.#server.recentLines?.()) ?? feed.recent(),
      follow: (signal) => feed.follow(signal),
    }
  }

  check(): AsyncIterable<string> {
    this.#admit('check what is kept', [SUPPORT])
    return this.#kernel.check()
  }

  get queue(): Queue {
    const { queue } = this.#kernel.admin
    const see = () => this.#admit('see the queue', [SUPPORT])
    const change = (what: string, filter: object) => {
      this.#admit('change the queue', [])
      this.#changed(`queue.${what}`, { filter })
    }
    const seen = <F extends (...given: never[]) => unknown>(call: F): F =>
      ((...given) => {
        see()
        return call(...given)
      }) as F
    const changed = <F extends (filter: QueueFilter, ...rest: never[]) => unknown>(what: string, call: F): F =>
      ((filter, ...rest) => {
        change(what, filter)
        return call(filter, ...rest)
      }) as F
    return {
      list: seen(queue.list),
      hops: seen(queue.hops),
      count: seen(queue.count),
      open: seen(queue.open),
      trace: seen(queue.trace),
      search: seen(queue.search),
      hold: changed('hold', queue.hold),
      release: changed('release', queue.release),
      retry: changed('retry', queue.retry),
      bounce: changed('bounce', queue.bounce),
      remove: changed('remove', queue.remove),
      flush: (nexthop, channel) => {
        change('flush', { nexthop, ...(channel === undefined ? {} : { channel }) })
        return queue.flush(nexthop, channel)
      },
      reroute: changed('reroute', async (filter: QueueFilter, route: Route) => {
        const { channels } = this.#kernel.config
        if (!channels.some(({ name }) => name === route.channel))
          throw new IemsError('IEMS_CHANNEL_UNKNOWN', { from: 'The new route', channel: route.channel })
        return queue.reroute(filter, route)
      }),
    }
  }

  async reload(): Promise<void> {
    this.#admit('reload the configuration', [])
    this.#changed('reload')
    await this.#server.reload()
  }

  async stop({ now = false }: { readonly now?: boolean } = {}): Promise<void> {
    this.#admit('stop the server', [])
    this.#changed('stop', { now })
    const done = this.#server.stop()
    if (now) void this.#server.stop()
    // The reply is sent before its connection closes.
    done.catch(() => {})
  }
}
