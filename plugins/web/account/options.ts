/**
 * The plugin's options.
 */
import * as z from 'zod'

const server = (port: number, what: string) =>
  z
    .strictObject({
      host: z.string().optional().describe('Default: the hostname of the server.'),
      port: z.int().min(1).max(65_535).default(port),
      security: z
        .enum(['tls', 'starttls', 'none'])
        .default('tls')
        .describe('Encryption of the connection; `none` only on one machine.'),
    })
    .prefault({})
    .describe(what)

export const options = z
  .strictObject({
    forwarding: z
      .enum(['anywhere', 'own', 'none'])
      .default('anywhere')
      .describe(
        'Targets to which account holders may forward their mail: any (`anywhere`), those in domains of this server (`own`), or none.',
      ),
    aliases: z
      .strictObject({
        domains: z.array(z.string()).default([]).describe('Domains in which account holders may take addresses.'),
        max: z.int().min(0).max(100).default(5).describe('Addresses that one account holder may take.'),
      })
      .prefault({})
      .describe('Addresses that account holders take themselves. Default: none.'),
    servers: z
      .strictObject({
        imap: server(993, 'Incoming mail.'),
        smtp: server(465, 'Outgoing mail.'),
      })
      .prefault({})
      .describe('Servers that the set-up help names.'),
  })
  .prefault({})
export type Options = ReturnType<typeof options.parse>
