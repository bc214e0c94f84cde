/**
 * Watches the event loop from a separate thread: a loop that makes no turn for the configured time hangs. The thread
 * logs the main thread's stack and kills the process, which the service manager restarts. The same thread reports
 * readiness and liveness to systemd.
 *
 * Invariants: only turns of the event loop count as life; a process that was stopped and continued, or is being
 * debugged, does not count as hung.
 */
import { url as inspectorUrl } from 'node:inspector'
import { Worker } from 'node:worker_threads'

export interface WatchdogOptions {
  /** Ms without a turn of the event loop after which the process is killed; 0: never. */
  readonly timeout: number
  /** Called when the thread itself fails; the server continues without it. */
  failed(cause: unknown): void
}

export interface WatchdogData {
  /** One counter: turns of the main thread's event loop. */
  readonly turns: Int32Array
  readonly timeout: number
  /** Interval of checks and counts, in ms. */
  readonly interval: number
  /** systemd's notification socket is available. */
  readonly notify: boolean
  /** Interval of notifications to systemd, in ms; 0: never. */
  readonly notifyInterval: number
}

/** Checks per timeout, so the timeout is accurate to a tenth. */
const LOOKS = 10
const MAX_INTERVAL_MS = 1000

/** Starts the watchdog; call the returned function when the server stops. */
export function startWatchdog({ timeout, failed }: WatchdogOptions): () => void {
  const notify = process.env.NOTIFY_SOCKET !== undefined
  if ((timeout === 0 && !notify) || inspectorUrl() !== undefined) return () => {}
  const interval = Math.min(MAX_INTERVAL_MS, Math.max(10, (timeout || MAX_INTERVAL_MS) / LOOKS))
  const turns = new Int32Array(new SharedArrayBuffer(4))
  // WatchdogSec in microseconds; half of it leaves room for a late check.
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
