/**
 * One running configuration: plugins set up in dependency order, listeners, loops; undone in reverse.
 *
 * Invariants: nothing listens before everything is set up; a start that fails half-way leaves nothing open; a reload is
 * a second kernel beside the first, to which the unchanged plugins move. This file assembles the parts and knows
 * nothing of messages.
 */
import type { KeyObject } from 'node:crypto'
import type { AdministrationService } from '../api/administration.ts'
import type { Clock } from '../api/clock.ts'
import type { Command } from '../api/command.ts'
import type { ComponentKind } from '../api/component.ts'
import { IemsError, reasonOf, together } from '../api/errors.ts'
import type { Counter } from '../api/metrics.ts'
import type { ConnectionInfo, ServerSession } from '../api/session.ts'
import { createSecret } from '../auth/authenticator.ts'
import { type Attempts, createAttemptState, LoginThrottle } from '../auth/login-throttle.ts'
import { Proven } from '../auth/proven.ts'
import { createRights, createWatched, type Rights } from '../auth/rights.ts'
import { createReceivers } from '../inbound/examine.ts'
import { createResolve } from '../inbound/resolve.ts'
import { openSession } from '../inbound/session.ts'
import type { SessionDeps } from '../inbound/session-deps.ts'
import { createSubmit } from '../inbound/submit.ts'
import { createDns, type Dns } from '../net/dns.ts'
import { inNetworks } from '../net/networks.ts'
import { type Admin, createAdmin, type Queue } from '../queue/admin.ts'
import { createRelease } from '../queue/blob-references.ts'
import { createQueue, type SharedQueue } from '../queue/queue.ts'
import { createRefusals } from '../queue/refusals.ts'
import { createSweep, type Sweep } from '../queue/sweep.ts'
import type { Store } from '../store/store.ts'
import { type AdministeredKernel, createAdministration } from './administration.ts'
import { createChannelDeliverer, deliveryOf } from './channel-deliverer.ts'
import { Component, type ComponentWork, createStopped } from './component.ts'
import type { ConfigIdentity } from './config-identity.ts'
import type { Config } from './config-schema.ts'
import { emitter } from './emitter.ts'
import { bringUp, KERNEL_RECORDS } from './formats.ts'
import { createJobs, type Job } from './jobs.ts'
import { kernelCommands } from './kernel-commands.ts'
import type { KernelDeps } from './kernel-deps.ts'
import { hookTimes, kernelMetrics, measureEvents } from './kernel-metrics.ts'
import { lostRoutes, roleWarnings, unreachable } from './kernel-warnings.ts'
import { createLasting, type Lasting } from './lasting.ts'
import type { Listener, Reservation } from './listeners.ts'
import type { Emit, LogWriter } from './log.ts'
import { createMetrics, type MetricRegistry } from './metrics.ts'
import { byNeeds, Services } from './needs.ts'
import { type AnyPlugin, commandsOf, type HostKernel, PluginHost, settingsOf, within } from './plugin-host.ts'
import { type Staying, stays } from './reload-plan.ts'
import { elsewhereOf } from './roles.ts'
import { createSignals, type Signals } from './signals.ts'
import { createSpans, type Spans } from './spans.ts'
import { alone } from './stand-alone.ts'
import { type Hooks, type LoadedPlugin, wire } from './wiring.ts'

/** Ms that jobs have to end after the signal. */
const JOBS_END_MS = 1000

/** The kernel that a reload replaces. */
export interface Previous {
  readonly kernel: Kernel
  readonly identity: ConfigIdentity
}

export class Kernel implements HostKernel, AdministeredKernel {
  readonly config: Config
  readonly store: Store
  readonly clock: Clock
  readonly log: LogWriter
  readonly dns: Dns
  readonly lasting: Lasting
  readonly administration: AdministrationService
  readonly folder: (plugin: string) => string | undefined
  readonly rehearse: KernelDeps['rehearse']
  readonly emit: Emit
  readonly sharedQueue: SharedQueue
  readonly admin: Admin
  readonly signals: Signals
  readonly sweep: Sweep
  readonly claim: Reservation
  readonly services = new Services()
  readonly submit: ReturnType<typeof createSubmit>
  readonly release: ReturnType<typeof createRelease>
  /** Schedules a job of the kernel; see `SetupContext.schedule`. */
  readonly schedule: (job: Job) => void
  /** In dependency order; during a reload it includes hosts of the previous kernel. */
  readonly hosts: PluginHost[] = []
  readonly warnings: string[] = []
  commands: ReadonlyMap<string, Command> = new Map()
  readonly metrics: MetricRegistry
  readonly connections: Counter
  readonly spans: Spans
  readonly #components: Component[] = []
  readonly proven: Proven
  readonly #secret: () => Promise<KeyObject>
  readonly #attempts: Attempts
  readonly #rights: Rights
  readonly #gone = new AbortController()
  readonly #underWay = new Set<Promise<unknown>>()
  readonly #staying: Staying[] = []
  readonly #deliveries: Component[] = []
  #hooks: Hooks | undefined
  #sessions: SessionDeps | undefined

  constructor({ config, store, ports, clock, log, watch, folder, ...rest }: KernelDeps) {
    const signal = this.#gone.signal
    this.config = config
    this.store = store
    this.clock = clock
    this.log = log
    this.dns = rest.dns ?? createDns(config.dns, clock.now)
    this.lasting = rest.lasting ?? createLasting()
    this.folder = (plugin) => folder?.(plugin)
    this.rehearse = rest.rehearse
    this.metrics = this.lasting.of('metrics', createMetrics)
    this.spans = this.lasting.of('spans', createSpans)
    this.emit = emitter({ log, clock, watch, count: measureEvents(this.metrics) }, () => this.#hooks)
    this.administration = rest.administration ?? createAdministration(alone(this))
    this.claim = ports.claim()
    const { emit, lasting } = this
    this.connections = kernelMetrics(this)
    const historyMs = config.history.keep
    this.release = createRelease(store)
    this.sharedQueue = createQueue({ store, clock, emit, release: this.release, historyMs })
    this.signals = createSignals({ store, log: log.child({}), signal })
    this.admin = createAdmin({ store, clock, emit, queue: this.sharedQueue, signals: this.signals })
    const { logins } = config.limits
    const state = lasting.of('logins', createAttemptState)
    this.#secret = createSecret(store)
    this.proven = new Proven({ clock, store, known: state.proven, secret: this.#secret })
    this.#attempts = new LoginThrottle(clock, logins, state, this.proven)
    const watched = lasting.of('watched', createWatched)
    this.#rights = createRights({ signals: this.signals, clock, interval: config.limits.recheckInterval, watched })
    this.submit = createSubmit(() => this.sessions)
    this.sweep = createSweep({ store, clock, queue: this.sharedQueue, release: this.release, historyMs })
    const jobs = createJobs({ store, clock, log: log.child({}), signal, underWay: this.#underWay }, '')
    this.schedule = (job) => {
      const component = this.componentOf({ plugin: 'iems', name: job.name, kind: 'job' }, jobs(job))
      this.#components.push(component)
      void component.begin()
    }
  }

  /** Throws IEMS_CLOSED before the hooks are wired. */
  get hooks(): Hooks {
    if (!this.#hooks) throw new IemsError('IEMS_CLOSED')
    return this.#hooks
  }

  get sessions(): SessionDeps {
    if (!this.#sessions) throw new IemsError('IEMS_CLOSED')
    return this.#sessions
  }

  get queue(): Queue {
    return this.admin.queue
  }

  get listeners(): readonly Listener[] {
    return this.claim.listeners
  }

  get plugins(): readonly PluginHost[] {
    return this.hosts
  }

  /** Sets every plugin up, or takes its host over from the previous kernel. Throws with everything undone. */
  async setUp(previous: Previous | undefined): Promise<void> {
    const inConfigOrder: readonly AnyPlugin[] = [...this.config.channels, ...this.config.plugins]
    const faults: unknown[] = []
    try {
      await bringUp({ store: this.store, view: this.store, owner: '', emit: this.emit }, KERNEL_RECORDS)
      for (const one of byNeeds(inConfigOrder)) await this.#place(one, previous).catch((cause) => faults.push(cause))
      if (faults.length > 0) throw together(faults)
      const placeOf = (host: LoadedPlugin) => inConfigOrder.findIndex(({ name }) => name === host.name)
      const loaded = this.hosts.map((host) => this.#loaded(host)).sort((a, b) => placeOf(a) - placeOf(b))
      this.#hooks = wire(loaded, this.emit, {
        times: hookTimes(this.metrics),
        spans: this.spans,
      })
      this.commands = commandsOf(this.hosts, kernelCommands(this))
      this.#connect(this.#hooks)
    } catch (error) {
      await this.#undo()
      throw error
    }
  }

  async #place(one: AnyPlugin, previous: Previous | undefined): Promise<void> {
    const staying =
      previous && (await stays(one, this.hosts, { identity: previous.identity, before: previous.kernel, next: this }))
    if (staying) {
      this.#staying.push(staying)
      this.hosts.push(staying.host)
      for (const [service, implementation] of staying.host.offered) this.services.provide(service, implementation)
      return
    }
    const host = new PluginHost(one, this)
    await host.setUp()
    this.hosts.push(host)
    if (!host.parts.deliver || this.config.channels.some(({ name }) => name === one.name)) return
    throw new IemsError('IEMS_CHANNEL_MISPLACED', { plugin: one.name })
  }

  /** A host as this kernel's hooks see it, even before it moves here. */
  #loaded(host: PluginHost): LoadedPlugin {
    const { name, definition, parts, log } = host
    const { configured = host.configured } = this.#staying.find((one) => one.host === host) ?? {}
    return { name, definition, parts, log, settings: settingsOf(configured) }
  }

  /** Creates everything that needs the hooks. */
  #connect(hooks: Hooks): void {
    const { config, store, clock, emit } = this
    const { hostname, limits } = config
    const { postmaster } = config.reports
    const delivering = config.channels.flatMap((channel) => {
      const host = this.hosts.find(({ name }) => name === channel.name)
      return host?.parts.deliver ? [{ channel, host }] : []
    })
    const accepts = new Map(delivering.map(({ channel }) => [channel.name, channel.settings.accepts]))
    const resolve = createResolve({ hooks, accepts, expansion: limits.recipients, hostname, postmaster })
    const traces = () => createRefusals({ store, clock, emit, historyMs: config.history.keep })
    const sharing = { hooks, clock, emit, resolve }
    const inbound = { ...sharing, store, queue: this.sharedQueue, hostname, limits, refusals: traces() }
    this.warnings.push(
      ...hooks.warnings,
      ...lostRoutes(this.hosts, new Set(accepts.keys())),
      ...roleWarnings(config, accepts),
    )
    for (const text of this.warnings) this.log.child({}).warn(text)
    const kept = { attempts: this.#attempts, rights: this.#rights, secret: this.#secret, recipients: limits.recipients }
    this.#sessions = { ...sharing, ...createReceivers(inbound), refusals: traces(), ...kept }
    for (const { channel, host } of delivering) {
      const work = deliveryOf(() => createChannelDeliverer(this, { channel, host, resolve }))
      this.#deliveries.push(this.componentOf({ plugin: channel.name, name: 'deliver', kind: 'delivery' }, work))
    }
  }

  /** Opens the listeners; `run` then admits mail. Throws with everything undone. */
  async listen(): Promise<void> {
    const faults: unknown[] = []
    for (const { host } of this.#staying) host.claimFor(this.claim)
    for (const host of this.#own()) await host.listen().catch((cause: unknown) => faults.push(cause))
    for (const host of faults.length === 0 ? this.#own() : []) await host.begin()
    if (faults.length === 0) return
    await this.#undo()
    throw together(faults)
  }

  run(): void {
    for (const { host, configured, apply } of this.#staying) {
      host.moveTo(this, configured)
      apply()
    }
    this.claim.commit()
    for (const delivery of this.#deliveries) void delivery.begin()
  }

  /** Whether every listening plugin keeps its sessions. */
  get keepsSessions(): boolean {
    return this.hosts.every((host) => !host.parts.listen || this.#staying.some((one) => one.host === host))
  }

  componentOf(about: { plugin: string; name: string; kind: ComponentKind }, work: ComponentWork): Component {
    const { clock, emit, lasting } = this
    const [stopped, elsewhere] = [lasting.of('stopped', createStopped), elsewhereOf(this.config, about.plugin)]
    return new Component(about, work, { clock, emit, stopped, elsewhere })
  }

  components(): readonly Component[] {
    return [...this.hosts.flatMap(({ components }) => components), ...this.#deliveries, ...this.#components]
  }

  sessionCount(): number {
    return this.#own().reduce((count, { sessions }) => count + sessions.size, 0)
  }

  /** Calls `started` of each plugin. The returned lines are for the person who started the server. */
  async started(): Promise<readonly string[]> {
    const lines: string[] = []
    for (const { parts } of this.hosts) lines.push(...((await parts.started?.()) ?? []))
    return lines
  }

  backends(): ReturnType<AdministeredKernel['backends']> {
    return this.hosts.flatMap(({ name, parts }) => (parts.backends?.() ?? []).map((one) => ({ plugin: name, ...one })))
  }

  /** Yields a line for each inconsistency in stored data. */
  async *check(): AsyncGenerator<string> {
    const { postmaster } = this.config.reports
    if (postmaster !== undefined) yield* unreachable(postmaster, this.#openLocal())
    for (const { name, parts } of this.hosts) {
      try {
        if (parts.check) yield* parts.check()
      } catch (cause) {
        yield `${name} could not be checked: ${reasonOf(cause)}`
      }
    }
  }

  /**
   * Takes nothing new, finishes active work until the signal, and closes everything that has not moved to another
   * kernel. Listeners end first, while current deliveries still have all they need.
   */
  async close(signal: AbortSignal): Promise<void> {
    const own = this.#own()
    const entrances = own.filter(({ isEntrance }) => isEntrance)
    this.#attempts.close()
    this.#rights.close()
    const stopping = this.#deliveries.map((delivery) => delivery.end(signal))
    await Promise.all([...entrances.map((host) => host.close(signal)), ...stopping])
    this.#gone.abort(new IemsError('IEMS_CLOSED'))
    await Promise.all([within(Promise.allSettled(this.#underWay), JOBS_END_MS), ...own.map((host) => host.end())])
    for (const host of own.reverse()) if (!entrances.includes(host)) await host.close(signal)
  }

  openSession(channel: string, facts: ConnectionInfo): ServerSession {
    const { settings } = this.config.channels.find(({ name }) => name === channel) ?? {}
    return openSession(() => this.sessions, { channel, trusts: inNetworks(settings?.trusts ?? []) }, facts)
  }

  #own(): PluginHost[] {
    return this.hosts.filter(({ kernel }) => kernel === this)
  }

  async #undo(): Promise<void> {
    this.claim.rollback()
    await this.close(AbortSignal.abort())
  }

  /** A session whose client is this server. */
  #openLocal() {
    return openSession(
      () => this.sessions,
      { channel: 'iems', trusts: () => true },
      { protocol: 'LOCAL', remote: { address: '127.0.0.1' } },
    )
  }
}

/** Sets every plugin up. Throws IEMS_PLUGIN_SETUP after closing those that were set up. */
export async function createKernel(deps: KernelDeps, previous?: Previous): Promise<Kernel> {
  const kernel = new Kernel(deps)
  await kernel.setUp(previous)
  return kernel
}
