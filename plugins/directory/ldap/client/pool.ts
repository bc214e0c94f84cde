/**
 * Connections to one or another of the servers, lent to one at a time.
 *
 * What must stay true: a server that cannot be reached is left alone for a while, but asked when no other is left; a
 * connection on which anything went wrong is not used again; who waits for one waits no longer than a request may take.
 */
import { type Backend, type Clock, createSemaphore, type Log, SemaphoreRejected } from 'iems'
import { type Connection, type ConnectionLimits, type ServerAddress, Unreachable } from './connection.ts'

export interface PoolDeps {
  readonly servers: readonly ServerAddress[]
  open(server: ServerAddress): Promise<Connection>
  /** Connections at a time. */
  readonly size: number
  readonly limits: ConnectionLimits
  /** How long a server that failed is asked last, in ms. */
  readonly rest: number
  readonly clock: Pick<Clock, 'now'>
  readonly log: Log
}

/** Who may wait for a connection. */
const WAITING = 1000

export type Pool = ReturnType<typeof createPool>

export function createPool({ servers, open, size, limits, rest, clock, log }: PoolDeps) {
  const idle: { readonly connection: Connection; readonly server: ServerAddress }[] = []
  const failed = new Map<ServerAddress, { readonly at: number; readonly failures: number; readonly why: string }>()
  const turns = createSemaphore({ atOnce: size, waiting: WAITING, patience: limits.request })
  let isClosed = false

  /** Those that did not fail lately first, each in the order of the configuration. */
  function inOrder(): ServerAddress[] {
    const isResting = (server: ServerAddress) =>
      clock.now() - (failed.get(server)?.at ?? Number.NEGATIVE_INFINITY) < rest
    return [...servers.filter((server) => !isResting(server)), ...servers.filter(isResting)]
  }

  /** A connection of before that is still open. */
  function kept(server: ServerAddress): Connection | undefined {
    for (let at = idle.length - 1; at >= 0; at--) {
      if (idle[at]?.server !== server) continue
      const [found] = idle.splice(at, 1)
      if (found?.connection.isOpen) return found.connection
    }
    return undefined
  }

  async function onOne<T>(server: ServerAddress, work: (connection: Connection) => Promise<T>): Promise<T> {
    const before = kept(server)
    try {
      return await on(before ?? (await open(server)), server, work)
    } catch (cause) {
      if (!(cause instanceof Unreachable) || !before) throw cause
      // The server may have closed it while nobody used it.
      return on(await open(server), server, work)
    }
  }

  async function on<T>(
    connection: Connection,
    server: ServerAddress,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    try {
      const result = await work(connection)
      if (isClosed) connection.close()
      else idle.push({ connection, server })
      return result
    } catch (cause) {
      connection.close()
      throw cause
    }
  }

  async function onAny<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    let cause: unknown = new Unreachable('closed')
    for (const server of isClosed ? [] : inOrder()) {
      try {
        const result = await onOne(server, work)
        if (failed.delete(server)) log.info('the LDAP server can be reached again', { host: server.host })
        return result
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error
        cause = error
        if (!failed.has(server)) log.warn('the LDAP server cannot be reached', { host: server.host, cause })
        const failures = (failed.get(server)?.failures ?? 0) + 1
        failed.set(server, { at: clock.now(), failures, why: error.message })
      }
    }
    throw cause
  }

  /** Runs the work on a connection, and again on another server's when one cannot be reached. */
  async function use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    try {
      return await turns.take(() => onAny(work))
    } catch (cause) {
      if (!(cause instanceof SemaphoreRejected)) throw cause
      const why = cause.isLate
        ? 'no connection to the LDAP server was free in time'
        : 'too many wait for the LDAP server'
      throw new Unreachable(why)
    }
  }

  return {
    use,
    backends: (): Backend[] =>
      servers.map((server) => {
        const { failures = 0, why } = failed.get(server) ?? {}
        const name = `${server.host}:${server.port}`
        return { service: 'ldap', server: name, failures, ...(why === undefined ? {} : { lastFailure: why }) }
      }),
    close() {
      isClosed = true
      for (const { connection } of idle.splice(0)) connection.close()
    },
  }
}
