/**
 * The plugin's options; the reference documentation is generated from this schema.
 */
import { dnsOptions, duration, network, size } from 'iems'
import * as z from 'zod'

const token = () => z.string().regex(/^[A-Za-z0-9][\w.-]*$/, 'must be a name such as mx.example.org')
const address = () => z.string().regex(/^[^\s@"<>]+@[A-Za-z0-9.-]+$/, 'must be an address')

const exempt = z
  .strictObject({
    authenticated: z.boolean().default(true).describe('Clients that have said who they are.'),
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
        'Hold every record to the letter of RFC 7208. The lenient reading forgives some syntax errors and makes others of them permerror, also for macros such as %{h} of an address literal.',
      ),
    lookups: z.int().min(1).max(50).default(10).describe('Most terms that ask the DNS (RFC 7208 section 4.6.4).'),
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
    from: address().optional().describe('From which address aggregate reports are sent. Without it none are.'),
    organization: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .describe("Organisation named in reports. Default: the server's hostname."),
    contact: z.string().max(200).optional().describe('A page or address with more about it.'),
    destinations: z.int().min(1).max(20).default(5).describe('Most addresses of one domain that get its report.'),
    rows: z
      .int()
      .min(1)
      .max(100_000)
      .default(10_000)
      .describe('Most rows of one report; further messages are counted.'),
    domains: z.int().min(1).max(1_000_000).default(10_000).describe('Most domains that are reported on in a day.'),
    receiveAt: z
      .array(address())
      .default([])
      .describe('Addresses to which others send their reports; `iems dmarc reports` shows what is in them.'),
    maxSize: size().prefault('10 MB').describe('Most octets of a received report, expanded.'),
    receivedPerDay: z.int().min(1).max(100_000).default(1000).describe('Most received reports kept for a day.'),
    keep: duration().prefault('90 days').describe('Time for which sent and received reports are kept.'),
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
    .describe('Further names whose results are removed from what comes in, such as those of your other servers.'),
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
        .describe('Domains whose ARC seals are believed when they say that DMARC had passed.'),
    })
    .prefault({})
    .describe('ARC (RFC 8617) is verified; it changes nothing unless the sealers are trusted.'),
  bimi: z.boolean().default(false).describe('Look up the brand indicator of messages that pass DMARC.'),
  questions: z.int().min(10).max(1000).default(150).describe('Most questions to the DNS for one message.'),
  timeout: duration().prefault('20 s').describe('Longest time for all of them; what is open then is temperror.'),
  reports,
  dns: dnsOptions.optional().describe('Name servers for this plugin alone. Default: the `dns` section.'),
})
export type Options = z.output<typeof options>
