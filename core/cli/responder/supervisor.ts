/**
 * Keeps one server process running: starts it, restarts it after a crash with growing delays, and stops it on command.
 *
 * Invariants: at most one server process runs; a wanted state is on disk before it is acted upon, so it outlives the
 * responder; a server that runs already, such as one whose responder was killed, is taken over and not started twice.
 */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { IemsError } from '../../api/errors.ts'

export interface SupervisorDeps {
  /** Program and arguments that run the server; asked for each start, because an upgrade may change them. */
  command(): readonly [program: string, ...given: string[]]
  /** Process id of the server that answers on the control socket, if one does. */
  pid(): Promise<number | undefined>
  /** Asks the server to stop after the work under way. */
  stop(): Promise<void>
  /** Ms that a stop may take before the process is killed. */
  readonly stopTimeout: number
  /** File that keeps the wanted state. */
  readonly file: string
  say(text: string, fields?: Readonly<Record<string, unknown>>): void
  /** Default: real time. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

export interface ServerState {
  /** `waiting`: it crashed, and is started again later. */
  readonly state: 'running' | 'starting' | 'waiting' | 'stopped'
  readonly pid?: number
  readonly crashes: number
  /** Why it ended last. */
  readonly last?: string
}

const FIRST_MS = 1000
const MOST_MS = 300_000
/** Uptime in ms after which the delay is reset. */
const STEADY_MS = 60_000
const LOOK_MS = 500
/** Looks until a start counts as failed. */
const START_LOOKS = 240

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

export class Supervisor {
  readonly #deps: SupervisorDeps
  readonly #wait: NonNullable<SupervisorDeps['wait']>
  #pid: number | undefined
  #state: ServerState['state'] = 'stopped'
  #crashes = 0
  #last: string | undefined
  /** Ends the present loop. */
  #running = new AbortController()
  #loop: Promise<void> = Promise.resolve()

  constructor(deps: SupervisorDeps) {
    this.#deps = deps
    this.#wait = deps.wait ?? (async (ms, signal) => void (await delay(ms, undefined, { signal }).catch(() => {})))
  }

  get status(): ServerState {
    return {
      state: this.#state,
      ...(this.#pid === undefined ? {} : { pid: this.#pid }),
      crashes: this.#crashes,
      ...(this.#last === undefined ? {} : { last: this.#last }),
    }
  }

  /** Does what was wanted last; a new one is started. */
  async begin(): Promise<void> {
    if (this.#wanted() !== 'stopped') await this.start().catch(() => {})
  }

  /** Resolves when the server answers; throws IEMS_RESPONDER_FAILED when it ended instead, though it is tried again. */
  async start(): Promise<void> {
    this.#want('running')
    if (this.#state === 'stopped' || this.#state === 'waiting') {
      await this.#endLoop()
      this.#running = new AbortController()
      this.#crashes = 0
      this.#loop = this.#keep(this.#running.signal)
    }
    for (let look = 0; look < START_LOOKS; look++) {
      if (this.#state === 'running') return
      if (this.#state !== 'starting') break
      await delay(LOOK_MS)
    }
    throw this.#failed(this.#last ?? 'it does not answer')
  }

  async stop(): Promise<void> {
    this.#want('stopped')
    await this.#endServer()
  }

  async restart(): Promise<void> {
    await this.#endServer()
    await this.start()
  }

  /** Ends with the responder: the server is stopped, but wanted again when the responder comes back. */
  async close(): Promise<void> {
    await this.#endServer()
  }

  #failed(why: string) {
    return new IemsError('IEMS_RESPONDER_FAILED', { what: 'The server', why })
  }

  #wanted(): string | undefined {
    try {
      return (JSON.parse(readFileSync(this.#deps.file, 'utf8')) as { wanted?: string }).wanted
    } catch {
      return undefined
    }
  }

  #want(wanted: 'running' | 'stopped'): void {
    writeFileSync(this.#deps.file, JSON.stringify({ v: 1, wanted }), { mode: 0o600 })
  }

  async #endLoop(): Promise<void> {
    this.#running.abort()
    await this.#loop
  }

  async #endServer(): Promise<void> {
    this.#running.abort()
    const pid = this.#pid
    if (pid !== undefined) {
      await this.#deps.stop().catch(() => process.kill(pid, 'SIGTERM'))
      const looks = Math.ceil(this.#deps.stopTimeout / LOOK_MS)
      for (let look = 0; look < looks && isAlive(pid); look++) await delay(LOOK_MS)
      if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    }
    await this.#loop
  }

  /** Runs the server until the signal, again and again. */
  async #keep(signal: AbortSignal): Promise<void> {
    this.#state = 'starting'
    for (let wait = FIRST_MS; ; wait = Math.min(2 * wait, MOST_MS)) {
      const since = performance.now()
      this.#state = 'starting'
      this.#last = await this.#run(signal)
      this.#pid = undefined
      if (signal.aborted) break
      if (performance.now() - since > STEADY_MS) wait = FIRST_MS
      this.#crashes++
      this.#state = 'waiting'
      this.#deps.say('the server has ended; it is started again', { why: this.#last, after: wait })
      await this.#wait(wait, signal)
      if (signal.aborted) break
    }
    this.#state = 'stopped'
  }

  /** One life of the server. Returns why it ended. */
  async #run(signal: AbortSignal): Promise<string> {
    const running = await this.#deps.pid().catch(() => undefined)
    if (running !== undefined) {
      this.#pid = running
      this.#state = 'running'
      this.#deps.say('a server runs already', { pid: running })
      while (isAlive(running)) await delay(LOOK_MS)
      return 'it ended'
    }
    if (signal.aborted) return 'stopped'
    const [program, ...given] = this.#deps.command()
    // The service manager watches the responder, not the server.
    const { NOTIFY_SOCKET: _, WATCHDOG_USEC: __, WATCHDOG_PID: ___, ...env } = process.env
    const child = spawn(program, given, { stdio: ['ignore', 'inherit', 'inherit'], env })
    this.#pid = child.pid
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message))
      child.once('exit', (code, by) => resolve(by === null ? `exit code ${code}` : `signal ${by}`))
    })
    const isOver = ended.then(() => true)
    while (this.#state === 'starting') {
      if ((await this.#deps.pid().catch(() => undefined)) === child.pid) this.#state = 'running'
      else if (await Promise.race([isOver, delay(LOOK_MS, false)])) break
    }
    if (this.#state === 'running') this.#deps.say('the server runs', { pid: child.pid })
    const why = await ended
    return why
  }
}
