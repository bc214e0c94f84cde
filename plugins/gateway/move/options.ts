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

const tlsMode = z.enum(['implicit', 'starttls', 'none'])

export const server = z.strictObject({
  host: z.string().min(1).max(255).describe('Name or address of the old server.'),
  port: z.int().min(1).max(65_535).default(993).describe('Its IMAP port.'),
  tls: tlsMode
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

export const proxy = z.strictObject({
  pop3: z
    .strictObject({
      port: z.int().min(1).max(65_535).default(995).describe('POP3 port of the old server.'),
      tls: tlsMode.optional().describe('TLS of that port. Default: as for IMAP.'),
    })
    .prefault({})
    .describe('POP3 on the old server.'),
  sieve: z
    .strictObject({
      port: z.int().min(1).max(65_535).default(4190).describe('ManageSieve port of the old server.'),
      tls: tlsMode.default('starttls').describe('TLS of that port.'),
    })
    .optional()
    .describe(
      'ManageSieve on the old server: clients manage their scripts there until the switch, which brings the scripts here. Default: scripts are managed here from the first day.',
    ),
  delivery: z
    .strictObject({
      channel: z.string().min(1).describe('Channel that delivers to the old server, such as `smtpOut` with LMTP.'),
      nexthop: z.string().min(1).describe("Its address there, such as '[192.0.2.1]:24'."),
    })
    .describe('Route of mail for accounts that are still there.'),
  local: z.string().default('local').describe('Channel of the mailboxes here.'),
  learn: z
    .boolean()
    .default(true)
    .describe('Verify passwords of accounts that have none here on the old server, and keep them in the directory.'),
})
export type Proxy = z.output<typeof proxy>

export const options = z.strictObject({
  server: server.optional().describe('The IMAP server that accounts are moved from.'),
  readpst: z.string().default('/usr/bin/readpst').describe('Program of pst-utils that converts PST files.'),
  doveadm: z.string().default('/usr/bin/doveadm').describe('Program of dovecot-core that reads mdbox and sdbox.'),
  proxy: proxy
    .optional()
    .describe('Serve accounts that have not been switched from the old server. Needs its master user.'),
})
export type Options = z.output<typeof options>
