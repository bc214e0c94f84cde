/**
 * Watches the event loop from a thread of its own: a loop that has not turned for the configured time is a hang that
 * nothing else can end. The thread writes where the main thread is to the log and kills the process, and the service
 * manager starts it again. The same thread reports readiness and life to systemd.
 *
 * What must stay true: only the loop's own turns count as life; a process that was stopped and continued, or is being
 * debugged, is not hung.
 */
import { url as inspectorUrl } from 'node:inspector'
import { Worker } from 'node:worker_threads'

export interface WatchdogOptions {
  /** Milliseconds without a turn of the event loop after which the process is killed; 0: never. */
  readonly timeout: number
  /** Called when the thread itself fails; the server goes on without it. */
  failed(cause: unknown): void
}

export interface WatchdogData {
  /** One counter: the turns of the main thread's event loop. */
  readonly turns: Int32Array
  readonly timeout: number
  /** How often the thread looks, and the main thread counts, ms. */
  readonly interval: number
  /** systemd's socket is there. */
  readonly notify: boolean
  /** How often systemd wants to hear of us, ms; 0: never. */
  readonly notifyInterval: number
}

/** Looks within one timeout; the time is known to a tenth. */
const LOOKS = 10
const MAX_INTERVAL_MS = 1000

/** Starts to watch; call the answer when the server stops. */
export function startWatchdog({ timeout, failed }: WatchdogOptions): () => void {
  const notify = process.env.NOTIFY_SOCKET !== undefined
  if ((timeout === 0 && !notify) || inspectorUrl() !== undefined) return () => {}
  const interval = Math.min(MAX_INTERVAL_MS, Math.max(10, (timeout || MAX_INTERVAL_MS) / LOOKS))
  const turns = new Int32Array(new SharedArrayBuffer(4))
  // WatchdogSec in microseconds; half of it leaves room for a late look.
  const notifyInterval = Number(process.env.WATCHDOG_USEC ?? 0) / 2000
  const data: WatchdogData = { turns, timeout, interval, notify, notifyInterval }
  const worker = new Worker(new URL(import.meta.resolve('iems/watchdog')), {
    workerData: data,
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
  })
  const beat = setInterval(() => Atomics.add(turns, 0, 1), interval)
  beat.unref()
  worker.unref()
  worker.on('error', failed)
  return () => {
    clearInterval(beat)
    void worker.terminate()
  }
}
