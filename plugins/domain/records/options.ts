/**
 * The options of the plugin; the reference documentation is generated from this schema.
 */
import { duration } from 'iems'
import * as z from 'zod'

const port = z.int().min(1).max(65_535)
const domainName = z
  .string()
  .regex(/^(?=.{1,253}$)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+$/i, 'must be a domain')
  .toLowerCase()

const mtaSts = z
  .strictObject({
    mode: z
      .enum(['enforce', 'testing', 'none'])
      .default('testing')
      .describe(
        "`testing`: senders report failures and deliver nevertheless; change to 'enforce' when reports are good.",
      ),
    maxAge: duration().prefault('7 d').describe('Time for which senders keep the policy.'),
  })
  .prefault({})

const dmarc = z
  .strictObject({
    policy: z
      .enum(['none', 'quarantine', 'reject'])
      .default('quarantine')
      .describe('Treatment of mail that fails, by receivers.'),
    reports: z.array(z.email()).default([]).describe('Addresses for aggregate reports.'),
  })
  .prefault({})

const place = z
  .string()
  .max(1000)
  .regex(/^(?:https:\/\/[^\s;,]+|\/.+)$/, "must be 'https://…' or the absolute path of a file")

const bimi = z.strictObject({
  logo: place.describe(
    'Logo: its URL, or an SVG Tiny PS file, which the http plugin serves and which is examined at the start.',
  ),
  evidence: place.optional().describe('Its certificate (VMC or CMC, PEM): URL or file.'),
})

export const options = z.strictObject({
  domains: z.array(domainName).max(1000).optional().describe('Mail domains. Default: those of the directory.'),
  mx: z
    .array(z.strictObject({ host: domainName, priority: z.int().min(0).max(65_535).default(10) }))
    .min(1)
    .optional()
    .describe("Servers that take the domains' mail. Default: this server's hostname."),
  spf: z
    .strictObject({
      also: z
        .array(z.string().regex(/^[!-~]{1,200}$/))
        .default([])
        .describe("Further mechanisms, such as 'include:example.net'."),
      others: z.enum(['-all', '~all']).default('-all').describe('Meaning of all other servers.'),
    })
    .prefault({})
    .describe('SPF: servers that send mail of the domains, besides those of `mx`.'),
  dmarc: dmarc.describe('DMARC.'),
  mtaSts: z
    .union([z.literal(false), mtaSts])
    .prefault({})
    .describe('MTA-STS; the http plugin serves the policy at mta-sts.DOMAIN.'),
  tlsReports: z
    .array(
      z
        .string()
        .max(500)
        .regex(/^(?:mailto|https):[^\s,;]+$/, "must be 'mailto:…' or 'https://…'"),
    )
    .default([])
    .describe(
      "Destinations for other servers' reports on TLS (RFC 8460): 'mailto:tls@example.org', 'https://mail.example.org/tls-reports'.",
    ),
  tlsa: z
    .boolean()
    .default(true)
    .describe('TLSA records (DANE) for the certificates of the plugin acme; they count only in a signed zone.'),
  bimi: bimi.optional().describe('BIMI: the logo that mail programs show.'),
  publish: z
    .boolean()
    .default(false)
    .describe(
      'Publish missing and wrong records every day through the plugin zones. MX and SRV records that are there are replaced.',
    ),
  ports: z
    .array(z.strictObject({ port, tls: z.enum(['implicit', 'starttls']) }))
    .max(20)
    .default([
      { port: 25, tls: 'starttls' },
      { port: 465, tls: 'implicit' },
      { port: 993, tls: 'implicit' },
      { port: 443, tls: 'implicit' },
    ])
    .describe('Ports of `mx` that are examined. `starttls` is for SMTP.'),
  ca: z.string().optional().describe('File with further certificate authorities to trust (PEM), for tests.'),
  policyPort: port
    .default(443)
    .describe('Port from which the MTA-STS policy is fetched; any other than 443 is for tests.'),
})
export type Options = z.output<typeof options>
