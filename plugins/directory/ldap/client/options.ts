/**
 * The plugin's options, and the attributes of OpenLDAP and Active Directory.
 */
import { duration, secretValue, size } from 'iems'
import * as z from 'zod'
import { parseDn } from '../server/api.ts'
import { compileFilter, FilterError } from './filter.ts'

const filter = z.string().refine((text) => {
  try {
    return compileFilter(text) !== undefined
  } catch (cause) {
    if (cause instanceof FilterError) return false
    throw cause
  }
}, 'must be a filter of RFC 4515')

const server = z
  .string()
  .refine(
    (text) => /^ldaps?:\/\/[^/?#]+\/?$/.test(text) && URL.canParse(text),
    'must be ldap://host:port or ldaps://host:port',
  )

/** An attribute name that ldapjs can send. */
const attribute = z.string().regex(/^[A-Za-z][\w.;-]*$/, 'must be the name of an attribute')
const attributes = z.array(attribute)
/** With `=` and a prefix or the whole of the values. */
const valued = z.array(z.string().regex(/^[A-Za-z][\w.;-]*(?:=.*)?$/, 'must be attribute or attribute=value'))

const name = z
  .string()
  .max(8192)
  .refine((text) => parseDn(text) !== undefined, 'must be a distinguished name')

const accounts = z.strictObject({
  base: name.optional().describe('Entry below which accounts are searched. Default: `base`.'),
  filter: filter.optional().describe('Filter that every account matches.'),
  id: attribute.optional().describe('Attribute that never changes; mailboxes belong to its value.'),
  name: attribute.optional().describe('Attribute with the name of the account.'),
  logins: attributes.optional().describe('Attributes whose values are accepted as login names.'),
  addresses: valued
    .optional()
    .describe('Attributes with the addresses of the account. `attribute=prefix:` takes the values with that prefix.'),
  displayName: attribute.optional().describe('Attribute with the name of the person.'),
  quota: attribute.optional().describe('Attribute with the size limit of the mailboxes, in octets.'),
  forward: attribute.optional().describe('Attribute with addresses that receive the mail instead.'),
  mailHost: attribute
    .optional()
    .describe('Attribute with the host that receives the mail instead, by `mailHostChannel`.'),
  sendAs: attribute
    .optional()
    .describe('Attribute with further sender addresses; `*@example.org` allows a domain, `*` every address.'),
  passwordChanged: attribute
    .optional()
    .describe('Attribute with the time of the last password change, or a growing number: a later value ends sessions.'),
  disabled: valued
    .optional()
    .describe('`attribute=value` pairs of an account that may not log in; a match ends its sessions.'),
})
const groups = z.strictObject({
  base: name.optional().describe('Entry below which groups are searched. Default: `base`.'),
  filter: filter.optional().describe('Filter that every group matches.'),
  name: attribute.optional().describe('Attribute with the name of the group.'),
  addresses: valued.optional().describe('Attributes with the addresses of the group; its members receive the mail.'),
  members: attributes.optional().describe('Attributes with members: distinguished names or addresses.'),
})

export const options = z.strictObject({
  servers: z
    .array(server)
    .min(1)
    .describe('URLs of the servers, in order of preference. The next one is used when one is unreachable.'),
  startTls: z.boolean().default(true).describe('Require StartTLS on ldap:// URLs. Without TLS no request is sent.'),
  tls: z
    .strictObject({
      ca: z.string().optional().describe('PEM file with the certificate authorities. Default: those of the system.'),
      servername: z.string().optional().describe('Name that the certificate must be for. Default: the host.'),
    })
    .prefault({})
    .describe("Verification of the servers' certificates."),
  bindDn: z
    .string()
    .max(8192)
    .default('')
    .describe(
      'Name that searches bind as: a distinguished name, or user@domain on Active Directory. Default: anonymous.',
    ),
  password: secretValue().optional().describe('Password of `bindDn`.'),
  base: name.describe("Entry below which everything is searched: 'dc=example,dc=org'."),
  kind: z
    .enum(['openldap', 'active-directory'])
    .default('openldap')
    .describe('Type of the servers: chooses the defaults of `accounts` and `groups`.'),
  accounts: accounts.prefault({}).describe('Search for accounts, and the meaning of their attributes.'),
  groups: groups.prefault({}).describe('Search for groups, and the meaning of their attributes.'),
  domains: z
    .array(z.string())
    .min(1)
    .describe('Domains whose addresses are looked up; mail for an unknown address of these is refused.'),
  channel: z.string().default('local').describe('Channel that delivers to mailboxes.'),
  mailHostChannel: z.string().default('internet').describe('Channel that delivers to the value of `mailHost`.'),
  subaddress: z.string().max(1).default('+').describe("Separator of address details (ann+lists@); '' for none."),
  ownAuthor: z
    .boolean()
    .default(true)
    .describe('Apply `ownAddress` to every address in From and Sender too; the null sender is then for reports alone.'),
  ownAddress: z
    .boolean()
    .default(true)
    .describe('Refuse MAIL FROM with an address that the authenticated client does not own.'),
  mayRelay: z.boolean().default(true).describe('Allow authenticated clients to send to other domains.'),
  members: z.int().positive().default(10_000).describe('Maximum number of recipients that one group expands to.'),
  connections: z
    .int()
    .positive()
    .default(8)
    .describe('Maximum number of connections for searches; logins use as many of their own.'),
  entries: z.int().positive().default(1_000_000).describe('Maximum number of entries of one search.'),
  messageSize: size().prefault('16 MiB').describe('Maximum size of one message from a server.'),
  timeouts: z
    .strictObject({
      connect: duration().prefault('5 s').describe('Time to connect, TLS included.'),
      request: duration().prefault('10 s').describe('Time for the whole answer to one request.'),
      rest: duration().prefault('30 s').describe('Time for which an unreachable server is tried last.'),
    })
    .prefault({})
    .describe('Timeouts of connections to the servers.'),
  cache: z
    .strictObject({
      lifetime: duration().prefault('5 min').describe('Lifetime of an entry that was found.'),
      absent: duration().prefault('30 s').describe('Lifetime of the fact that no entry was found.'),
      stale: duration().prefault('1 h').describe('Lifetime of an entry while no server is reachable.'),
      size: z.int().positive().default(10_000).describe('Maximum number of cached answers.'),
    })
    .prefault({})
    .describe('Time for which answers are cached. Passwords are never cached.'),
})
export type Options = z.output<typeof options>

interface Mapping {
  readonly accounts: {
    readonly base: string
    readonly filter: string
    readonly id: string
    readonly name: string
    readonly logins: readonly string[]
    readonly addresses: readonly string[]
    readonly displayName: string
    readonly quota?: string
    readonly forward?: string
    readonly mailHost?: string
    readonly sendAs?: string
    readonly passwordChanged: string
    readonly disabled: readonly string[]
  }
  readonly groups: {
    readonly base: string
    readonly filter: string
    readonly name: string
    readonly addresses: readonly string[]
    readonly members: readonly string[]
  }
}

export type { Mapping }

const USUAL = {
  openldap: {
    accounts: {
      filter: '(objectClass=inetOrgPerson)',
      id: 'entryUUID',
      name: 'uid',
      logins: ['uid', 'mail'],
      addresses: ['mail', 'mailLocalAddress'],
      displayName: 'displayName',
      forward: 'mailRoutingAddress',
      mailHost: 'mailHost',
      passwordChanged: 'pwdChangedTime',
      // Locked by an administrator in OpenLDAP's ppolicy (not by wrong passwords), or in 389 Directory Server.
      disabled: ['pwdAccountLockedTime=000001010000Z', 'nsAccountLock=true'],
    },
    groups: {
      filter: '(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))',
      name: 'cn',
      addresses: ['mail'],
      members: ['member', 'uniqueMember', 'rfc822MailMember'],
    },
  },
  'active-directory': {
    accounts: {
      // Users that are neither computers nor disabled.
      filter: '(&(objectCategory=person)(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))',
      id: 'objectGUID',
      name: 'sAMAccountName',
      logins: ['sAMAccountName', 'userPrincipalName', 'mail'],
      addresses: ['mail', 'proxyAddresses=smtp:'],
      displayName: 'displayName',
      passwordChanged: 'pwdLastSet',
      disabled: [],
    },
    groups: {
      filter: '(objectClass=group)',
      name: 'sAMAccountName',
      addresses: ['mail', 'proxyAddresses=smtp:'],
      members: ['member'],
    },
  },
} as const

const given = <T extends object>(options: T) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

/** The options, completed by the defaults of the kind. */
export function mappingOf({ kind, base, accounts, groups }: Options): Mapping {
  return {
    accounts: { base, ...USUAL[kind].accounts, ...given(accounts) },
    groups: { base, ...USUAL[kind].groups, ...given(groups) },
  } as Mapping
}
