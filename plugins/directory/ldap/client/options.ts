/**
 * What an admin can set for one LDAP or Active Directory server, and what is usual for each.
 */
import { duration, secretValue, size } from 'iems'
import * as z from 'zod'
import { compileFilter, FilterError } from './filter-text.ts'

const filter = z.string().refine((text) => {
  try {
    return compileFilter(text).length > 0
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

const attributes = z.array(z.string())

const accounts = z.strictObject({
  base: z.string().optional().describe('Where accounts are. Default: `base`.'),
  filter: filter.optional().describe('What is an account.'),
  id: z.string().optional().describe('What never changes; mailboxes belong to it.'),
  name: z.string().optional().describe('What its owner is called here.'),
  logins: attributes.optional().describe('What its owner may log in with.'),
  addresses: attributes
    .optional()
    .describe('Mail for these comes here. `attribute=prefix:` takes values that begin so.'),
  displayName: z.string().optional().describe('The name of the person.'),
  quota: z.string().optional().describe('Octets that the mailboxes may hold.'),
  forward: z.string().optional().describe('Mail goes to these addresses instead.'),
  mailHost: z.string().optional().describe('Mail goes to this host instead, by `mailHostChannel`.'),
  sendAs: z
    .string()
    .optional()
    .describe('Addresses it may send from beside its own; `*@example.org` is a whole domain, `*` any address.'),
  passwordChanged: z
    .string()
    .optional()
    .describe('When the password was changed, as a time or a number that grows: a later one ends open sessions.'),
  disabled: attributes
    .optional()
    .describe('`attribute=value` of an account that may not log in: it ends open sessions.'),
})
const groups = z.strictObject({
  base: z.string().optional().describe('Where groups are. Default: `base`.'),
  filter: filter.optional().describe('What is a group.'),
  name: z.string().optional().describe('What it is called here.'),
  addresses: attributes.optional().describe('Mail for these goes to all members.'),
  members: attributes.optional().describe('DNs of members, and addresses.'),
})

export const options = z.strictObject({
  servers: z
    .array(server)
    .min(1)
    .describe('In the order in which they are asked: the next when one cannot be reached.'),
  startTls: z.boolean().default(true).describe('Begin TLS on ldap:// before anything is said.'),
  tls: z
    .strictObject({
      ca: z.string().optional().describe('File with the certificates of who may vouch for the servers (PEM).'),
      servername: z.string().optional().describe('The name in the certificate. Default: the host.'),
    })
    .prefault({})
    .describe('How the servers show that they are the right ones.'),
  bindDn: z.string().default('').describe('Who asks. Default: nobody.'),
  password: secretValue().optional().describe('Of who asks.'),
  base: z.string().describe("Where everything is: 'dc=example,dc=org'."),
  kind: z.enum(['openldap', 'active-directory']).default('openldap').describe('Which defaults fit what is below.'),
  accounts: accounts.prefault({}).describe('Which entries are accounts, and what is in them.'),
  groups: groups.prefault({}).describe('The same for groups.'),
  domains: z.array(z.string()).min(1).describe('Domains whose addresses are all known there.'),
  channel: z.string().default('local').describe('The channel that delivers to mailboxes.'),
  mailHostChannel: z.string().default('internet').describe('The channel that delivers to a `mailHost`.'),
  subaddress: z.string().max(1).default('+').describe("What divides ann+lists@ into ann and lists; '' for nothing."),
  ownAuthor: z
    .boolean()
    .default(true)
    .describe(
      'Every address in From and Sender of an authenticated client is held to the rule of `ownAddress` too, and its null sender is for reports alone.',
    ),
  ownAddress: z.boolean().default(true).describe('Who has logged in sends as one of his own addresses.'),
  mayRelay: z.boolean().default(true).describe('Who has logged in may send mail to other places.'),
  members: z.int().positive().default(10_000).describe('Most members that one group may become.'),
  connections: z.int().positive().default(8).describe('Connections at a time, and as many for logins.'),
  entries: z.int().positive().default(1_000_000).describe('Entries of one search: of all accounts, for commands.'),
  messageSize: size().prefault('16 MiB').describe('Size of one answer.'),
  timeouts: z
    .strictObject({
      connect: duration().prefault('5 s').describe('For a connection, TLS included.'),
      request: duration().prefault('10 s').describe('For an answer.'),
      rest: duration().prefault('30 s').describe('How long a server that cannot be reached is asked last.'),
    })
    .prefault({})
    .describe('How long the servers may be silent.'),
  cache: z
    .strictObject({
      lifetime: duration().prefault('5 min').describe('For what was found.'),
      absent: duration().prefault('30 s').describe('For what was not.'),
      stale: duration().prefault('1 h').describe('For what was found, while no server can be reached.'),
      size: z.int().positive().default(10_000).describe('Answers that are kept.'),
    })
    .prefault({})
    .describe('How long answers count. Passwords are never kept.'),
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
      // Locked by an administrator in OpenLDAP's ppolicy (not by wrong passwords), and in 389 Directory Server.
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
      // Users that are no computers and not disabled.
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

const said = <T extends object>(given: T) =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))

/** What was set, and what is usual. */
export function mappingOf({ kind, base, accounts, groups }: Options): Mapping {
  return {
    accounts: { base, ...USUAL[kind].accounts, ...said(accounts) },
    groups: { base, ...USUAL[kind].groups, ...said(groups) },
  } as Mapping
}
