/** The store in PostgreSQL, for the configuration: `store: postgresStore({ url: 'postgres://…' })`. */
import { duration, type Secret, type StoreProvider, secretValue } from 'iems'
import * as z from 'zod'
import { openStore } from './store.ts'

const url = z
  .string()
  .refine(
    (text) => /^(?:postgres(?:ql)?:\/\/|socket:)/.test(text) && URL.canParse(text),
    "must be a URL such as 'postgres://iems@db.example/iems'",
  )

const postgresOptions = z.strictObject({
  url: z
    .union([url, z.array(url).min(1)])
    .describe(
      "The database: 'postgres://iems@db.example/iems?sslmode=verify-full', or a list of them, such as a primary and its standbys. The server uses the first that takes writes.",
    ),
  password: secretValue()
    .optional()
    .describe("Password of the database's user: secret.env('NAME') or secret.file('/path')."),
  schema: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,50}$/, 'must be lower-case letters, digits and underscores')
    .default('iems')
    .describe('Schema for the tables; it is made if need be. Two installations may share a database with two schemas.'),
  connections: z
    .int()
    .min(2)
    .max(1000)
    .default(10)
    .describe('Most connections of one server for its statements. Two more serve hints and long readings.'),
  connectTimeout: duration().prefault('5 s').describe('Time for a connection to be ready.'),
  statementTimeout: duration().prefault('30 s').describe('Time for one statement, waiting for locks included.'),
  retryTimeout: duration()
    .prefault('5 s')
    .describe(
      'Time for which an interruption, such as a restart of the database or the promotion of a standby, is waited for. After it senders get "try again later" until the database is back.',
    ),
})

export type PostgresOptions = z.input<typeof postgresOptions>

/** A store in PostgreSQL 13 or later, which several servers may share. */
export function postgresStore(input: PostgresOptions): StoreProvider {
  return {
    describe: 'PostgreSQL',
    schema: postgresOptions,
    input,
    isShared: true,
    async open() {
      const options = postgresOptions.parse(input)
      const urls = [options.url].flat()
      const { schema, connections, connectTimeout, statementTimeout, retryTimeout } = options
      const password = (options.password as Secret | undefined)?.reveal()
      return openStore({
        urls,
        describe: `The database ${urls.map(masked).join(', ')}`,
        ...(password === undefined ? {} : { password }),
        schema,
        max: connections,
        connectTimeout,
        statementTimeout,
        patience: retryTimeout,
      })
    },
  }
}

/** Without its user, password and parameters. */
function masked(text: string): string {
  const { protocol, host, pathname } = new URL(text)
  return `${protocol}//${host}${pathname}`
}
