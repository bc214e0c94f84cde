/**
 * A worker thread as the main thread sees it: start, calls, watchdog and end.
 *
 * Invariants: `ended` resolves once, with the reason; the worker's access to the store ends with the thread; a thread
 * whose event loop hangs is terminated.
 */
import { url as inspectorUrl } from 'node:inspector'
import { getHeapStatistics } from 'node:v8'
import { MessageChannel, Worker } from 'node:worker_threads'
import { IemsError } from '../../api/errors.ts'
import type { Served } from '../../store/remote/owner.ts'
import { type Handlers, Peer } from './peer.ts'
import type { WorkerCalls, WorkerData, WorkerReady } from './protocol.ts'

export interface WorkerThreadDeps {
  readonly data: Omit<WorkerData, 'port'>
  /** Serves the store over the port to this worker. */
  readonly serve: (port: MessageChannel['port1']) => Served
  readonly calls: (thread: WorkerThread) => Handlers
  /** Ms without a turn of its event loop after which it is terminated; 0: never. */
  readonly watchdog: number
  /** Called when it hangs, before it is terminated. */
  readonly hung: () => void
}

const MEGABYTE = 1024 * 1024
/** Checks per watchdog timeout. */
const LOOKS = 10

export class WorkerThread {
  readonly worker: number
  readonly peer: Peer<WorkerCalls>
  /** Resolves with the reason after the thread and its leases have ended. */
  readonly ended: Promise<unknown>
  readonly since = performance.now()
  ready: WorkerReady | undefined
  readonly #thread: Worker
  readonly #served: Served
  #silent = 0
  #looking: NodeJS.Timeout | undefined
  #fault: unknown

  constructor({ data, serve, calls, watchdog, hung }: WorkerThreadDeps) {
    const { port1, port2 } = new MessageChannel()
    this.worker = data.worker
    this.#served = serve(port1)
    const workerData: WorkerData = { ...data, port: port2 }
    this.#thread = new Worker(new URL(import.meta.resolve('iems/worker')), {
      workerData,
      transferList: [port2],
      // Without its own limit, a thread that runs out of memory would end the process.
      resourceLimits: { maxOldGenerationSizeMb: Math.floor(getHeapStatistics().heap_size_limit / MEGABYTE) },
      name: `iems worker ${data.worker}`,
    })
    this.#thread.on('error', (cause: unknown) => {
      this.#fault = cause
    })
    this.ended = new Promise((resolve) => {
      this.#thread.on('exit', (code) => void this.#exited(code).then(resolve))
    })
    this.peer = new Peer(this.#thread, {
      ...calls(this),
      beat: () => {
        this.#silent = 0
      },
    })
    if (watchdog > 0 && inspectorUrl() === undefined) this.#watch(watchdog / LOOKS, hung)
  }

  /** Makes it close the store's files, or announces that they are open again. */
  release(isReleased: boolean): Promise<void> {
    return this.#served.release(isReleased)
  }

  async start(): Promise<WorkerReady> {
    this.ready = await this.peer.call('start')
    return this.ready
  }

  /** Ends it at once. */
  async terminate(): Promise<void> {
    await this.#thread.terminate()
  }

  /** A suspended machine counts as one check, not as silence. */
  #watch(interval: number, hung: () => void): void {
    this.#looking = setInterval(() => {
      // While loading it has no event loop turns.
      if (!this.ready || ++this.#silent <= LOOKS) return
      clearInterval(this.#looking)
      hung()
      void this.terminate()
    }, interval)
    this.#looking.unref()
  }

  async #exited(code: number): Promise<unknown> {
    clearInterval(this.#looking)
    this.ready = undefined
    const why = this.#fault ?? new IemsError('IEMS_WORKER_ENDED', { worker: this.worker, code })
    this.peer.end(why)
    await this.#served.close()
    return why
  }
}
