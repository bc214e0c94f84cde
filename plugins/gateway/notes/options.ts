/** The options of the plugin; their descriptions become docs/config.md. */
import { duration, network, secretValue } from 'iems'
import * as z from 'zod'
import { isDomain } from '../../directory/static/api.ts'

const domain = z.string().refine(isDomain, 'must be a domain')

const ldap = z.strictObject({
  url: z
    .string()
    .refine((text) => /^ldaps?:\/\/[^/?#]+\/?$/.test(text) && URL.canParse(text), 'must be ldap://host or ldaps://host')
    .describe('URL of the server.'),
  startTls: z.boolean().default(true).describe('Require StartTLS on an ldap:// URL.'),
  bindDn: z.string().default('').describe('Name to log in with. Default: anonymous.'),
  password: secretValue().optional().describe('Password of `bindDn`.'),
  base: z.string().default('').describe('Entry below which persons and groups are searched. Default: all of them.'),
})

const connector = z.strictObject({
  channel: z.string().min(1).describe('Channel that leads to Domino, such as one of smtp-out.'),
  nexthop: z.string().min(1).describe('The Domino server, as that channel takes it.'),
  hosts: z
    .array(network())
    .default([])
    .describe('Networks of the Domino servers, whose messages may have Notes names.'),
  domains: z.array(domain).default([]).describe('Domains at which an address may have a Notes name as its local part.'),
  web: z
    .string()
    .regex(/^https?:\/\/[^/?#\s]+\/?$/, 'must be like https://domino.example.org')
    .optional()
    .describe('Domino\u2019s HTTP server: links to Notes documents in files (.ndl) get an address there too.'),
  directory: z
    .strictObject({
      file: z.string().min(1).optional().describe('A copy of names.nsf, a DXL file, or LDIF of Domino\u2019s LDAP.'),
      ldap: ldap.optional().describe('Domino\u2019s LDAP server, instead of a file.'),
      export: z
        .string()
        .optional()
        .describe(
          'Organisation (O=) under which accounts and groups that did not come from Notes are written by LDAP.',
        ),
      interval: duration().prefault('1 h').describe('Time between two runs.'),
    })
    .refine(({ file, ldap }) => (file === undefined) !== (ldap === undefined), 'needs either file or ldap')
    .refine((one) => one.export === undefined || one.ldap !== undefined, 'export needs ldap')
    .optional()
    .describe('Brings persons and groups of Domino into the directory on a schedule, and back.'),
})

export const options = z.strictObject({
  domain: domain
    .default('notes.invalid')
    .describe('Domain of the addresses that stand for Notes names which the directory does not know.'),
  connector: connector.optional().describe('Mail to and from a Domino server that is still in use.'),
})

export type Options = z.output<typeof options>
export type Connector = z.output<typeof connector>
export type LdapSource = z.output<typeof ldap>
export type DirectorySource = NonNullable<Connector['directory']>
