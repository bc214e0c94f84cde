/**
 * The options of the ACME client; the reference documentation is generated from this schema.
 */
import { duration, listenerOptions, listenOption, secretValue } from 'iems'
import * as z from 'zod'

const CHALLENGES = ['http-01', 'tls-alpn-01', 'dns-01'] as const
export type ChallengeType = (typeof CHALLENGES)[number]

/** Of the listener for tls-alpn-01. */
const { fields, limits, timeouts } = listenerOptions({
  port: 443,
  tlsPort: 443,
  connections: 100,
  connectionsPerAddress: 20,
})

const hostName = z
  .string()
  .regex(/^(?:\*\.)?(?=.{1,253}$)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+$/i, 'must be a host name, or *. and a domain')
  .toLowerCase()

const certificate = z.strictObject({
  names: z
    .array(hostName)
    .min(1)
    .max(100)
    .describe('Host names; the first names the certificate. `*.example.org` needs dns-01.'),
  keyType: z.enum(['ecdsa', 'rsa']).default('ecdsa').describe('P-256, or RSA with 2,048 bits.'),
})

const authority = z.strictObject({
  directory: z.url({ protocol: /^https$/ }).describe('URL of its directory (RFC 8555 section 7.1.1).'),
  ca: z
    .string()
    .optional()
    .describe('File with the authorities of its HTTPS certificate (PEM). Default: those of Node.'),
  externalAccount: z
    .strictObject({
      id: z.string().min(1).describe('Key identifier that the authority has issued.'),
      key: secretValue().describe('The MAC key in base64url.'),
    })
    .optional()
    .describe('External account binding (RFC 8555 section 7.3.4).'),
})

export const options = z.strictObject({
  certificates: z.array(certificate).min(1).max(200).describe('Certificates to keep valid. The first is the default.'),
  email: z.email().optional().describe('Address at which the authority reaches the administrator.'),
  agreeToTerms: z.literal(true).describe("Must be true: you agree to the authorities' terms of service."),
  authorities: z
    .array(authority)
    .min(1)
    .max(10)
    .default([{ directory: 'https://acme-v02.api.letsencrypt.org/directory' }])
    .describe('Certificate authorities; each further one is asked when those before it fail. Default: Let’s Encrypt.'),
  challenges: z
    .array(z.enum(CHALLENGES))
    .min(1)
    .default(['http-01', 'tls-alpn-01', 'dns-01'])
    .describe(
      'Challenges in the order in which they are tried: http-01 needs the http plugin or `listenHttp`; tls-alpn-01 needs the http plugin with TLS on port 443 or `listenTls`; dns-01 needs the zones plugin.',
    ),
  listenHttp: listenOption()
    .optional()
    .describe("Address of a listener for http-01, such as ':80'; it redirects all other requests to HTTPS."),
  listenTls: fields.listen.optional().describe("Address of a listener for tls-alpn-01 alone, such as ':443'."),
  proxyFrom: fields.proxyFrom,
  limits: z
    .strictObject({ connections: limits.connections, connectionsPerAddress: limits.connectionsPerAddress })
    .prefault({})
    .describe('Limits of `listenTls`.'),
  timeouts: z.strictObject({ handshake: timeouts.handshake }).prefault({}).describe('Timeouts of `listenTls`.'),
  keepKey: z
    .boolean()
    .default(true)
    .describe('Keep the key of a certificate when it is renewed, so that TLSA records for the key stay valid.'),
  dnsDelay: duration()
    .prefault('5 s')
    .describe('Time for secondary name servers to take over a dns-01 record after the primary has it.'),
})
export type Options = z.output<typeof options>
export type CertificateOptions = Options['certificates'][number]
