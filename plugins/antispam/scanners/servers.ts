/**
 * The servers of one outside filter: asked in order, and left alone for a while when they fail.
 *
 * What must stay true: a question ends in time; a server that fails again and again costs nobody any time until its
 * pause is over, and then one message.
 */
import type { Log } from 'iems'
import type { ScannerOptions } from './options.ts'

export interface Server {
  /** As it stands in the options. */
  readonly name: string
  readonly to: { readonly path: string } | { readonly host: string; readonly port: number }
}

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

export interface ServersParts {
  readonly scanner: string
  readonly options: Pick<ScannerOptions, 'servers' | 'timeout' | 'failures' | 'pause'>
  readonly now: () => number
  readonly log: Log
}

export type Servers = ReturnType<typeof createServers>

export function createServers({ scanner, options, now, log }: ServersParts) {
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

  const mayAsk = ({ until, isOnTrial }: Known) => until === undefined || (until <= now() && !isOnTrial)

  function failed(server: Known, cause: unknown) {
    server.failures++
    server.lastFailure = cause instanceof Error ? cause.message : String(cause)
    if (server.failures < options.failures) return
    if (server.until === undefined) log.warn(`${scanner} is left alone for a while`, { server: server.name, cause })
    server.until = now() + options.pause
  }

  function answered(server: Known) {
    if (server.until !== undefined) log.info(`${scanner} answers again`, { server: server.name })
    server.failures = 0
    server.until = undefined
    server.answers++
  }

  return {
    /** The first answer. Throws `NoServer` when there is none. */
    async ask<T>(question: (server: Server, signal: AbortSignal) => Promise<T>): Promise<T> {
      for (const server of all) {
        if (!mayAsk(server)) continue
        server.isOnTrial = server.until !== undefined
        try {
          const answer = await question(server, AbortSignal.timeout(options.timeout))
          answered(server)
          return answer
        } catch (cause) {
          failed(server, cause)
        } finally {
          server.isOnTrial = false
        }
      }
      throw new NoServer(`no ${scanner} answers`)
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

function addressOf(name: string): Server['to'] {
  if (name.startsWith('unix:')) return { path: name.slice(5) }
  const colon = name.lastIndexOf(':')
  return { host: name.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(name.slice(colon + 1)) }
}
