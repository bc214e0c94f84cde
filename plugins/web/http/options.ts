/**
 * The plugin's options.
 */
import { duration, listenerOptions, network, size } from 'iems'
import * as z from 'zod'

const shared = listenerOptions({
  port: 8080,
  tlsPort: 443,
  connections: 5000,
  connectionsPerAddress: 200,
  overLimit: '503',
})
const { connections, connectionsPerAddress } = shared.limits
const { handshake } = shared.timeouts

const limits = z
  .strictObject({
    connections,
    connectionsPerAddress,
    body: size().prefault('1 MiB').describe('Octets of a request body, where a route does not set its own limit.'),
    header: size().prefault('16 KiB').describe('Octets of a request header.'),
    requestsPerMinute: z
      .int()
      .positive()
      .default(3000)
      .describe('Requests in a minute of one login, or of one address without a login. Further ones get 429.'),
    logins: z.int().positive().default(100).describe('Web logins of one account at a time; the oldest ends.'),
  })
  .prefault({})
  .describe('Limits for one client.')

const timeouts = z
  .strictObject({
    handshake,
    header: duration().prefault('20 s').describe('For the header of a request.'),
    request: duration().prefault('10 min').describe('For a whole request with its body.'),
    idle: duration().prefault('75 s').describe('For the next request on a connection that is kept open.'),
  })
  .prefault({})
  .describe('Times to wait for one client.')

const login = z
  .strictObject({
    idle: duration().prefault('14 d').describe('A web login that was not used for this long ends.'),
    absolute: duration().prefault('90 d').describe('A web login ends after this long in any case.'),
    fresh: duration()
      .prefault('15 min')
      .describe('Time after a login for which irreversible actions need no password; later it is asked for again.'),
  })
  .prefault({})
  .describe('Web logins.')

const separate = z.strictObject({
  listen: shared.fields.listen,
  tls: shared.fields.tls.describe('Certificates. Default: those of the channel.'),
  paths: z
    .array(z.string().regex(/^(?:\/[\w.-]+)+$/, "must be a path such as '/admin' or '/api/v1'"))
    .min(1)
    .describe('Routes at and below these paths are served by this listener alone; it serves all other routes too.'),
})

export const options = z.strictObject({
  ...shared.fields,
  tls: shared.fields.tls.describe('Certificates. `mode` is always implicit. Default: plain HTTP.'),
  authWithoutTls: shared.fields.authWithoutTls.describe(
    'Accept passwords without TLS from other machines. Loopback and trusted proxies need no TLS.',
  ),
  separate: z
    .array(separate)
    .max(20)
    .default([])
    .describe('Further listeners for parts of the server that the others must not serve, such as the administration.'),
  origins: z
    .array(z.string().regex(/^https?:\/\/[^/\s]+$/, 'must be an origin such as https://mail.example.org'))
    .default([])
    .describe('Further origins whose pages may use this server with a web login. Default: its own only.'),
  proxies: z
    .array(network())
    .default([])
    .describe('Reverse proxies whose `Forwarded` and `X-Forwarded-*` headers are believed.'),
  roles: z
    .record(z.string(), z.array(z.string()))
    .default({
      support: ['queue:read', 'trace:read', 'status:read'],
      'domain-admin': ['people:read', 'people:change', 'domains:read'],
    })
    .describe(
      'Permissions of each role. `admin` has all of them. A role may carry a scope: `domain-admin:example.org`.',
    ),
  hsts: duration()
    .prefault('365 d')
    .describe('Max-age of Strict-Transport-Security over TLS. 0 s: the header is not sent.'),
  limits,
  timeouts,
  login,
})
export type Options = z.output<typeof options>
