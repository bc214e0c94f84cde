/**
 * Accounts listed in the configuration: the simplest account source.
 *
 * Invariants: mail for an unknown address of a local domain is refused, never relayed; an unknown name and a wrong
 * password get the same answer in the same time.
 */
import { defer, definePlugin, refuse, secretValue, size } from 'iems'
import * as z from 'zod'
import { isAddress, isDomain, readAddress, readDomain } from './addresses.ts'
import { Accounts, authorizeOwn } from './api.ts'
import { refuseForeignAuthors } from './authors.ts'
import { createDirectory, identityOf, type KeptAccount } from './directory.ts'
import { createVerifier, hashPassword, isPasswordHash, verifierOptions } from './passwords.ts'

export * from './api.ts'

const hash = z.string().refine(isPasswordHash, 'must be a hash as iems password hash prints it, or another system’s')

const account = z.strictObject({
  name: z.string().min(1).max(255).describe('What its owner logs in with; each of the addresses works as well.'),
  id: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/)
    .optional()
    .describe('What the mailboxes belong to. Default: the name; write it down before you change the name.'),
  addresses: z
    .array(z.string().refine(isAddress, 'must be an address (RFC 5321)'))
    .min(1)
    .describe('Mail for these comes here.'),
  password: z
    .union([hash, secretValue()])
    .optional()
    .describe('Hash as `iems password hash` prints it. Without it the account cannot log in.'),
  displayName: z.string().optional().describe('The name of the person.'),
  quota: size().optional().describe('What the mailboxes may hold. Default: no limit.'),
  groups: z.array(z.string()).default([]).describe('Groups it is in, for access to shared mailboxes.'),
  sendAs: z
    .array(z.string())
    .default([])
    .describe('Addresses it may send from beside its own; `*@example.org` is a whole domain, `*` any address.'),
  mayRelay: z.boolean().default(true).describe('May send mail to other places after logging in.'),
})

const options = z.strictObject({
  domains: z
    .array(z.string().refine(isDomain, 'must be a domain'))
    .min(1)
    .describe('Domains whose addresses are all known here.'),
  channel: z.string().default('local').describe('The channel that delivers to mailboxes.'),
  subaddress: z
    .string()
    .max(1)
    .default('+')
    .describe("Character that separates a subaddress, as in ann+lists@; '' for none."),
  ownAuthor: z
    .boolean()
    .default(true)
    .describe(
      'Every address in From and Sender of an authenticated client is held to the rule of `ownAddress` too, and its null sender is for reports alone.',
    ),
  ownAddress: z
    .boolean()
    .default(true)
    .describe(
      'An authenticated client sends only from addresses whose mail arrives at its account, or that `sendAs` lists.',
    ),
  hashing: verifierOptions.describe('Limits on the cost of password hashing.'),
  accounts: z.array(account).default([]).describe('Accounts, each with its addresses.'),
})

export const accounts = definePlugin({
  name: 'accounts',
  config: options,
  offers: [Accounts],
  setup(config, ctx) {
    ctx.routesTo(config.channel)
    const directory = createDirectory(config.accounts.map(keep), config.subaddress)
    const domains = new Set(config.domains.map((domain) => readDomain(domain)))
    const verify = createVerifier(config.hashing, ctx)
    const isOurs = (address: string) => domains.has(readAddress(address)?.domain)
    ctx.offer(Accounts, directory)
    return {
      hooks: {
        route: ({ to }) => (isOurs(to.address) ? { channel: config.channel, nexthop: 'mailboxes' } : undefined),
        async rcpt({ to }) {
          if (!isOurs(to.address) || (await directory.byAddress(to.address))) return undefined
          return refuse(550, '5.1.1', 'No such mailbox here')
        },
        async mail({ from, session: { identity } }) {
          if (!config.ownAddress || identity?.account === undefined || from === '') return undefined
          if (await directory.maySendAs(identity.account, from)) return undefined
          return refuse(553, '5.7.1', 'Not your address: log in as its owner')
        },
        authorize: (wish) => authorizeOwn(directory, wish),
        check: (message) =>
          config.ownAuthor
            ? refuseForeignAuthors(message, (account, from) => directory.maySendAs(account, from))
            : undefined,
        async auth(attempt) {
          if (attempt.kind !== 'password') return undefined
          const account = directory.find(attempt.username)
          const fits = await verify({ password: attempt.password, kept: account?.password, rank: attempt.rank })
          if (fits === undefined) return defer(454, '4.7.0', 'Too many logins at this moment')
          if (!fits || !account) return undefined
          return identityOf(account)
        },
      },
      commands: {
        'password hash': {
          summary: 'the hash of a password, to stand in the configuration',
          reads: 'secret',
          async *run({ input }) {
            let password = ''
            for await (const chunk of input) password += Buffer.from(chunk).toString()
            const kept = await hashPassword(password.replace(/\r?\n$/, ''))
            yield { text: kept, value: { hash: kept } }
          },
        },
      },
    }
  },
})

function keep({
  id,
  name,
  addresses,
  password,
  displayName,
  quota,
  groups,
  sendAs,
  mayRelay,
}: z.output<typeof account>): KeptAccount {
  const kept = typeof password === 'string' ? password : password?.reveal().trim()
  if (kept !== undefined && !isPasswordHash(kept))
    throw new Error(`the password of ${name} is no hash that is known here`)
  return {
    id: id ?? name,
    name,
    addresses,
    groups,
    sendAs,
    mayRelay,
    ...(kept === undefined ? {} : { password: kept }),
    ...(displayName === undefined ? {} : { displayName }),
    ...(quota === undefined ? {} : { quota }),
  }
}
