/**
 * The plugin's options; the reference documentation is generated from this schema.
 */
import { dnsOptions, duration, network, reportOptions, size } from 'iems'
import * as z from 'zod'

const token = () => z.string().regex(/^[A-Za-z0-9][\w.-]*$/, 'must be a name such as mx.example.org')

const exempt = z
  .strictObject({
    authenticated: z.boolean().default(true).describe('Authenticated clients.'),
    trusted: z.boolean().default(true).describe('Clients in networks that the channel trusts.'),
  })
  .prefault({})
  .describe('Clients whose messages are not checked.')

const spf = z
  .strictObject({
    fail: z
      .enum(['refuse', 'tag'])
      .default('tag')
      .describe("Action for `spf=fail` when DMARC does not pass; 'tag' leaves it to other plugins."),
    strict: z
      .boolean()
      .default(true)
      .describe(
        'Apply the syntax of RFC 7208 strictly. The lenient mode accepts some syntax errors, and treats others as permerror, also in macros such as %{h} of an address literal.',
      ),
    lookups: z
      .int()
      .min(1)
      .max(50)
      .default(10)
      .describe('Maximum number of terms that query the DNS (RFC 7208 section 4.6.4).'),
    voidLookups: z.int().min(1).max(50).default(2).describe('Most of them without an answer.'),
  })
  .prefault({})
  .describe('SPF (RFC 7208).')

const dkim = z
  .strictObject({
    minKeyBits: z.int().min(512).max(4096).default(1024).describe('RSA keys below this are `dkim=policy`.'),
    signatures: z
      .int()
      .min(1)
      .max(50)
      .default(10)
      .describe('Most signatures that are verified, topmost first; also most sets of an ARC chain.'),
    fieldSize: size().prefault('16 KiB').describe('Longer signature fields are left out.'),
  })
  .prefault({})
  .describe('DKIM (RFC 6376, 8301, 8463).')

const dmarc = z
  .strictObject({
    reject: z
      .enum(['refuse', 'quarantine', 'tag'])
      .default('refuse')
      .describe("Action for a message that fails under p=reject; 'tag' only records it."),
    quarantine: z
      .enum(['quarantine', 'tag'])
      .default('tag')
      .describe("The same under p=quarantine; 'quarantine' holds it until an admin releases it."),
    temporary: z
      .enum(['defer', 'tag'])
      .default('defer')
      .describe('Action while the DNS gives no answer about a message.'),
    ambiguousFrom: z
      .enum(['refuse', 'tag'])
      .default('refuse')
      .describe('Action for several From fields, or authors of several domains, for which no policy can be found.'),
    honourSampling: z
      .boolean()
      .default(true)
      .describe('Heed `pct` of records as RFC 7489 had them; RFC 9989 has dropped it.'),
  })
  .prefault({})
  .describe('DMARC (RFC 9989).')

const reports = z
  .strictObject({
    ...reportOptions({ maxSize: '10 MB', command: 'iems dmarc reports' }),
    destinations: z
      .int()
      .min(1)
      .max(20)
      .default(5)
      .describe('Maximum number of addresses of one domain that get its report.'),
    rows: z
      .int()
      .min(1)
      .max(100_000)
      .default(10_000)
      .describe('Maximum number of rows in a report; further messages are only counted.'),
  })
  .prefault({})
  .describe('Aggregate reports (RFC 9990).')

export const options = z.strictObject({
  authservId: token()
    .optional()
    .describe("Name of this server in Authentication-Results (authserv-id). Default: the server's hostname."),
  ownIds: z
    .array(token())
    .default([])
    .describe('Further names whose results are removed from incoming messages, such as those of your other servers.'),
  receivedSpf: z.boolean().default(false).describe('Add a Received-SPF field too.'),
  exempt,
  forwarders: z
    .array(network())
    .default([])
    .describe('Networks of servers that forward mail to this one: results are recorded, but no policy is applied.'),
  spf,
  dkim,
  dmarc,
  arc: z
    .strictObject({
      trusted: z
        .array(z.string().min(1))
        .default([])
        .describe('Domains whose ARC seals are trusted when they attest that DMARC passed.'),
    })
    .prefault({})
    .describe('ARC (RFC 8617) is verified; it has an effect only for trusted sealers.'),
  bimi: z.boolean().default(false).describe('Look up the brand indicator of messages that pass DMARC.'),
  questions: z.int().min(10).max(1000).default(150).describe('Maximum number of DNS queries for one message.'),
  timeout: duration()
    .prefault('20 s')
    .describe('Time for all DNS queries of a message; checks that are incomplete then result in temperror.'),
  reports,
  dns: dnsOptions.optional().describe('Name servers for this plugin alone. Default: the `dns` section.'),
})
export type Options = z.output<typeof options>
