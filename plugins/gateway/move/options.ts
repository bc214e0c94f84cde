/** The options of the plugin; their descriptions become docs/config.md. */
import { secretValue } from 'iems'
import * as z from 'zod'

const master = z.strictObject({
  user: z.string().min(1).max(255).describe("Name of the old server's master user."),
  password: secretValue().describe("Its password: secret.env('NAME') or secret.file('/path')."),
  separator: z
    .string()
    .max(1)
    .default('*')
    .describe(
      "Between the account's login and the master user's (Dovecot: `auth_master_user_separator`). Empty: the account is named as the SASL authorization identity, as Cyrus expects.",
    ),
})

export const server = z.strictObject({
  host: z.string().min(1).max(255).describe('Name or address of the old server.'),
  port: z.int().min(1).max(65_535).default(993).describe('Its IMAP port.'),
  tls: z
    .enum(['implicit', 'starttls', 'none'])
    .default('implicit')
    .describe('TLS from the start, by STARTTLS, or none, which is for a trusted network only.'),
  verify: z.boolean().default(true).describe("Verify the old server's certificate."),
  master: master.optional().describe('Master user, who may open every account.'),
  login: z
    .enum(['name', 'address'])
    .default('address')
    .describe("Login of accounts on the old server: the account's name or its first address."),
})
export type Server = z.output<typeof server>

export const options = z.strictObject({
  server: server.optional().describe('The IMAP server that accounts are moved from.'),
})
export type Options = z.output<typeof options>
