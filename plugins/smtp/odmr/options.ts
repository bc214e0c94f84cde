/**
 * The options for hosts that fetch their mail, and for mail that this server fetches; docs/config.md is generated from
 * this schema.
 */
import { duration, listenOption, secretValue, size, tlsOption } from 'iems'
import * as z from 'zod'
import { parseNexthop } from '../out/api.ts'

const domain = z
  .string()
  .regex(/^[a-z\d](?:[a-z\d-]*[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]*[a-z\d])?)+$/, 'must be a domain in lower case')

const customer = z.strictObject({
  users: z.array(z.string()).min(1).describe('Logins that may fetch this mail.'),
  password: secretValue()
    .optional()
    .describe(
      "Password of these logins for CRAM-MD5, which RFC 2645 demands and fetchmail needs: secret.file('/path'). Without it, accounts are asked, by the mechanisms that they provide.",
    ),
  domains: z
    .array(domain)
    .min(1)
    .describe('Domains whose mail waits here until it is fetched. ATRN without a domain asks for all of them.'),
})

const source = z.strictObject({
  server: z
    .string()
    .refine((text) => parseNexthop(text)?.kind === 'host', "must be a host with its port: 'mail.example.net:366'")
    .describe("Provider and port: 'mail.example.net:366', '[192.0.2.1]:366'."),
  method: z
    .enum(['atrn', 'etrn'])
    .default('atrn')
    .describe(
      "'atrn' (RFC 2645) fetches mail over the same connection and needs a login; 'etrn' (RFC 1985) asks the provider to connect to this server.",
    ),
  domains: z
    .array(domain)
    .default([])
    .describe('Domains to ask for. Default with ATRN: those that belong to the login.'),
  user: z.string().min(1).optional().describe('Name to authenticate with.'),
  password: secretValue().optional().describe("Its password: secret.env('NAME') or secret.file('/path')."),
  tls: z
    .enum(['off', 'opportunistic', 'required', 'verified'])
    .default('verified')
    .describe('TLS with the provider, as in smtp-out. Passwords are sent in the clear only with `off`.'),
  every: duration().prefault('15 min').describe('Interval at which mail is fetched.'),
  at: z
    .array(z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, "must be a time of day such as '02:00'"))
    .default([])
    .describe('Times of day at which mail is fetched, instead of at intervals.'),
})

export const options = z
  .strictObject({
    listen: listenOption().optional().describe("Addresses at which customers fetch their mail: ':366'. Default: none."),
    tls: tlsOption(366).optional().describe('Certificates; without them there is no TLS.'),
    authWithoutTls: z
      .boolean()
      .default(false)
      .describe('Accept passwords without TLS. Only for networks that cannot be tapped.'),
    customers: z.array(customer).default([]).describe('Hosts that fetch their mail here.'),
    session: duration().prefault('1 h').describe('Time after which no further message of one session begins.'),
    fetch: z.array(source).default([]).describe('Providers from which this server fetches its own mail.'),
    maxSize: size().prefault('50 MB').describe('Largest message that is fetched.'),
  })
  .superRefine(({ listen, customers, tls, authWithoutTls, fetch }, check) => {
    const issue = (path: string, message: string) => check.addIssue({ code: 'custom', path: [path], message })
    if (listen && !tls && !authWithoutTls)
      issue('listen', 'needs tls, or authWithoutTls: true to let passwords pass in the clear')
    if (listen && customers.length === 0) issue('customers', 'names at least one customer where `listen` is set')
    const all = customers.flatMap(({ domains }) => domains)
    if (new Set(all).size !== all.length) issue('customers', 'a domain belongs to one customer only')
    for (const { method, user, password, domains } of fetch) {
      if (method === 'atrn' && !(user && password)) issue('fetch', 'needs user and password with ATRN')
      if (method === 'etrn' && domains.length === 0) issue('fetch', 'needs domains with ETRN')
    }
  })
export type Options = z.output<typeof options>
export type Source = Options['fetch'][number]
