/**
 * A worker: a thread with its own server on a store that the main thread owns. The lead worker has the control socket.
 *
 * Invariants: nothing starts before the main thread says so; an uncaught fault ends only this thread.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { openControl } from '../control/server.ts'
import { EVERYTHING } from '../runtime/component.ts'
import { loadConfig } from '../runtime/config.ts'
import type { Config } from '../runtime/config-schema.ts'
import type { PortSharing } from '../runtime/listeners.ts'
import { createLog } from '../runtime/log.ts'
import { blobsOn, Server } from '../runtime/server.ts'
import { requireFixed } from '../runtime/workers/fixed-settings.ts'
import { LineForwarder } from '../runtime/workers/line-forwarder.ts'
import { Peer, type Thread } from '../runtime/workers/peer.ts'
import type { ComponentChange, MainCalls, WorkerCalls, WorkerData, WorkerReady } from '../runtime/workers/protocol.ts'
import { openLevelReader } from '../store/level/reader.ts'
import { openStoreHandle } from '../store/remote/handle.ts'
import type { Store } from '../store/store.ts'

/** Minimum ms between reports of event loop turns to the main thread. */
const BEAT_MS = 1000
/** Reports within the time after which a silent worker is terminated. */
const BEATS = 20

class WorkerServer {
  readonly #data: WorkerData
  readonly #main: Peer<MainCalls>
  readonly #sharing: PortSharing
  readonly #lines: LineForwarder
  #server: Server | undefined
  #closeControl: (() => void) | undefined

  constructor(data: WorkerData, thread: Thread) {
    this.#data = data
    this.#sharing = { isLead: data.isLead, chosen: data.chosen }
    this.#main = new Peer<MainCalls>(thread, this.#calls())
    this.#lines = new LineForwarder((text) => this.#main.notify('lines', text))
    process.once('exit', () => this.#lines.flush())
  }

  #calls(): WorkerCalls {
    return {
      start: () => this.#start(),
      started: () => this.#running.kernel.started(),
      reload: async (chosen) => {
        this.#sharing.chosen = chosen
        await this.#running.reload()
        return this.#ready()
      },
      stop: async () => {
        await this.#running.stop()
        this.#closeControl?.()
        this.#lines.flush()
      },
      kernels: () => this.#running.kernels(),
      metrics: () => this.#running.kernel.metrics.read(),
      recentLines: () => this.#running.kernel.log.feed.recent(),
      backends: () => this.#running.kernel.backends(),
      forward: (isOn) =>
        this.#running.kernel.log.feed.forwardTo(isOn ? (lines) => this.#main.notify('watched', lines) : undefined),
      hear: (lines) => this.#running.kernel.log.feed.hear(lines),
      lead: () => this.#leadOn(),
      component: (change) => this.#component(change),
    }
  }

  get #running(): Server {
    if (!this.#server) throw new Error('the worker has not started')
    return this.#server
  }

  async #start(): Promise<WorkerReady> {
    const { worker, memory, level, format, fixed, stopped, isLead } = this.#data
    const config = await loadConfig(this.#data.config)
    requireFixed(config, fixed)
    const main = this.#main
    const watched = (isOn: boolean) => main.notify('watch', isOn)
    const log = createLog({ ...config.log, level, format, to: this.#lines, worker, watched })
    const server = new Server(await this.#openStore(config), log, {
      config,
      memory,
      sharing: this.#sharing,
      stoppedComponents: stopped,
      coworkers: {
        kernels: () => main.call('kernels'),
        metrics: () => main.call('metrics'),
        recentLines: () => main.call('recentLines'),
        backends: () => main.call('backends'),
        reload: () => main.call('reload'),
        stop: () => main.call('stop'),
        changed: (name, isStopped) => main.call('component', { name, isStopped }),
      },
    })
    await server.start()
    this.#server = server
    if (isLead) await this.#openControl()
    const interval = Math.max(10, Math.min(BEAT_MS, config.watchdog / BEATS))
    setInterval(() => main.notify('beat'), interval).unref()
    return this.#ready()
  }

  async #openStore(config: Config): Promise<Store> {
    const { store } = config
    const { port, path, memory } = this.#data
    if (memory) return openStoreHandle(port)
    if ('open' in store && store.isShared) return blobsOn(await store.open(), config)
    return blobsOn(path === undefined ? openStoreHandle(port) : await openLevelReader({ ...store, path, port }), config)
  }

  #ready(): WorkerReady {
    const { listeners, commands, config } = this.#running.kernel
    return {
      listeners: listeners.map((listener) => ({ ...listener })),
      commands: [...commands.keys()],
      drain: config.drain,
    }
  }

  async #leadOn(): Promise<void> {
    await this.#running.lead()
    await this.#openControl()
  }

  async #openControl(): Promise<void> {
    this.#closeControl ??= await openControl(this.#running, this.#data.fixed.control)
  }

  async #component({ name, isStopped }: ComponentChange): Promise<void> {
    if (name === EVERYTHING) return this.#running.drained(isStopped)
    const { kernel } = this.#running
    const component = kernel.components().find((one) => one.name === name)
    if (isStopped) await component?.stop(AbortSignal.timeout(kernel.config.drain))
    else await component?.start()
  }
}

if (parentPort) new WorkerServer(workerData as WorkerData, parentPort)
