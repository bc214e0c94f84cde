/**
 * The clamds: asked in order, never by too many at once, and left alone for a while when they fail.
 *
 * What must stay true: a question ends in time; a server that fails again and again costs nobody any time until its
 * pause is over, and then one message; whether they answer can be seen.
 */
import type { Log } from 'iems'
import type { Options } from './options.ts'

export type Address = { readonly path: string } | { readonly host: string; readonly port: number }

export interface ServerState {
  readonly server: string
  readonly state: 'in use' | 'paused' | 'on trial'
  /** Failures in a row. */
  readonly failures: number
  readonly lastFailure?: string
  /** Answers since the start. */
  readonly answers: number
}

export class NoServer extends Error {}
/** What was to be sent could not be read: no server's fault. */
export class SourceFailed extends Error {}

export interface ServersParts {
  readonly options: Pick<Options, 'servers' | 'timeout' | 'failures' | 'pause' | 'concurrency'>
  readonly now: () => number
  readonly log: Log
}

export type Servers = ReturnType<typeof createServers>

export function createServers({ options, now, log }: ServersParts) {
  const all = options.servers.map((name) => ({
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
  const enter = createTurnstile(options.concurrency, options.timeout)

  const mayAsk = ({ until, isOnTrial }: Known) => until === undefined || (until <= now() && !isOnTrial)

  function failed(server: Known, cause: unknown) {
    server.failures++
    server.lastFailure = cause instanceof Error ? cause.message : String(cause)
    if (server.failures < options.failures) return
    if (server.until === undefined) log.error('clamd is left alone for a while', { server: server.name, cause })
    server.until = now() + options.pause
  }

  function answered(server: Known) {
    if (server.until !== undefined) log.info('clamd answers again', { server: server.name })
    server.failures = 0
    server.until = undefined
    server.answers++
  }

  async function askEach<T>(question: (to: Address, signal: AbortSignal) => Promise<T>, ms: number): Promise<T> {
    for (const server of all) {
      if (!mayAsk(server)) continue
      server.isOnTrial = server.until !== undefined
      try {
        const answer = await question(server.to, AbortSignal.timeout(ms))
        answered(server)
        return answer
      } catch (cause) {
        if (cause instanceof SourceFailed) throw cause.cause
        failed(server, cause)
      } finally {
        server.isOnTrial = false
      }
    }
    throw new NoServer('no clamd answers')
  }

  return {
    /** The first answer. Throws `NoServer` when there is none. */
    async ask<T>(
      question: (to: Address, signal: AbortSignal) => Promise<T>,
      { timeout = options.timeout }: { readonly timeout?: number } = {},
    ): Promise<T> {
      if (!all.some(mayAsk)) throw new NoServer('no clamd answers')
      const leave = await enter()
      try {
        return await askEach(question, timeout)
      } finally {
        leave()
      }
    },
    states: (): ServerState[] =>
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

/** Lets so many in at a time, in order; who waits longer than that is told that nobody answers. */
function createTurnstile(most: number, ms: number) {
  let inside = 0
  const waiting: (() => void)[] = []
  const leave = () => {
    const next = waiting.shift()
    // Who waits takes the place over, so that nobody slips in between.
    if (next) next()
    else inside--
  }
  return async function enter(): Promise<() => void> {
    if (inside < most) inside++
    else
      await new Promise<void>((resolve, reject) => {
        const mayEnter = () => {
          clearTimeout(timer)
          resolve()
        }
        const timer = setTimeout(() => {
          waiting.splice(waiting.indexOf(mayEnter), 1)
          reject(new NoServer('all scans at a time are under way'))
        }, ms)
        waiting.push(mayEnter)
      })
    return leave
  }
}

function addressOf(name: string): Address {
  if (name.startsWith('unix:')) return { path: name.slice(5) }
  const colon = name.lastIndexOf(':')
  return { host: name.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(name.slice(colon + 1)) }
}
