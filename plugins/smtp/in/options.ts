/**
 * The options of a listener; the reference documentation is generated from this schema.
 */
import { duration, listenerOptions, network, size } from 'iems'
import * as z from 'zod'
import { isDomain } from './addresses.ts'

const shared = listenerOptions({
  port: 25,
  tlsPort: 465,
  connections: 1000,
  connectionsPerAddress: 50,
  overLimit: '421',
  ending: 'the server replies 421',
  lineLength: '12 KiB',
})

const limits = z
  .strictObject({
    ...shared.limits,
    recipients: z
      .int()
      .positive()
      .default(1000)
      .describe(
        'Maximum number of recipients in one transaction; further ones receive 452, and clients send them in the next one.',
      ),
    errors: shared.limits.errors.describe(
      'Maximum number of refused commands in a session since the last accepted message; then the server replies 421.',
    ),
    commands: z.int().positive().default(100_000).describe('Commands in one session; then 421.'),
    emptyCommands: z
      .int()
      .positive()
      .default(1000)
      .describe('EHLO, HELO, RSET, NOOP, VRFY, EXPN, HELP and ETRN since the last accepted message; then 421.'),
    smallChunks: z
      .int()
      .positive()
      .default(1000)
      .describe('BDAT chunks below 1 KiB, the last one apart, since the last accepted message; then 421.'),
    messages: z.int().positive().default(10_000).describe('Messages in one session; then 421. Announced as MAILMAX.'),
  })
  .prefault({})
  .describe('Limits for one client.')

const timeouts = z
  .strictObject({
    handshake: duration()
      .prefault('30 s')
      .describe(
        'Time for the PROXY header and the handshake of implicit TLS together, and for a client to close after the last reply.',
      ),
    command: duration()
      .prefault('5 min')
      .describe('For a whole command line to come, or for the next octet of content (RFC 5321 asks for 5 minutes).'),
    data: duration().prefault('1 h').describe('For the whole content of one message.'),
    dataRate: size()
      .prefault('100 B')
      .describe('Octets of content a second, on average after the first minute, that keep a client welcome.'),
    session: duration().prefault('8 h').describe('For a session; what is being sent may be finished.'),
  })
  .prefault({})
  .describe("Times to wait for one client; the server's own work does not count.")

const etrnRule = z.strictObject({
  from: z.array(network()).default([]).describe('Addresses and networks of clients this rule is for.'),
  users: z.array(z.string()).default([]).describe('Authenticated users this rule is for.'),
  for: z
    .array(z.string())
    .min(1)
    .describe("What they may ask for: 'example.org', '.example.org' (all below it), '#channel', or '*'."),
})

const fields = z.strictObject({
  ...shared.fields,
  protocol: z.enum(['smtp', 'lmtp']).default('smtp').describe('LMTP (RFC 2033) answers for each recipient.'),
  auth: z
    .enum(['off', 'optional', 'required'])
    .default('off')
    .describe(
      "Authentication of clients: 'off', 'optional' or 'required'. Plugins with accounts provide the mechanisms.",
    ),
  submission: z
    .boolean()
    .optional()
    .describe('Clients are mail programs: a missing Date or Message-ID is added. Default: true when auth is required.'),
  maxSize: size().prefault('50 MB').describe('Largest message taken here. Announced as SIZE.'),
  bareNewlines: z
    .enum(['refuse', 'normalise'])
    .default('refuse')
    .describe(
      'Handling of content with a bare CR or LF: refused (550 5.6.11), or each converted to CRLF. Neither ever ends the data.',
    ),
  lenient: z
    .boolean()
    .default(true)
    .describe(
      'For old devices: clients of networks in `trusts` and authenticated clients may leave out the angle brackets of addresses, end a domain with a dot and give any name in EHLO; a missing Date or Message-ID is added. Other clients are held to RFC 5321.',
    ),
  clientNameTimeout: duration()
    .prefault('2 s')
    .describe(
      "Time for which the greeting waits for the client's name (reverse DNS, confirmed by its address), used in Received, milters and spam filters; the name may come later. Clients of networks in `trusts` are greeted at once. '0 s': names are not looked up.",
    ),
  defaultDomain: z
    .string()
    .refine((text) => isDomain(text) && !text.startsWith('['), 'must be a domain such as example.org')
    .optional()
    .describe(
      'Domain of an address without one, from LMTP clients and from clients that `lenient` is for. Default: such an address is refused (501).',
    ),
  pipelinedTransactions: z
    .enum(['take', 'refuse'])
    .default('take')
    .describe(
      "Handling of a message if the client sends commands other than QUIT or RSET behind its end without waiting: RFC 2920 allows it, smuggled messages look like it. 'refuse' replies 554 and closes the connection; trusted and authenticated clients are exempt.",
    ),
  bannerDelay: duration()
    .prefault('0 s')
    .describe('Wait before the greeting; who speaks in that time is refused (554), which many senders of spam do.'),
  xclientFrom: z.array(network()).default([]).describe('Clients that may speak for another client with XCLIENT.'),
  etrn: z
    .array(etrnRule)
    .default([])
    .describe('Clients that may start the delivery of waiting mail with ETRN (RFC 1985). None by default.'),
  futureRelease: duration()
    .prefault('30 days')
    .describe(
      "Longest time for which an authenticated client may have a message wait before it is sent (FUTURERELEASE, RFC 4865). '0 s': not offered.",
    ),
  limits,
  timeouts,
})

export const options = fields.refine(
  ({ auth, tls, authWithoutTls }) => auth === 'off' || tls !== undefined || authWithoutTls,
  {
    path: ['auth'],
    error: 'needs tls, or authWithoutTls: true to let passwords pass in the clear',
  },
)
export type Options = z.output<typeof options>
