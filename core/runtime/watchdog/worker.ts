/**
 * The watchdog thread. It shares only a counter with the main thread, so that nothing there can block it.
 *
 * Invariants: the process ends even when the log cannot be written and the main thread's stack cannot be read.
 */
import { spawn } from 'node:child_process'
import { write } from 'node:fs'
import { type Debugger, Session } from 'node:inspector'
import { workerData } from 'node:worker_threads'
import type { WatchdogData } from './watchdog.ts'

const { turns, timeout, interval, notify, notifyInterval } = workerData as WatchdogData
/** Maximum ms for the stack and the log line together. */
const LAST_WORDS_MS = 2000
const MAX_FRAMES = 30

/** Stops the main thread and reads its stack. */
function mainStack(then: (frames: readonly string[]) => void): void {
  const scripts = new Map<string, string>()
  const session = new Session()
  session.connectToMainThread()
  session.on('Debugger.scriptParsed', ({ params }) => void scripts.set(params.scriptId, params.url))
  session.on('Debugger.paused', ({ params }) => then(params.callFrames.slice(0, MAX_FRAMES).map(frame)))
  const frame = ({ functionName, location, url }: Debugger.CallFrame) =>
    `${functionName || '(anonymous)'} (${scripts.get(location.scriptId) ?? url}:${location.lineNumber + 1})`
  session.post('Debugger.enable')
  session.post('Debugger.pause')
}

function end(): void {
  process.kill(process.pid, 'SIGKILL')
}

function report(stack: readonly string[]): void {
  const line = {
    level: 'error',
    t: new Date().toISOString(),
    event: 'server.hung',
    ms: timeout,
    stack,
    text: 'The event loop has not turned; the process ends so that it is started again',
  }
  write(1, `${JSON.stringify(line)}\n`, end)
}

function hung(): void {
  setTimeout(end, LAST_WORDS_MS)
  // Inside native code the main thread does not respond, so there is no stack.
  const unseen = setTimeout(report, LAST_WORDS_MS / 2, [])
  mainStack((frames) => {
    clearTimeout(unseen)
    report(frames)
  })
}

/** Node cannot send datagrams to a Unix socket; systemd-notify can, with `NotifyAccess=all`. */
function notifySystemd(state: string): void {
  const child = spawn('systemd-notify', [`--pid=${process.pid}`, state], { stdio: 'ignore' })
  child.on('error', () => {})
}

/** Counts checks instead of reading the clock: after SIGSTOP or a suspend, both threads continue together. */
class Watch {
  #seen = -1
  #missed = 0
  /** Ms since the last notification to systemd. */
  #silent = 0
  readonly #timer = setInterval(() => this.#look(), interval)

  #look(): void {
    const now = Atomics.load(turns, 0)
    this.#missed = now === this.#seen ? this.#missed + 1 : 0
    this.#seen = now
    this.#silent += interval
    if (notifyInterval > 0 && this.#missed === 0 && this.#silent >= notifyInterval) {
      this.#silent = 0
      notifySystemd('WATCHDOG=1')
    }
    if (timeout === 0 || this.#missed * interval < timeout) return
    clearInterval(this.#timer)
    hung()
  }
}

new Watch()
if (notify) notifySystemd('READY=1')
