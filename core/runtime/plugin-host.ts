/**
 * A plugin that has been set up, its context, and the kernel it serves.
 *
 * A reload that does not change a plugin moves its host to the new kernel instead of setting it up again, so its
 * sessions, caches and connections stay. Invariants: the plugin's context always refers to its current kernel; a host
 * moves only when the new kernel starts to run; everything the plugin opened ends with its host.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Command } from '../api/command.ts'
import type { BackgroundHandle, BackgroundWork, ComponentKind } from '../api/component.ts'
import { IemsError, reasonOf } from '../api/errors.ts'
import type { EventName } from '../api/events.ts'
import type { Delivery, ReadableMessage } from '../api/hooks.ts'
import type { Counter } from '../api/metrics.ts'
import type { PluginInstance, SetupContext } from '../api/plugin.ts'
import { NO_MESSAGE } from '../api/run.ts'
import type { Service } from '../api/service.ts'
import { openSession } from '../inbound/session.ts'
import type { SessionDeps } from '../inbound/session-deps.ts'
import type { createSubmit } from '../inbound/submit.ts'
import { inNetworks } from '../net/networks.ts'
import type { Queue } from '../queue/admin.ts'
import { createContentStore, type createRelease } from '../queue/blob-references.ts'
import { subspace } from '../store/subspace.ts'
import type { Component, ComponentWork } from './component.ts'
import type { ConfiguredPlugin } from './config-schema.ts'
import { bringUp } from './formats.ts'
import { createJobs, type Job } from './jobs.ts'
import type { KernelDeps } from './kernel-deps.ts'
import type { Lasting } from './lasting.ts'
import type { Listener, Reservation } from './listeners.ts'
import type { Emit, Log } from './log.ts'
import type { MetricRegistry } from './metrics.ts'
import { offersOf, type Services } from './needs.ts'
import { repeat } from './repeat.ts'
import type { ChannelSettings, PluginSettings } from './settings.ts'
import { createSignals } from './signals.ts'
import type { Spans } from './spans.ts'
import type { Hooks } from './wiring.ts'

export type AnyPlugin = ConfiguredPlugin<PluginSettings | ChannelSettings>

/** A host's dependencies on its kernel. */
export interface HostKernel extends Pick<KernelDeps, 'config' | 'store' | 'clock' | 'log'> {
  folder(plugin: string): string | undefined
  readonly rehearse: KernelDeps['rehearse']
  readonly lasting: Lasting
  readonly dns: NonNullable<KernelDeps['dns']>
  readonly metrics: MetricRegistry
  readonly connections: Counter
  readonly spans: Spans
  componentOf(about: { plugin: string; name: string; kind: ComponentKind }, work: ComponentWork): Component
  readonly administration: NonNullable<KernelDeps['administration']>
  readonly emit: Emit
  readonly queue: Queue
  /** Throw IEMS_CLOSED before the hooks are wired. */
  readonly hooks: Hooks
  readonly sessions: SessionDeps
  readonly services: Services
  readonly claim: Reservation
  readonly submit: ReturnType<typeof createSubmit>
  readonly release: ReturnType<typeof createRelease>
}

interface OpenPort {
  readonly listener: Listener
  readonly connection: Parameters<Reservation['open']>[2]
}

/** A record, so that the type check finds a missing one. */
const PARTS: Readonly<Record<keyof PluginInstance, true>> = {
  hooks: true,
  listen: true,
  deliver: true,
  commands: true,
  started: true,
  backends: true,
  health: true,
  check: true,
  refresh: true,
  reconfigure: true,
  close: true,
}

/** Ms that jobs have to end after the signal. */
const JOBS_END_MS = 1000

/** Checks what TypeScript would check of the result of `setup`. */
function checkParts(plugin: string, parts: unknown): void {
  if (typeof parts !== 'object' || parts === null)
    throw new IemsError('IEMS_PLUGIN_SETUP', { plugin, why: `setup gave back ${parts}, not { hooks, … } or {}` })
  const unknown = Object.keys(parts).find((part) => !Object.hasOwn(PARTS, part))
  if (unknown !== undefined)
    throw new IemsError('IEMS_PLUGIN_SETUP', {
      plugin,
      why: `setup gave back ${unknown}, which is none of ${Object.keys(PARTS).join(', ')}`,
    })
}

/** Resolves when the work is done or the time is over. */
export async function within(done: Promise<unknown>, ms: number): Promise<void> {
  const end = new AbortController()
  await Promise.race([done, wait(ms, undefined, { signal: end.signal }).catch(() => {})])
  end.abort()
}

export class PluginHost {
  readonly name: string
  readonly definition: AnyPlugin['definition']
  readonly log: Log
  /** Channels to which it routes mail. */
  readonly routes: string[] = []
  /** Ids of its open sessions. */
  readonly sessions = new Set<string>()
  parts: PluginInstance = {}
  #kernel: HostKernel
  #configured: AnyPlugin
  #trusts: (address: string) => boolean
  readonly #gone = new AbortController()
  readonly #underWay = new Set<Promise<unknown>>()
  readonly #offered = new Map<string, unknown>()
  readonly components: Component[] = []
  #ports: OpenPort[] = []

  constructor(configured: AnyPlugin, kernel: HostKernel) {
    this.name = configured.name
    this.definition = configured.definition
    this.#kernel = kernel
    this.#configured = configured
    this.#trusts = trustsOf(configured)
    this.log = kernel.log.child({ plugin: this.name })
  }

  get kernel(): HostKernel {
    return this.#kernel
  }

  get configured(): AnyPlugin {
    return this.#configured
  }

  get settings(): PluginSettings {
    return settingsOf(this.#configured)
  }

  get isEntrance(): boolean {
    return this.parts.listen !== undefined && this.parts.deliver === undefined
  }

  /** Throws IEMS_PLUGIN_SETUP. */
  async setUp(): Promise<void> {
    const { name, definition } = this
    const { store } = this.#kernel
    try {
      const ctx = this.#context()
      await bringUp({ store, view: ctx.store, owner: name, emit: this.#kernel.emit }, definition.records ?? {})
      this.parts = await definition.setup(this.#configured.options, ctx)
      checkParts(name, this.parts)
    } catch (cause) {
      if (cause instanceof IemsError && ('plugin' in cause.details || 'owner' in cause.details)) throw cause
      throw new IemsError('IEMS_PLUGIN_SETUP', { plugin: name, why: reasonOf(cause) }, cause)
    }
    for (const service of offersOf(this))
      if (!this.#offered.has(service))
        throw new IemsError('IEMS_SERVICE_UNOFFERED', {
          plugin: name,
          service,
          why: 'it stands under offers, and setup did not offer it',
        })
  }

  /** The services it provides, for the next kernel. */
  get offered(): ReadonlyMap<string, unknown> {
    return this.#offered
  }

  async listen(): Promise<void> {
    try {
      await this.parts.listen?.()
    } catch (cause) {
      if (cause instanceof IemsError) throw cause
      throw new IemsError('IEMS_PLUGIN_SETUP', { plugin: this.name, why: reasonOf(cause) }, cause)
    }
  }

  /** Starts its components after every plugin has listened. */
  async begin(): Promise<void> {
    for (const component of this.components) if (component.kind !== 'job') await component.begin()
  }

  /** Reserves its open ports for the next kernel. */
  claimFor(claim: Reservation): void {
    for (const { listener, connection } of this.#ports) claim.keep(listener, connection)
  }

  /** Makes it serve that kernel. */
  moveTo(kernel: HostKernel, configured: AnyPlugin): void {
    this.#kernel = kernel
    this.#configured = configured
    this.#trusts = trustsOf(configured)
  }

  /** Ends its jobs, repeated work and calls of hooks. */
  async end(): Promise<void> {
    this.#gone.abort(new IemsError('IEMS_CLOSED'))
    await within(Promise.allSettled(this.#underWay), JOBS_END_MS)
  }

  /** Its end waits for this work. */
  #awaited<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work)
    return work.finally(() => this.#underWay.delete(work))
  }

  async close(signal: AbortSignal): Promise<void> {
    for (const component of this.components) if (component.kind === 'background') await component.end(signal)
    try {
      await this.parts.close?.(signal)
    } catch (cause) {
      // A plugin that cannot close must not keep the others open.
      this.#kernel.emit('plugin.fault', { plugin: this.name, hook: 'close', cause })
    }
  }

  #offer(service: Service<unknown>, implementation: unknown): void {
    if (!offersOf(this).includes(service.name))
      throw new IemsError('IEMS_SERVICE_UNOFFERED', {
        plugin: this.name,
        service: service.name,
        why: 'it is offered, and does not stand under offers',
      })
    this.#offered.set(service.name, implementation)
    this.#kernel.services.provide(service.name, implementation)
  }

  #use<T>({ name: service }: Service<T>): T {
    if (!this.#kernel.services.has(service)) throw new IemsError('IEMS_SERVICE_MISSING', { plugin: this.name, service })
    return this.#kernel.services.get(service) as T
  }

  async #port(address: string, label: string, connection: OpenPort['connection']): Promise<Listener> {
    const labels = { plugin: this.name, listener: address }
    const counted: OpenPort['connection'] = (socket) => {
      this.#kernel.connections.add(labels)
      connection(socket)
    }
    const listener = await this.#kernel.claim.open(address, { label, plugin: this.name }, counted)
    if (this.#ports.length === 0) this.#add('listen', 'listener', this.#listening())
    this.#ports = [...this.#ports, { listener, connection: counted }]
    return listener
  }

  /** Stopping closes the ports; sessions continue. */
  #listening(): ComponentWork {
    const each = async (what: 'pause' | 'resume') => {
      for (const { listener } of this.#ports) await this.#kernel.claim[what](listener)
    }
    return { start: () => each('resume'), stop: () => each('pause'), hold: () => each('pause') }
  }

  #add(name: string, kind: ComponentKind, work: ComponentWork): Component {
    const component = this.#kernel.componentOf({ plugin: this.name, name, kind }, work)
    this.components.push(component)
    return component
  }

  #schedule(schedule: (job: Job) => ComponentWork, job: Job): void {
    const component = this.#add(job.name, 'job', schedule(job))
    void component.begin()
  }

  #background(work: BackgroundWork): BackgroundHandle {
    const component = this.#add(work.name, 'background', work)
    return { failed: (cause) => component.failed(cause) }
  }

  #emit(event: string, fields: Readonly<Record<string, unknown>>): void {
    const level = this.definition.events?.[event]
    if (level === undefined) throw new IemsError('IEMS_EVENT_UNDECLARED', { plugin: this.name, event })
    this.#kernel.emit(event as EventName, { ...fields, plugin: this.name, level })
  }

  #runOf(about: { readonly of: Delivery | ReadableMessage } | undefined) {
    return about ? this.#kernel.hooks.runOf(about.of) : NO_MESSAGE
  }

  #context(): SetupContext {
    const { name, log } = this
    const { store, clock, dns, config, lasting, administration, release, queue, rehearse } = this.#kernel
    const signal = this.#gone.signal
    const lent = { clock, dns, log, signal }
    const narrowed = subspace(store, 'p', name)
    const failed = (blob: string, cause: unknown) => this.#kernel.emit('store.failing', { blob, cause })
    const schedule = createJobs({ ...lent, store, underWay: this.#underWay }, name)
    const channel = { channel: name, trusts: (address: string) => this.#trusts(address), open: this.sessions }
    return {
      ...lent,
      name,
      hostname: config.hostname,
      store: narrowed,
      signals: createSignals({ store, log, signal }),
      contents: createContentStore({ store, plugin: name, narrowed, release, failed }),
      folder: () => this.#kernel.folder(name),
      ...(rehearse ? { rehearse } : {}),
      queue,
      administration,
      routesTo: (to) => void this.routes.push(to),
      openSession: (facts) => openSession(() => this.#kernel.sessions, channel, facts),
      schedule: (job) => this.#schedule(schedule, job),
      background: (work) => this.#background(work),
      metrics: this.#kernel.metrics.of(name),
      spans: (hear) => this.#kernel.spans.hear(hear, signal),
      emit: (event, fields) => this.#emit(event, fields as object as Readonly<Record<string, unknown>>),
      repeat: (ms, what, run) => repeat(lent, ms, what, run),
      submit: (message) => this.#kernel.submit(name, message),
      lasting: (state, make) => lasting.of(`p ${name} ${state}`, make),
      port: (address, label, connection) => this.#port(address, label, connection),
      offer: (service, implementation) => this.#offer(service, implementation),
      use: (service) => this.#use(service),
      find: <T>(service: Service<T>) => this.#kernel.services.get(service.name) as T | undefined,
      call: async (hook, subject, about) => this.#awaited(this.#kernel.hooks.call(hook, subject, this.#runOf(about))),
    }
  }
}

function trustsOf({ settings }: AnyPlugin): (address: string) => boolean {
  return inNetworks('trusts' in settings ? settings.trusts : [])
}

/** A plugin's settings that matter to the hooks. */
export function settingsOf({ settings }: AnyPlugin): PluginSettings {
  const { onError, from, to } = settings
  return { onError, ...(from ? { from } : {}), ...(to ? { to } : {}) } as PluginSettings
}

/** Throws IEMS_COMMAND_TWICE. */
export function commandsOf(
  hosts: readonly PluginHost[],
  own: Readonly<Record<string, Command>>,
): ReadonlyMap<string, Command> {
  const commands = new Map<string, Command>(Object.entries(own))
  for (const { name, parts } of hosts) {
    for (const [words, command] of Object.entries(parts.commands ?? {})) {
      if (commands.has(words)) throw new IemsError('IEMS_COMMAND_TWICE', { plugin: name, command: words })
      commands.set(words, command)
    }
  }
  return commands
}
