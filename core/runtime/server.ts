/**
 * A running server: the store, the ports, and the kernel of the current configuration, which a reload replaces.
 *
 * Invariants: a reload that fails at any point leaves the old kernel running unchanged; the old kernel finishes its
 * work; the store is opened once and closed last.
 */

import { hostname as machineName } from 'node:os'
import type { AdministrationService, KernelStatus } from '../api/administration.ts'
import type { Clock } from '../api/clock.ts'
import { IemsError, reasonOf } from '../api/errors.ts'
import type { EventName } from '../api/events.ts'
import type { KernelEvent } from '../api/hooks.ts'
import { createDns, type Dns } from '../net/dns.ts'
import { COPY_KEY } from '../store/copy.ts'
import type { ReadersGate } from '../store/level/database.ts'
import { levelStore } from '../store/level/level.ts'
import { memoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { type Administered, createAdministration } from './administration.ts'
import { blobsRead, withBlobs } from './blobs.ts'
import { type Component, createStopped, EVERYTHING, noteStopped } from './component.ts'
import { loadConfig, pathIn } from './config.ts'
import { ConfigIdentity } from './config-identity.ts'
import type { Config } from './config-schema.ts'
import { controlPath, dataFolder, pluginFolder, secureFolders } from './folders.ts'
import { createKernel, type Kernel } from './kernel.ts'
import { createLasting } from './lasting.ts'
import { Listeners, type PortSharing } from './listeners.ts'
import { createLog, type Emit, type LogWriter } from './log.ts'
import { Nodes } from './nodes.ts'
import { createRehearsal } from './rehearsal.ts'
import { systemClock } from './system-clock.ts'
import { snapshotBeforeUpgrade } from './upgrades.ts'

export interface ServerOptions {
  readonly config: Config
  /** Keeps everything in memory, for trials. */
  readonly memory?: boolean
  readonly log?: LogWriter
  readonly watch?: (event: KernelEvent) => void
  /** This server is one worker of several. */
  readonly coworkers?: Coworkers
  readonly sharing?: PortSharing
  /** Components that stay stopped. */
  readonly stoppedComponents?: readonly string[]
}

/** Operations of a worker that concern all workers. */
export interface Coworkers
  extends Required<
    Pick<Administered, 'kernels' | 'reload' | 'stop' | 'changed' | 'metrics' | 'recentLines' | 'backends'>
  > {}

const SWEEP_MS = 3_600_000
const FIRST_SWEEP_MS = 60_000

/** Opens the store with its blobs as the configuration wants them. */
export async function openStore(config: Config, inMemory: boolean): Promise<Store> {
  const store = await openBareStore(config, inMemory)
  return inMemory ? store : blobsOn(store, config)
}

/** Adds what the configuration wants of blobs. Throws with the store closed. */
export async function blobsOn(store: Store, config: Config): Promise<Store> {
  try {
    return await withBlobs(store, config, 'open' in config.store && config.store.isShared)
  } catch (cause) {
    await store.close()
    throw cause
  }
}

/** Opens the store with its blobs as they are stored. */
export async function openBareStore(config: Config, inMemory: boolean, readers?: ReadersGate): Promise<Store> {
  if (inMemory) return memoryStore()
  if ('open' in config.store) return config.store.open()
  return levelStore({
    path: pathIn(config, config.store.path),
    minFree: config.store.minFree,
    reserve: config.store.reserve,
    ...(readers ? { readers } : {}),
  })
}

/** One resolver for all kernels, so that its cache survives a reload; changed options make a new one. */
function lendDns(now: Clock['now']): (config: Config) => Dns {
  let lent: { readonly options: string; readonly dns: Dns } | undefined
  return (config) => {
    const options = JSON.stringify(config.dns)
    if (lent?.options !== options) lent = { options, dns: createDns(config.dns, now) }
    return lent.dns
  }
}

/** A kernel and the time it started to run. */
interface Run {
  readonly kernel: Kernel
  readonly since: number
}

export class Server {
  readonly store: Store
  /** Start time, ms since 1970. */
  readonly since = systemClock.now()
  /** The servers that share the store. */
  readonly nodes: Nodes
  readonly administration: AdministrationService
  readonly stopped: Promise<void>
  readonly #log: LogWriter
  readonly #options: ServerOptions
  readonly #lasting = createLasting()
  readonly #identity = new ConfigIdentity()
  readonly #dnsFor = lendDns(systemClock.now)
  readonly #ports: Listeners
  /** Draining kernels, each with a promise of its end. */
  readonly #draining = new Map<Run, Promise<void>>()
  readonly #endNow = new AbortController()
  #running: Run | undefined
  #busy: Promise<void> = Promise.resolve()
  #ending: Promise<void> | undefined
  #ended: () => void = () => {}

  constructor(store: Store, log: LogWriter, options: ServerOptions) {
    this.store = store
    this.#log = log
    this.#options = options
    this.nodes = this.#createNodes(store)
    this.#ports = new Listeners((name, fields) => this.#running?.kernel.emit(name, fields), options.sharing)
    this.administration = createAdministration(options.coworkers ? together(this, options.coworkers) : this)
    for (const component of options.stoppedComponents ?? []) this.#stopped.add(component)
    this.stopped = new Promise((resolve) => {
      this.#ended = resolve
    })
  }

  /** From now on new components are held, or no longer. */
  drained(isDrained: boolean): void {
    noteStopped(this.#stopped, EVERYTHING, isDrained)
  }

  get #stopped(): Set<string> {
    return this.#lasting.of('stopped', createStopped)
  }

  get kernel(): Kernel {
    if (!this.#running) throw new IemsError('IEMS_CLOSED')
    return this.#running.kernel
  }

  /** Throws with the store closed. */
  async start(): Promise<void> {
    const { config } = this.#options
    try {
      if (await this.store.get(COPY_KEY)) throw new IemsError('IEMS_STORE_UNFINISHED')
      for (const component of await this.nodes.stopped()) this.#stopped.add(component)
      await this.#changeOver(config)
      if (this.#isFirst) await this.nodes.begin()
    } catch (error) {
      await this.store.close()
      throw error
    }
    const { listeners } = this.kernel
    this.#emit('server.started', {
      hostname: config.hostname,
      listeners: listeners.map(({ label, address, port }) => `${label} ${address}:${port}`),
      pid: process.pid,
    })
  }

  /** Makes this worker the lead, which opens the listeners that only one can have. */
  async lead(): Promise<void> {
    await this.#ports.lead()
    await this.nodes.begin()
  }

  /** Of several workers, the lead speaks for the server. */
  get #isFirst(): boolean {
    return !this.#options.coworkers || this.#options.sharing?.isLead === true
  }

  #createNodes(store: Store): Nodes {
    const { config, coworkers, memory = false } = this.#options
    return new Nodes({
      store,
      node: config.node ?? machineName(),
      since: this.since,
      reads: blobsRead(config),
      isShared: !memory && 'open' in config.store && config.store.isShared,
      components: () => this.#running?.kernel.components() ?? [],
      apply: async (component: Component, isStopped: boolean) => {
        if (isStopped) await component.stop(AbortSignal.timeout(this.kernel.config.drain))
        else await component.start()
        await coworkers?.changed(component.name, isStopped)
      },
      drain: async (isDrained) => {
        if (isDrained === this.#stopped.has(EVERYTHING)) return
        this.drained(isDrained)
        await coworkers?.changed(EVERYTHING, isDrained)
      },
    })
  }

  /** Events of the server as a whole; with several workers, the main thread emits them. */
  #emit(name: EventName, fields?: Readonly<Record<string, unknown>>): void {
    if (!this.#options.coworkers) this.kernel.emit(name, fields)
  }

  kernels(): readonly KernelStatus[] {
    const shown = (state: KernelStatus['state']) => (run: Run) => ({
      since: run.since,
      state,
      sessions: run.kernel.sessionCount(),
      deliveries: run.kernel.sharedQueue.activeCount(),
    })
    return [
      ...(this.#running ? [this.#running].map(shown('running')) : []),
      ...[...this.#draining.keys()].map(shown('draining')),
    ]
  }

  /**
   * Loads the configuration again and switches to it. Unchanged plugins keep their sessions and connections. Throws
   * with nothing changed.
   */
  reload(): Promise<void> {
    const turn = this.#busy.then(async () => {
      try {
        await this.#reload()
      } catch (cause) {
        this.kernel.emit('server.reload-failed', { cause: reasonOf(cause) })
        throw cause
      }
    })
    this.#busy = turn.catch(() => {})
    return turn
  }

  /** Drains for at most `drain`, then closes. A second call ends at once. */
  stop(): Promise<void> {
    if (this.#ending) this.#endNow.abort(new IemsError('IEMS_CLOSED'))
    this.#ending ??= this.#end()
    return this.#ending
  }

  async #reload(): Promise<void> {
    const { config } = this.kernel
    const next = await loadConfig(config.path)
    if (JSON.stringify(next.store) !== JSON.stringify(config.store))
      throw new IemsError('IEMS_SETTING_NEEDS_RESTART', { path: 'store' })
    if (JSON.stringify(next.blobs) !== JSON.stringify(config.blobs))
      throw new IemsError('IEMS_SETTING_NEEDS_RESTART', { path: 'blobs' })
    if (dataFolder(next) !== dataFolder(config)) throw new IemsError('IEMS_SETTING_NEEDS_RESTART', { path: 'folder' })
    if (controlPath(next) !== controlPath(config))
      throw new IemsError('IEMS_SETTING_NEEDS_RESTART', { path: 'control.path' })
    if (next.workers !== config.workers) throw new IemsError('IEMS_SETTING_NEEDS_RESTART', { path: 'workers' })
    const old = this.#running
    const fresh = await this.#changeOver(next)
    fresh.emit('server.reloaded', { path: next.path, ...(fresh.keepsSessions ? { sessions: 'kept' } : {}) })
    if (old) this.#drainBeside(old, fresh)
  }

  /** Builds the kernel of a configuration and runs it beside the previous one. */
  async #changeOver(config: Config): Promise<Kernel> {
    const emit: Emit = (name, fields) => this.#log.event({ ...fields, name, at: systemClock.now() })
    if (!this.#options.memory) await snapshotBeforeUpgrade(this.store, config, emit)
    const kernel = await this.#build(config)
    await kernel.listen()
    this.#running = { kernel, since: systemClock.now() }
    kernel.run()
    // Every kernel schedules the sweep; the job's lease lets one of them run it.
    kernel.schedule({
      name: 'sweep',
      every: SWEEP_MS,
      first: FIRST_SWEEP_MS,
      run: async (signal) => {
        kernel.emit('store.swept', { ...(await kernel.sweep(signal)) })
        await kernel.proven.sweep(signal)
      },
    })
    return kernel
  }

  #build(config: Config): Promise<Kernel> {
    const { memory = false, watch } = this.#options
    return createKernel(
      {
        config,
        dns: this.#dnsFor(config),
        store: this.store,
        ports: this.#ports,
        clock: systemClock,
        log: this.#log,
        lasting: this.#lasting,
        administration: this.administration,
        ...(memory ? {} : { folder: (plugin: string) => pluginFolder(config, plugin) }),
        ...(watch ? { watch } : {}),
        rehearse: (path) =>
          createRehearsal(pathIn(config, path), { store: this.store, clock: systemClock, log: this.#log }),
      },
      this.#running && { kernel: this.#running.kernel, identity: this.#identity },
    )
  }

  #drainBeside(old: Run, fresh: Kernel): void {
    const drained = this.#drain(old.kernel)
      .catch((cause: unknown) => fresh.emit('kernel.fault', { cause }))
      .finally(() => this.#draining.delete(old))
    this.#draining.set(old, drained)
  }

  #drain(kernel: Kernel): Promise<void> {
    return kernel.close(AbortSignal.any([AbortSignal.timeout(kernel.config.drain), this.#endNow.signal]))
  }

  async #end(): Promise<void> {
    await this.#busy
    this.#emit('server.stopping')
    await this.nodes.close()
    this.#ports.close()
    await Promise.all([this.#drain(this.kernel), ...this.#draining.values()])
    this.#emit('server.stopped')
    await this.store.close()
    this.#log.flush()
    this.#ended()
  }
}

/** One worker's part of the server, combined with the operations on all workers. */
function together(server: Server, coworkers: Coworkers): Administered {
  return {
    ...coworkers,
    get kernel() {
      return server.kernel
    },
    store: server.store,
    nodes: server.nodes,
    since: server.since,
  }
}

/** Opens the store and starts a server. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { config, memory = false, log = createLog(config.log) } = options
  if (!memory) secureFolders(config, log)
  const server = new Server(await openStore(config, memory), log, options)
  await server.start()
  return server
}
