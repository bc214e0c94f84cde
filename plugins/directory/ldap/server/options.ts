/**
 * The options of an LDAP listener.
 */
import { duration, listenerOptions, size } from 'iems'
import * as z from 'zod'
import { ADDRESS_BOOK } from './access.ts'
import { parseDn } from './protocol/dn.ts'
import { describe } from './schema.ts'

const shared = listenerOptions({
  port: 389,
  tlsPort: 636,
  connections: 1000,
  connectionsPerAddress: 50,
  authAttempts: 10,
  idle: '15 min',
  write: '1 min',
})
const { lineLength: _, ...sharedLimits } = shared.limits

const limits = z
  .strictObject({
    ...sharedLimits,
    messageSize: size().prefault('4 MiB').describe('Maximum size of a request.'),
    messageSizeBeforeBind: size()
      .prefault('64 KiB')
      .describe('Maximum size of a request before the client has authenticated.'),
    pending: z
      .int()
      .positive()
      .default(100)
      .describe('Maximum number of unanswered requests that are read from a connection.'),
    filterDepth: z.int().positive().max(500).default(20).describe('Maximum nesting depth of a filter.'),
    filterTerms: z.int().positive().default(500).describe('Maximum number of terms in a filter.'),
    entries: z
      .int()
      .positive()
      .default(1000)
      .describe('Maximum number of entries in the answer to a search, or in one page of it.'),
    time: duration().prefault('30 s').describe('Maximum time for a search.'),
    lookedAt: z
      .int()
      .positive()
      .default(200_000)
      .describe('Maximum number of entries that a search reads, matching or not.'),
    sorted: z
      .int()
      .positive()
      .default(10_000)
      .describe('Maximum number of entries that the server sorts, for sorted searches and virtual list views.'),
    pagedSearches: z
      .int()
      .positive()
      .default(5)
      .describe('Maximum number of concurrent paged searches of a connection; the oldest is dropped.'),
  })
  .prefault({})
  .describe('Limits for one client. `entries` and `lookedAt` do not apply to administrators.')

const timeouts = z
  .strictObject({
    ...shared.timeouts,
    message: duration().prefault('30 s').describe('Time for the rest of a request that has begun.'),
  })
  .prefault({})
  .describe('Timeouts of one client.')

const attribute = z.string().refine((name) => describe(name) !== undefined, 'must be the name of an attribute')

const listener = z.strictObject({
  ...shared.fields,
  suffix: z
    .string()
    .refine((text) => (parseDn(text)?.length ?? 0) > 0, 'must be a distinguished name')
    .describe("Distinguished name of the top of the tree: 'dc=example,dc=org'."),
  anonymous: z
    .enum(['nothing', 'address-book'])
    .default('nothing')
    .describe('Entries that anonymous clients see besides the root DSE and the schema.'),
  addressBook: z
    .array(attribute)
    .default([...ADDRESS_BOOK])
    .describe('Attributes that accounts without the role admin see of other entries.'),
  mailHostChannel: z
    .string()
    .optional()
    .describe('Channel of a route that is written as mailHost; without it such a change is refused.'),
  schemaCheck: z
    .enum(['off', 'warn', 'strict'])
    .default('off')
    .describe(
      'Check that entries have the attributes that their classes require and allow: off, warn (in the log), or strict (refuse the change).',
    ),
  limits,
  timeouts,
})
export const options = listener.refine(
  ({ tls, authWithoutTls, anonymous }) => tls !== undefined || authWithoutTls || anonymous !== 'nothing',
  {
    error:
      'needs tls, or authWithoutTls: true to accept passwords without TLS, or anonymous: clients could not authenticate',
    path: ['tls'],
  },
)
export type Options = z.output<typeof options>
