/**
 * A pool of connections to the configured servers, each lent to one caller at a time.
 *
 * Invariants: an unreachable server is avoided for a while, but tried when no other is left; a connection with any
 * failure is not reused; waiting for a connection takes no longer than a request may.
 */
import { type Backend, type Clock, createSemaphore, type Log, SemaphoreRejected } from 'iems'
import { type Connection, type ConnectionLimits, type ServerAddress, Unreachable } from './connection.ts'

export interface PoolDeps {
  readonly servers: readonly ServerAddress[]
  open(server: ServerAddress): Promise<Connection>
  /** Maximum connections. */
  readonly size: number
  readonly limits: ConnectionLimits
  /** How long a failed server is tried last, in ms. */
  readonly rest: number
  readonly clock: Pick<Clock, 'now'>
  readonly log: Log
}

/** Maximum callers waiting for a connection. */
const WAITING = 1000

export class Pool {
  readonly #deps: PoolDeps
  readonly #idle: { readonly connection: Connection; readonly server: ServerAddress }[] = []
  readonly #failed = new Map<ServerAddress, { readonly at: number; readonly failures: number; readonly why: string }>()
  readonly #turns
  #isClosed = false

  constructor(deps: PoolDeps) {
    this.#deps = deps
    this.#turns = createSemaphore({ limit: deps.size, waiting: WAITING, waitTimeout: deps.limits.request })
  }

  backends(): Backend[] {
    return this.#deps.servers.map((server) => {
      const { failures = 0, why } = this.#failed.get(server) ?? {}
      const name = `${server.host}:${server.port}`
      return { service: 'ldap', server: name, failures, ...(why === undefined ? {} : { lastFailure: why }) }
    })
  }

  close() {
    this.#isClosed = true
    for (const { connection } of this.#idle.splice(0)) connection.close()
  }

  /** Servers without recent failures first, in the order of the configuration. */
  #inOrder(): ServerAddress[] {
    const isResting = (server: ServerAddress) =>
      this.#deps.clock.now() - (this.#failed.get(server)?.at ?? Number.NEGATIVE_INFINITY) < this.#deps.rest
    return [...this.#deps.servers.filter((server) => !isResting(server)), ...this.#deps.servers.filter(isResting)]
  }

  /** An idle connection that is still open. */
  #kept(server: ServerAddress): Connection | undefined {
    for (let at = this.#idle.length - 1; at >= 0; at--) {
      if (this.#idle[at]?.server !== server) continue
      const [found] = this.#idle.splice(at, 1)
      if (found?.connection.isOpen) return found.connection
    }
    return undefined
  }

  async #onOne<T>(server: ServerAddress, work: (connection: Connection) => Promise<T>): Promise<T> {
    const before = this.#kept(server)
    try {
      return await this.#on(before ?? (await this.#deps.open(server)), server, work)
    } catch (cause) {
      if (!(cause instanceof Unreachable) || !before) throw cause
      // The server may have closed it while it was idle.
      return this.#on(await this.#deps.open(server), server, work)
    }
  }

  async #on<T>(
    connection: Connection,
    server: ServerAddress,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    try {
      const result = await work(connection)
      if (this.#isClosed) connection.close()
      else this.#idle.push({ connection, server })
      return result
    } catch (cause) {
      connection.close()
      throw cause
    }
  }

  async #onAny<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    let cause: unknown = new Unreachable('closed')
    for (const server of this.#isClosed ? [] : this.#inOrder()) {
      try {
        const result = await this.#onOne(server, work)
        if (this.#failed.delete(server))
          this.#deps.log.info('the LDAP server can be reached again', { host: server.host })
        return result
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error
        cause = error
        if (!this.#failed.has(server))
          this.#deps.log.warn('the LDAP server cannot be reached', { host: server.host, cause })
        const failures = (this.#failed.get(server)?.failures ?? 0) + 1
        this.#failed.set(server, { at: this.#deps.clock.now(), failures, why: error.message })
      }
    }
    throw cause
  }

  /** Runs the work on a connection, and again on another server's if the first is unreachable. */
  async use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    try {
      return await this.#turns.take(() => this.#onAny(work))
    } catch (cause) {
      if (!(cause instanceof SemaphoreRejected)) throw cause
      const why = cause.isLate
        ? 'no connection to the LDAP server was free in time'
        : 'too many wait for the LDAP server'
      throw new Unreachable(why)
    }
  }
}
