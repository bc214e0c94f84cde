/**
 * The options of a channel that delivers by SMTP or LMTP; the reference documentation is generated from this schema.
 */
import { dnsOptions, duration, network, secretValue } from 'iems'
import * as z from 'zod'
import { parseNexthop } from './nexthop.ts'

const tlsMode = z.enum(['off', 'opportunistic', 'required', 'verified'])
export type TlsMode = z.output<typeof tlsMode>

const auth = z.strictObject({
  user: z.string().min(1).describe('Name to authenticate with (PLAIN or LOGIN).'),
  password: secretValue().describe("Its password: secret.env('NAME') or secret.file('/path')."),
  withoutTls: z.boolean().default(false).describe('Let the password pass in the clear.'),
})

const keep = z
  .strictObject({
    idle: duration().prefault('10 s').describe('Time for which an idle connection stays open for the next message.'),
    age: duration()
      .prefault('5 min')
      .describe('A connection this old is not used again, so that changes in DNS are seen.'),
    messages: z.int().positive().default(1000).describe('Most messages on one connection.'),
    connections: z.int().min(0).default(100).describe('Most unused connections at a time, to all next hops together.'),
  })
  .prefault({})
  .describe('Reuse of connections.')

const timeouts = z
  .strictObject({
    connect: duration().prefault('30 s').describe('For one address to take the connection, and for a TLS handshake.'),
    greeting: duration().prefault('2 min').describe('For the greeting (RFC 5321 asks for 5 minutes).'),
    reply: duration().prefault('5 min').describe('For the reply to a command (RFC 5321 asks for 2 to 5 minutes).'),
    block: duration().prefault('3 min').describe('For a block of content to be taken.'),
    final: duration().prefault('10 min').describe('For the reply to the whole content; less makes duplicates.'),
  })
  .prefault({})
  .describe('Times to wait for the remote server.')

const mtaSts = z.union([
  z.boolean(),
  z.strictObject({
    port: z
      .int()
      .min(1)
      .max(65_535)
      .default(443)
      .describe('Port from which policies are fetched; any other than 443 is for tests.'),
  }),
])

export const DANE_PROBE = 'org'

const dane = z.union([
  z.boolean(),
  z.strictObject({
    probe: z
      .string()
      .min(1)
      .default(DANE_PROBE)
      .describe('A signed domain whose NS records the name servers must return as validated.'),
  }),
])

export const options = z.strictObject({
  domains: z
    .array(z.string().min(1))
    .min(1)
    .default(['*'])
    .describe("Recipients' domains this channel takes: 'example.org', '.example.org' (all below it), or '*'."),
  nexthop: z
    .string()
    .refine(
      (text) => parseNexthop(text) !== undefined,
      "must be 'example.org', 'host:25', '[host]', '[192.0.2.1]:25' or 'unix:/path'",
    )
    .optional()
    .describe(
      "Next hop for all mail instead of the recipients' own servers: 'example.org' (its MX), 'host:25' or '[host]' (that host), '[192.0.2.1]:25', 'unix:/path'.",
    ),
  protocol: z
    .enum(['smtp', 'lmtp'])
    .default('smtp')
    .describe('LMTP (RFC 2033) is for a mail store; it answers for each recipient.'),
  port: z
    .int()
    .min(1)
    .max(65_535)
    .optional()
    .describe('The port where the next hop names none. Default: 25, for LMTP 24.'),
  helo: z
    .string()
    .regex(/^[\w.:[\]-]+$/)
    .optional()
    .describe("The name given in EHLO. Default: the server's hostname."),
  bindAddress: z
    .array(z.union([z.ipv4(), z.ipv6()]))
    .default([])
    .describe('Addresses of this machine to connect from, at most one IPv4 and one IPv6.'),
  families: z
    .array(z.enum(['ipv4', 'ipv6']))
    .min(1)
    .default(['ipv6', 'ipv4'])
    .describe('Which addresses of a server are tried, taking turns in this order.'),
  ownAddresses: z
    .array(network())
    .optional()
    .describe(
      'Further addresses under which this server is reached, such as a public one that a router translates. Mail is never sent by MX to these, to loopback and unspecified addresses, or to those of this machine.',
    ),
  localMx: z.boolean().default(false).describe('For tests: MX records and policy servers may lead to this machine.'),
  refusedGreeting: z
    .enum(['defer', 'bounce'])
    .default('defer')
    .describe(
      'Meaning of a 5yz greeting when no other server takes the message: try again, because blocked addresses get unblocked, or fail.',
    ),
  tls: tlsMode
    .optional()
    .describe(
      "'off', 'opportunistic' (if offered, with any certificate, else in the clear), 'required' (with any certificate), 'verified' (a certificate that is valid for the host). Default: 'opportunistic', with `auth` 'verified'.",
    ),
  tlsPolicy: z
    .record(z.string(), tlsMode)
    .default({})
    .describe('The same for single next hops; there it also takes the place of MTA-STS.'),
  implicitTls: z.boolean().optional().describe('Speak TLS from the first octet. Default: only to port 465.'),
  ca: z.string().optional().describe('File with further certificate authorities to trust (PEM), beside those of Node.'),
  mtaSts: mtaSts.default(true).describe('Heed the TLS policies that domains publish (RFC 8461) when their MX is used.'),
  dane: dane
    .default(false)
    .describe(
      'Heed TLSA records (DANE, RFC 7672). The name servers in `dns` must validate (DNSSEC); `iems status` reports those that do not.',
    ),
  auth: auth.optional().describe('Authenticate at the next hop.'),
  eightBit: z
    .enum(['send', 'bounce'])
    .default('send')
    .describe(
      'Handling of 8-bit content for a server without 8BITMIME: sent as it is, which nearly every server accepts, or failed (5.6.3). It is never converted.',
    ),
  recipientsPerTransaction: z
    .int()
    .min(1)
    .max(10_000)
    .default(100)
    .describe('Most recipients of one transaction; further ones follow on the same connection.'),
  mxHosts: z.int().min(1).max(20).default(5).describe('Most hosts of a next hop that one attempt tries.'),
  keep,
  timeouts,
  dns: dnsOptions.optional().describe('Name servers for this channel alone. Default: the `dns` section.'),
})
export type Options = z.output<typeof options>
