/**
 * What an admin can set for one listener; the reference in the documentation is generated from this schema.
 */
import { duration, listenOption, network, size, tlsOption } from 'iems'
import * as z from 'zod'
import { isDomain } from './addresses.ts'

const limits = z
  .strictObject({
    connections: z.int().positive().default(1000).describe('Connections at a time, in all; more are told 421.'),
    connectionsPerAddress: z
      .int()
      .positive()
      .default(50)
      .describe('Connections at a time from one address; more are told 421.'),
    recipients: z
      .int()
      .positive()
      .default(1000)
      .describe('Recipients in one transaction; more are told 452 and sent in the next one.'),
    lineLength: size().prefault('12 KiB').describe('Length of a command line; a longer one is refused (500).'),
    errors: z
      .int()
      .positive()
      .default(50)
      .describe('Refused commands in a session since the last accepted message; then 421.'),
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
    authAttempts: z.int().positive().default(5).describe('Failed authentications in one session; then 421.'),
  })
  .prefault({})
  .describe('How much one client may take.')

const timeouts = z
  .strictObject({
    handshake: duration()
      .prefault('30 s')
      .describe(
        'For the PROXY header and the handshake of implicit TLS together; and for a client to close after the last that it is told.',
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
  .describe('How long one client may take; time that we take ourselves does not count.')

const etrnRule = z.strictObject({
  from: z.array(network()).default([]).describe('Addresses and networks of clients this rule is for.'),
  users: z.array(z.string()).default([]).describe('Authenticated users this rule is for.'),
  for: z
    .array(z.string())
    .min(1)
    .describe("What they may ask for: 'example.org', '.example.org' (all below it), '#channel', or '*'."),
})

const fields = z.strictObject({
  listen: listenOption().describe(
    "Where to listen: ':25', '127.0.0.1:2525', '[::1]:2525', 'unix:/run/iems/lmtp', or a list of these.",
  ),
  protocol: z.enum(['smtp', 'lmtp']).default('smtp').describe('LMTP (RFC 2033) answers for each recipient.'),
  tls: tlsOption(465).optional().describe('Certificates; without them there is no TLS.'),
  auth: z
    .enum(['off', 'optional', 'required'])
    .default('off')
    .describe('Whether clients can or must authenticate; how is up to who knows the accounts.'),
  authWithoutTls: z
    .boolean()
    .default(false)
    .describe('Let passwords pass in the clear. Only for networks that nobody can listen to.'),
  submission: z
    .boolean()
    .optional()
    .describe('Clients are mail programs: a missing Date or Message-ID is added. Default: true when auth is required.'),
  maxSize: size().prefault('50 MB').describe('Largest message taken here. Announced as SIZE.'),
  bareNewlines: z
    .enum(['refuse', 'normalise'])
    .default('refuse')
    .describe(
      'What becomes of content with a CR or LF alone: refused (550 5.6.11), or each made a CRLF. Neither ever ends the data.',
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
      "How long the greeting waits for the client's name (reverse DNS, confirmed by its address), which Received, milters and spam filters show; the name may come later. Clients of networks in `trusts` are greeted at once. '0 s': no names are looked up.",
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
      "What becomes of a message behind whose end the client has sent further commands but QUIT or RSET without waiting: RFC 2920 allows it, smuggled messages look like it. 'refuse' answers 554 and hangs up; trusted and authenticated clients are exempt.",
    ),
  bannerDelay: duration()
    .prefault('0 s')
    .describe('Wait before the greeting; who speaks in that time is refused (554), which many senders of spam do.'),
  proxyFrom: z
    .array(network())
    .default([])
    .describe('Proxies whose connections all begin with a PROXY protocol header (v1 or v2).'),
  xclientFrom: z.array(network()).default([]).describe('Clients that may speak for another client with XCLIENT.'),
  etrn: z
    .array(etrnRule)
    .default([])
    .describe('Who may have waiting mail sent with ETRN (RFC 1985). Nobody by default.'),
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
