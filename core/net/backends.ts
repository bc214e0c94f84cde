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

export function createBackendPool({
  service,
  servers,
  timeout,
  failures,
  pause,
  now,
  log,
}: BackendPoolOptions): BackendPool {
  const all = servers.map((name) => ({
    name,
    to: addressOf(name),
    failures: 0,
    answers: 0,
    /** Nobody asks before; undefined while it is in use. */
    until: undefined as number | undefined,
    isOnTrial: false,
    lastFailure: undefined as string | undefined,
  }))
  type Known = (typeof all)[number]

  const mayAsk = ({ until, isOnTrial }: Known) => until === undefined || (until <= now() && !isOnTrial)

  function failed(server: Known, cause: unknown): void {
    server.failures++
    server.lastFailure = cause instanceof Error ? cause.message : String(cause)
    if (server.failures === 1) log.warn(`${service} does not answer`, { server: server.name, cause })
    if (server.failures < failures) return
    if (server.until === undefined) log.warn(`${service} is left alone for a while`, { server: server.name, cause })
    server.until = now() + pause
  }

  function answered(server: Known): void {
    if (server.failures > 0) log.info(`${service} answers again`, { server: server.name })
    server.failures = 0
    server.until = undefined
    server.answers++
  }

  function* each(): Generator<PooledBackend> {
    for (const server of all) {
      if (!mayAsk(server)) continue
      server.isOnTrial = server.until !== undefined
      yield {
        to: server.to,
        answered() {
          server.isOnTrial = false
          answered(server)
        },
        failed(cause) {
          server.isOnTrial = false
          failed(server, cause)
        },
        unasked() {
          server.isOnTrial = false
        },
      }
    }
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
    isUp: () => all.some(mayAsk),
    backends: () =>
      all.map(({ name, failures, lastFailure }) => ({
        service,
        server: name,
        failures,
        ...(lastFailure === undefined ? {} : { lastFailure }),
      })),
    states: () =>
      all.map((server) => ({
        server: server.name,
        state:
          server.until === undefined ? 'in use' : server.isOnTrial || server.until <= now() ? 'on trial' : 'paused',
        failures: server.failures,
        answers: server.answers,
        ...(server.lastFailure === undefined ? {} : { lastFailure: server.lastFailure }),
      })),
  }
}

function addressOf(name: string): BackendAddress {
  if (name.startsWith('unix:')) return { path: name.slice(5) }
  const colon = name.lastIndexOf(':')
  return { host: name.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(name.slice(colon + 1)) }
}
