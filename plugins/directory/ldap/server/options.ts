/**
 * What an admin can set for one LDAP listener.
 */
import { duration, listenOption, network, size, tlsOption } from 'iems'
import * as z from 'zod'
import { ADDRESS_BOOK } from './access.ts'
import { parseDn } from './protocol/dn.ts'
import { describe } from './schema.ts'

const limits = z
  .strictObject({
    connections: z.int().positive().default(1000).describe('Connections at a time, in all.'),
    connectionsPerAddress: z.int().positive().default(50).describe('Connections at a time from one address.'),
    messageSize: size().prefault('4 MiB').describe('Size of a request.'),
    messageSizeBeforeBind: size().prefault('64 KiB').describe('Size of a request before the client has logged in.'),
    pending: z.int().positive().default(100).describe('Requests of a connection that are read ahead.'),
    filterDepth: z.int().positive().max(500).default(20).describe('How deep filters are nested.'),
    filterTerms: z.int().positive().default(500).describe('Parts of a filter.'),
    entries: z
      .int()
      .positive()
      .default(1000)
      .describe('Entries that a search answers, in each page where it is paged.'),
    time: duration().prefault('30 s').describe('How long a search may take.'),
    lookedAt: z.int().positive().default(200_000).describe('Entries that a search looks at, found or not.'),
    sorted: z.int().positive().default(10_000).describe('Entries that are put in order at the server.'),
    pagedSearches: z.int().positive().default(5).describe('Paged searches of a connection at a time; the oldest ends.'),
    errors: z.int().positive().default(50).describe('Requests of a connection that make no sense; then it ends.'),
    authAttempts: z.int().positive().default(10).describe('Failed logins of a connection; then it ends.'),
  })
  .prefault({})
  .describe('How much one client may take. Administrators are not limited in `entries` and `lookedAt`.')

const timeouts = z
  .strictObject({
    handshake: duration().prefault('30 s').describe('For the PROXY header and each TLS handshake.'),
    login: duration().prefault('2 min').describe('For a request before the client has logged in.'),
    idle: duration().prefault('15 min').describe('For a request afterwards.'),
    message: duration().prefault('30 s').describe('For the rest of a request that has begun.'),
    write: duration().prefault('1 min').describe('For the client to take anything of what it asked for.'),
  })
  .prefault({})
  .describe('How long one client may be silent.')

const attribute = z.string().refine((name) => describe(name) !== undefined, 'must be the name of an attribute')

const listener = z.strictObject({
  listen: listenOption().describe("Where to listen: ':389', ':636', or a list."),
  suffix: z
    .string()
    .refine((text) => (parseDn(text)?.length ?? 0) > 0, 'must be a distinguished name')
    .describe("The name at the top, such as 'dc=example,dc=org'."),
  tls: tlsOption(636).optional().describe('Certificates; without them there is no TLS.'),
  authWithoutTls: z.boolean().default(false).describe('Let passwords pass in the clear.'),
  anonymous: z
    .enum(['nothing', 'address-book'])
    .default('nothing')
    .describe('What who has not logged in may see, beside the root DSE and the schema.'),
  addressBook: z
    .array(attribute)
    .default([...ADDRESS_BOOK])
    .describe('What of others who are no administrators may see.'),
  mailHostChannel: z
    .string()
    .optional()
    .describe('The channel of a route that is written as mailHost; without it such changes are refused.'),
  schemaCheck: z
    .enum(['off', 'warn', 'strict'])
    .default('off')
    .describe(
      'Whether the classes of an entry say which attributes it must and may have: off, warn (in the log), or strict (such changes are refused).',
    ),
  proxyFrom: z
    .array(network())
    .default([])
    .describe('Proxies whose connections all begin with a PROXY protocol header (v1 or v2).'),
  limits,
  timeouts,
})
export const options = listener.refine(
  ({ tls, authWithoutTls, anonymous }) => tls !== undefined || authWithoutTls || anonymous !== 'nothing',
  {
    error:
      'needs tls, or authWithoutTls: true to let passwords pass in the clear, or anonymous: nobody could see anything',
    path: ['tls'],
  },
)
export type Options = z.output<typeof options>
