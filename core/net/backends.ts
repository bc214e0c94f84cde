/**
 * The servers of a service outside of this one: asked in order, and left alone for a while when they fail.
 *
 * What must stay true: a question ends in time; a server that fails again and again costs nobody any time until its
 * pause is over, and then one question; who looks sees which are in use.
 */

import type { Log } from '../runtime/log.ts'
import type { Backend } from './backend.ts'

export type BackendAddress = { readonly path: string } | { readonly host: string; readonly port: number }

export interface BackendState extends Omit<Backend, 'service'> {
  readonly state: 'in use' | 'paused' | 'on trial'
  /** Answers since the start. */
  readonly answers: number
}

/** Nobody answers now. */
export class AllBackendsDown extends Error {}
/** The question itself could not be asked, whoever is asked: thrown on as its cause. */
export class RequestFailed extends Error {}

export interface BackendPoolOptions {
  /** What it is called in the log. */
  readonly service: string
  /** `host:port`, `[::1]:port` or `unix:/path`, in the order in which they are asked. */
  readonly servers: readonly string[]
  /** Milliseconds for an answer. */
  readonly timeout: number
  /** After so many in a row it is left alone for so many ms. */
  readonly failures: number
  readonly pause: number
  readonly now: () => number
  readonly log: Log
}

/** A server that may be asked now; whoever takes it says what came of it. */
export interface PooledBackend {
  readonly to: BackendAddress
  answered(): void
  failed(cause: unknown): void
  /** Nothing can be said of it. */
  unasked(): void
}

export interface BackendPool {
  /** The first answer, from whoever gives one. Throws `NoServer`. */
  ask<T>(question: (to: BackendAddress, signal: AbortSignal) => Promise<T>, timeout?: number): Promise<T>
  /** Those that may be asked now, for who keeps a connection. */
  each(): Iterable<PooledBackend>
  /** Whether anybody would be asked now. */
  isUp(): boolean
  states(): readonly BackendState[]
  /** The same for `iems status`. */
  backends(): readonly Backend[]
}

/** What `servers` are written like. */
export const BACKEND_ADDRESS = /^(?:unix:\/.+|\[[0-9A-Fa-f:.]+\]:\d{1,5}|[A-Za-z0-9.-]+:\d{1,5})$/

/** One server with its circuit breaker: closed while it answers, open for `pause` ms after `failures` in a row, then half open. */
class Breaker {
  readonly name: string
  readonly to: BackendAddress
  readonly #options: BackendPoolOptions
  #failures = 0
  #answers = 0
  /** Open until then; undefined while it is closed. */
  #until: number | undefined
  #isOnTrial = false
  #lastFailure: string | undefined

  constructor(name: string, options: BackendPoolOptions) {
    this.name = name
    this.to = addressOf(name)
    this.#options = options
  }

  get mayAsk(): boolean {
    return this.#until === undefined || (this.#until <= this.#options.now() && !this.#isOnTrial)
  }

  /** Takes the one trial of a half open breaker; ends with one of the three calls. */
  take(): PooledBackend {
    this.#isOnTrial = this.#until !== undefined
    return {
      to: this.to,
      answered: () => this.#answered(),
      failed: (cause) => this.#failed(cause),
      unasked: () => {
        this.#isOnTrial = false
      },
    }
  }

  #failed(cause: unknown): void {
    const { service, failures, pause, now, log } = this.#options
    this.#isOnTrial = false
    this.#failures++
    this.#lastFailure = cause instanceof Error ? cause.message : String(cause)
    if (this.#failures === 1) log.warn(`${service} does not answer`, { server: this.name, cause })
    if (this.#failures < failures) return
    if (this.#until === undefined) log.warn(`${service} is left alone for a while`, { server: this.name, cause })
    this.#until = now() + pause
  }

  #answered(): void {
    const { service, log } = this.#options
    this.#isOnTrial = false
    if (this.#failures > 0) log.info(`${service} answers again`, { server: this.name })
    this.#failures = 0
    this.#until = undefined
    this.#answers++
  }

  #facts() {
    return {
      server: this.name,
      failures: this.#failures,
      ...(this.#lastFailure === undefined ? {} : { lastFailure: this.#lastFailure }),
    }
  }

  backend(): Backend {
    return { service: this.#options.service, ...this.#facts() }
  }

  state(): BackendState {
    const isDue = this.#isOnTrial || (this.#until ?? 0) <= this.#options.now()
    const state = this.#until === undefined ? 'in use' : isDue ? 'on trial' : 'paused'
    return { ...this.#facts(), state, answers: this.#answers }
  }
}

export function createBackendPool(options: BackendPoolOptions): BackendPool {
  const { service, servers, timeout } = options
  const all = servers.map((name) => new Breaker(name, options))

  function* each(): Generator<PooledBackend> {
    for (const server of all) if (server.mayAsk) yield server.take()
  }

  return {
    async ask(question, ms = timeout) {
      for (const server of each()) {
        try {
          const answer = await question(server.to, AbortSignal.timeout(ms))
          server.answered()
          return answer
        } catch (cause) {
          if (cause instanceof RequestFailed) {
            server.unasked()
            throw cause.cause
          }
          server.failed(cause)
        }
      }
      throw new AllBackendsDown(`no ${service} answers`)
    },
    each,
    isUp: () => all.some(({ mayAsk }) => mayAsk),
    backends: () => all.map((server) => server.backend()),
    states: () => all.map((server) => server.state()),
  }
}

function addressOf(name: string): BackendAddress {
  if (name.startsWith('unix:')) return { path: name.slice(5) }
  const colon = name.lastIndexOf(':')
  return { host: name.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(name.slice(colon + 1)) }
}
