/**
 * The options of the plugin; the reference documentation is generated from this schema.
 */
import * as z from 'zod'

const server = z.strictObject({
  protocol: z.enum(['imap', 'pop3', 'smtp', 'managesieve']).describe('Protocol; smtp is submission.'),
  host: z.string().min(1).optional().describe("Host name. Default: the server's hostname."),
  port: z.int().min(1).max(65_535).describe('Port.'),
  security: z.enum(['tls', 'starttls']).default('tls').describe('TLS from the first octet, or after STARTTLS.'),
})

export const options = z.strictObject({
  servers: z
    .array(server)
    .min(1)
    .default([
      { protocol: 'imap', port: 993, security: 'tls' },
      { protocol: 'smtp', port: 465, security: 'tls' },
    ])
    .describe('Servers for mail programs, in the order in which they should be tried.'),
  name: z.string().min(1).max(100).optional().describe('Name that mail programs show. Default: the domain.'),
  web: z.string().min(1).optional().describe("Host name of the HTTP server. Default: the server's hostname."),
  sign: z
    .strictObject({
      cert: z.string().describe('File with the certificate and its chain (PEM).'),
      key: z.string().describe('File with its key (PEM).'),
    })
    .optional()
    .describe(
      'Certificate that signs Apple profiles. Default: that of the plugin acme; without one they are not signed.',
    ),
  webPort: z.int().min(1).max(65_535).default(443).describe('Its port with TLS.'),
})
export type Options = z.output<typeof options>
