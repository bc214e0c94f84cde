/**
 * Ordered failover across the servers of an external service, with a circuit breaker for each.
 *
 * Invariants: a request ends within its timeout; a server that keeps failing costs no request any time during its
 * pause, after which one trial request decides; the state of each is visible to administrators.
 */

import type { Log } from '../runtime/log.ts'
import type { Backend } from './backend.ts'

export type BackendAddress = { readonly path: string } | { readonly host: string; readonly port: number }

export interface BackendState extends Omit<Backend, 'service'> {
  readonly state: 'in use' | 'paused' | 'on trial'
  /** Answers since the start. */
  readonly answers: number
}

/** No server is available. */
export class AllBackendsDown extends Error {}
/** The request itself is invalid, whichever server gets it; rethrown as its cause. */
export class RequestFailed extends Error {}

export interface BackendPoolOptions {
  /** Name in the log. */
  readonly service: string
  /** `host:port`, `[::1]:port` or `unix:/path`, in order of preference. */
  readonly servers: readonly string[]
  /** Request timeout in milliseconds. */
  readonly timeout: number
  /** Opens the circuit after this many consecutive failures, for `pause` ms. */
  readonly failures: number
  readonly pause: number
  readonly now: () => number
  readonly log: Log
}

/** An available server; the caller must report the result. */
export interface PooledBackend {
  readonly to: BackendAddress
  answered(): void
  failed(cause: unknown): void
  /** Releases it without a result. */
  release(): void
}

export interface BackendPool {
  /** The first answer of any server. Throws `AllBackendsDown`. */
  ask<T>(question: (to: BackendAddress, signal: AbortSignal) => Promise<T>, timeout?: number): Promise<T>
  /** The available servers, for callers that keep connections. */
  each(): Iterable<PooledBackend>
  /** Whether any server is available. */
  isUp(): boolean
  states(): readonly BackendState[]
  /** The state for `iems status`. */
  backends(): readonly Backend[]
}

/** Syntax of `servers`. */
export const BACKEND_ADDRESS = /^(?:unix:\/.+|\[[0-9A-Fa-f:.]+\]:\d{1,5}|[A-Za-z0-9.-]+:\d{1,5})$/

/**
 * A server with its circuit breaker: closed while it answers, open for `pause` ms after `failures` in a row, then half
 * open.
 */
class Breaker {
  readonly name: string
  readonly to: BackendAddress
  readonly #options: BackendPoolOptions
  #failures = 0
  #answers = 0
  /** Open until then; undefined while closed. */
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

  /** Takes the single trial of a half-open breaker; the caller ends it with one of the three calls. */
  take(): PooledBackend {
    this.#isOnTrial = this.#until !== undefined
    return {
      to: this.to,
      answered: () => this.#answered(),
      failed: (cause) => this.#failed(cause),
      release: () => {
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
            server.release()
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
