/**
 * A server of several workers: threads, each with its own kernel of the same configuration, and this main thread, which
 * owns the store and starts, calls and ends them.
 *
 * Invariants: a worker that dies loses only its own connections and is replaced, after increasing delays if it keeps
 * dying; a reload that the first worker rejects changes no worker; the store is opened first and closed last.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { IemsError } from '../../api/errors.ts'
import type { KernelEventName } from '../../api/events.ts'
import { serveStore } from '../../store/remote/owner.ts'
import type { Store } from '../../store/store.ts'
import { noteStopped } from '../component.ts'
import { pathIn } from '../config.ts'
import type { Config } from '../config-schema.ts'
import { secureFolders } from '../folders.ts'
import type { Listener } from '../listeners.ts'
import type { LogWriter } from '../log.ts'
import { openBareStore } from '../server.ts'
import { systemClock } from '../system-clock.ts'
import { fixedSettings } from './fixed-settings.ts'
import { ANSWER_MS, Gathering } from './gathering.ts'
import { inTime } from './in-time.ts'
import type { ComponentChange, MainCalls, WorkerData, WorkerReady } from './protocol.ts'
import { WorkerThread } from './worker-thread.ts'

export interface WorkersOptions {
  readonly config: Config
  readonly count: number
  readonly memory: boolean
  readonly log: LogWriter
  readonly level: WorkerData['level']
  readonly format: WorkerData['format']
  /** Writes log lines of a worker. */
  readonly writeLines: (text: string) => void
}

/** Initial and maximum delay before a worker is replaced, in ms. */
const REPLACE_MS = { first: 100, most: 30_000 }
/** Uptime in ms after which the delay is reset. */
const STEADY_MS = 60_000
/** Ms that a stop may take beyond `drain`. */
const STOP_MS = 5000

export class Workers {
  readonly stopped: Promise<void>
  readonly #options: WorkersOptions
  readonly #threads = new Set<WorkerThread>()
  readonly #stoppedComponents = new Set<string>()
  readonly #endNow = new AbortController()
  readonly #stopping = new AbortController()
  /** Each replaces one worker. */
  readonly #kept = new Set<Promise<void>>()
  readonly #gathering: Gathering
  #store: Store | undefined
  #lead: WorkerThread | undefined
  #busy: Promise<void> = Promise.resolve()
  #ending: Promise<void> | undefined
  #ended: () => void = () => {}

  constructor(options: WorkersOptions) {
    this.#options = options
    this.#gathering = new Gathering(options.log.feed, () => this.#ready())
    this.stopped = new Promise((resolve) => {
      this.#ended = resolve
    })
  }

  /** Opens the store and starts all workers. Throws with everything undone. */
  async start(): Promise<WorkerReady & { readonly notices: readonly string[] }> {
    const { config, count, memory, log } = this.#options
    if (!memory) secureFolders(config, log)
    this.#store = await openBareStore(config, memory, { release: (isReleased) => this.#release(isReleased) })
    try {
      // The first worker creates what the others expect to find.
      await this.#begin(1)
      await Promise.all(Array.from({ length: count - 1 }, (_, index) => this.#begin(index + 2)))
      const lead = this.#lead
      if (!lead?.ready) throw new IemsError('IEMS_CLOSED')
      const { listeners } = lead.ready
      this.#emit('server.started', {
        hostname: config.hostname,
        listeners: listeners.map(({ label, address, port }) => `${label} ${address}:${port}`),
        pid: process.pid,
        workers: count,
      })
      return { ...lead.ready, notices: await lead.peer.call('started') }
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /**
   * Switches every worker to the new configuration, the lead first. If the lead rejects it, throws with nothing
   * changed.
   */
  reload(): Promise<void> {
    const turn = this.#busy.then(async () => {
      const lead = this.#lead
      if (!lead?.ready || this.#ending) throw new IemsError('IEMS_CLOSED')
      lead.ready = await lead.peer.call('reload', [])
      const { listeners } = lead.ready
      await Promise.all(this.#ready().map((one) => (one === lead ? undefined : this.#follow(one, listeners))))
    })
    this.#busy = turn.catch(() => {})
    return turn
  }

  /** Drains for at most `drain`, then closes. A second call ends at once. */
  stop(): Promise<void> {
    if (this.#ending) this.#endNow.abort()
    this.#ending ??= this.#end()
    return this.#ending
  }

  // --- workers ---

  async #begin(worker: number): Promise<void> {
    const thread = this.#thread(worker)
    await this.#run(thread)
    const kept = this.#keep(worker, thread).finally(() => this.#kept.delete(kept))
    this.#kept.add(kept)
  }

  /** Replaces a worker whenever it ends, until the server stops. */
  async #keep(worker: number, first: WorkerThread): Promise<void> {
    let wait = REPLACE_MS.first
    for (let thread: WorkerThread | undefined = first; thread; ) {
      const cause = await thread.ended
      if (this.#stopping.signal.aborted) return
      this.#emit('worker.died', { worker, cause })
      if (performance.now() - thread.since > STEADY_MS) wait = REPLACE_MS.first
      thread = undefined
      while (!thread) {
        await delay(wait, undefined, { signal: this.#stopping.signal }).catch(() => {})
        if (this.#stopping.signal.aborted) return
        wait = Math.min(2 * wait, REPLACE_MS.most)
        thread = await this.#again(worker)
      }
    }
  }

  async #again(worker: number): Promise<WorkerThread | undefined> {
    const thread = this.#thread(worker)
    try {
      await this.#run(thread)
      return thread
    } catch (cause) {
      if (!this.#stopping.signal.aborted) this.#emit('worker.failed', { worker, cause })
      return undefined
    }
  }

  /** Starts a thread. If the start fails, throws the reason after the thread has ended. */
  async #run(thread: WorkerThread): Promise<void> {
    this.#threads.add(thread)
    this.#lead ??= thread
    const gone = thread.ended.then(() => {
      this.#threads.delete(thread)
      this.#gathering.watch(thread, false)
      if (this.#lead === thread) this.#nextLead()
    })
    try {
      await thread.start()
      this.#gathering.begun(thread)
      this.#emit('worker.started', { worker: thread.worker })
    } catch (cause) {
      await thread.terminate()
      await gone
      throw cause
    }
  }

  #thread(worker: number): WorkerThread {
    const { config, memory, level, format } = this.#options
    return new WorkerThread({
      data: {
        worker,
        config: config.path,
        fixed: fixedSettings(config),
        memory,
        level,
        format,
        ...(!memory && 'path' in config.store ? { path: pathIn(config, config.store.path) } : {}),
        isLead: this.#lead === undefined,
        chosen: this.#lead?.ready?.listeners ?? [],
        stopped: [...this.#stoppedComponents],
      },
      serve: (port) => serveStore(this.#openStore, port),
      calls: (thread) => this.#callsOf(thread),
      watchdog: config.watchdog,
      hung: () => this.#emit('worker.hung', { worker }),
    })
  }

  #callsOf(thread: WorkerThread): MainCalls {
    const { worker } = thread
    return {
      reload: () => this.reload(),
      stop: () => this.stop(),
      kernels: () => this.#gathering.kernels(),
      metrics: () => this.#gathering.metrics(),
      recentLines: () => this.#gathering.recentLines(),
      backends: () => this.#gathering.backends(),
      watch: (isOn) => this.#gathering.watch(thread, isOn),
      watched: (lines) => this.#gathering.pass(lines, thread),
      component: (change) => this.#component(change, worker),
      lines: (text) => this.#options.writeLines(text),
      beat: () => {},
    }
  }

  /** Makes another worker the lead. */
  #nextLead(): void {
    this.#lead = this.#ready()[0]
    this.#lead?.peer.call('lead').catch((cause: unknown) => this.#emit('kernel.fault', { cause }))
  }

  #ready(): WorkerThread[] {
    return [...this.#threads].filter(({ ready }) => ready)
  }

  // --- what all of them do ---

  /** A worker that cannot follow the lead's reload is replaced. */
  async #follow(thread: WorkerThread, chosen: readonly Listener[]): Promise<void> {
    try {
      thread.ready = await thread.peer.call('reload', chosen)
    } catch (cause) {
      this.#emit('worker.failed', { worker: thread.worker, cause })
      await this.#finish(thread)
    }
  }

  async #component(change: ComponentChange, changedBy: number): Promise<void> {
    noteStopped(this.#stoppedComponents, change.name, change.isStopped)
    const others = this.#ready().filter(({ worker }) => worker !== changedBy)
    await Promise.allSettled(others.map(({ peer }) => peer.call('component', change)))
  }

  /** LevelDB can be reopened only when no thread has it open. */
  async #release(isReleased: boolean): Promise<void> {
    await inTime(Promise.all([...this.#threads].map((thread) => thread.release(isReleased))), ANSWER_MS)
  }

  // --- the end ---

  async #finish(thread: WorkerThread): Promise<void> {
    const most = (thread.ready?.drain ?? 0) + STOP_MS
    const again = () => void thread.peer.call('stop').catch(() => {})
    this.#endNow.signal.addEventListener('abort', again, { once: true })
    // A worker that is starting or has died has nothing to finish.
    if (thread.ready) await inTime(thread.peer.call('stop'), most).catch(() => {})
    this.#endNow.signal.removeEventListener('abort', again)
    await thread.terminate()
    await thread.ended
  }

  async #end(): Promise<void> {
    await this.#busy
    this.#stopping.abort()
    this.#emit('server.stopping')
    await Promise.all([...this.#threads].map((thread) => this.#finish(thread)))
    await Promise.all(this.#kept)
    this.#emit('server.stopped')
    await this.#store?.close()
    this.#options.log.flush()
    this.#ended()
  }

  get #openStore(): Store {
    if (!this.#store) throw new IemsError('IEMS_STORE_CLOSED')
    return this.#store
  }

  #emit(name: KernelEventName, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#options.log.event({ ...fields, name, at: systemClock.now() })
  }
}
