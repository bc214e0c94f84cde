/**
 * One connection to the database, ready for use: writable, with its timeouts and its schema.
 *
 * Invariants: every wait has an end, also when the network swallows what is sent; a connection on which anything but a
 * plain error of the server has happened is not used again.
 */
import { Socket } from 'node:net'
import { IemsError } from 'iems'
import pg from 'pg'

export const { DatabaseError } = pg
export type DatabaseError = pg.DatabaseError

export interface SessionOptions {
  /** Where the database may be; the first that takes writes is used. */
  readonly urls: readonly string[]
  readonly password?: string
  readonly schema: string
  readonly connectTimeout: number
  readonly statementTimeout: number
}

/** Time beyond `statementTimeout` in which the answer must have come, ms. */
const ANSWER_MS = 5000
/** A transaction whose server says nothing for so long is ended, ms. */
const IDLE_MS = 300_000
const BIGINT = 20

const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === BIGINT ? Number : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

export interface Statement {
  /** A statement with a name is prepared once on each connection. */
  readonly name?: string
  readonly text: string
  readonly values?: readonly unknown[]
}

export class Session {
  readonly #client: pg.Client
  readonly #socket: Socket
  /** Resolves when the connection has ended, for whatever reason. */
  readonly ended: Promise<void>
  #isOver = false

  private constructor(url: string, options: SessionOptions) {
    const { connectTimeout, statementTimeout, password } = options
    this.#socket = new Socket()
    this.#client = new pg.Client({
      connectionString: url,
      ...(password === undefined ? {} : { password }),
      stream: () => this.#socket,
      types,
      keepAlive: true,
      application_name: 'iems',
      connectionTimeoutMillis: connectTimeout,
      statement_timeout: statementTimeout,
      lock_timeout: statementTimeout,
      idle_in_transaction_session_timeout: IDLE_MS,
      query_timeout: statementTimeout + ANSWER_MS,
    })
    this.ended = new Promise((resolve) => {
      const over = () => {
        this.#isOver = true
        resolve()
      }
      this.#client.on('error', over)
      this.#client.on('end', over)
    })
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Opens a connection to the first server that takes writes. Throws why there is none. */
  static async open(options: SessionOptions): Promise<Session> {
    let failure: unknown
    for (const url of options.urls) {
      const session = new Session(url, options)
      try {
        await session.#client.connect()
        await session.#prepare(options.schema)
        return session
      } catch (cause) {
        session.destroy()
        failure ??= cause
      }
    }
    throw failure
  }

  async #prepare(schema: string): Promise<void> {
    const [row] = await this.run<{ standby: boolean; readonly: string; encoding: string }>(
      `select pg_is_in_recovery() as standby, current_setting('default_transaction_read_only') as readonly,
        current_setting('server_encoding') as encoding, set_config('search_path', $1, false),
        set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),
        set_config('jit', 'off', false), set_config('client_min_messages', 'warning', false),
        set_config('synchronous_commit', replace(current_setting('synchronous_commit'), 'off', 'on'), false)`,
      [quoted(schema)],
    )
    if (row?.standby || row?.readonly === 'on') throw new Error('the database takes no writes: it is a standby')
    if (row?.encoding !== 'UTF8')
      throw new IemsError('IEMS_STORE_FAILED', {
        path: 'The database',
        why: `its encoding is ${row?.encoding}, not UTF8`,
      })
  }

  async run<R extends object>(statement: string | Statement, values: readonly unknown[] = []): Promise<R[]> {
    const {
      name,
      text,
      values: own = values,
    } = typeof statement === 'string' ? { name: undefined, text: statement } : statement
    try {
      const config = { text, ...(name === undefined ? {} : { name }) }
      // Without values one text may hold several statements; then the last one's rows count.
      const result: pg.QueryResult<R> | pg.QueryResult<R>[] =
        own.length === 0
          ? await this.#client.query<R>(config)
          : await this.#client.query<R>({ ...config, values: [...own] })
      return Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows
    } catch (cause) {
      if (!(cause instanceof pg.DatabaseError) || cause.severity === 'FATAL') this.destroy()
      throw cause
    }
  }

  listen(hear: (payload: string) => void): void {
    this.#client.on('notification', ({ payload }) => hear(payload ?? ''))
  }

  /** Ends it without a word. */
  destroy(): void {
    this.#isOver = true
    this.#socket.destroy()
    void this.#client.end().catch(() => {})
  }

  async close(): Promise<void> {
    this.#isOver = true
    await this.#client.end().catch(() => {})
  }
}
