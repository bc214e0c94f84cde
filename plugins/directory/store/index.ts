/**
 * Accounts, groups, aliases, domains and routing entries in the store: authentication and mail routing.
 *
 * This file assembles the parts; start reading at api.ts, then mail-routing.ts and changes.ts.
 */
import { definePlugin, duration, IdentityChanged } from 'iems'
import * as z from 'zod'
import {
  Accounts,
  refuseForeignAuthors,
  SCRAM_MECHANISMS,
  type ScramMechanism,
  verifierOptions,
} from '../static/api.ts'
import { AccountPasskeys } from './account-passkeys.ts'
import { AccountSecrets } from './account-secrets.ts'
import { DirectoryAccounts } from './accounts.ts'
import { Directory, DirectoryChanged } from './api.ts'
import { createChanges } from './changes.ts'
import { createCommands } from './commands/index.ts'
import { deadEnds } from './dead-ends.ts'
import { DirectoryService } from './directory-service.ts'
import { createFirst, firstOption } from './first.ts'
import { sweepHistory } from './history.ts'
import { createIdentities } from './identities.ts'
import { reindex } from './indexes.ts'
import { Logins } from './logins.ts'
import { Lookup } from './lookup.ts'
import { MailRouting } from './mail-routing.ts'
import { createKept } from './record-cache.ts'
import { sweepRemoved } from './removed.ts'

export * from './api.ts'

const options = z.strictObject({
  channel: z.string().default('local').describe('The channel that delivers to mailboxes.'),
  subaddress: z
    .string()
    .max(1)
    .default('+')
    .describe("Character that separates a subaddress, as in ann+lists@; '' for none."),
  members: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('Most members that one group may become; `limits.recipients` bounds them too.'),
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
      'An authenticated client sends only from addresses whose mail arrives at its account, or for which `send-as` gives leave.',
    ),
  aliasSenders: z
    .boolean()
    .default(true)
    .describe('The only target of an alias, wildcard or catch-all may send from its addresses.'),
  scram: z
    .union([z.boolean(), z.array(z.enum(SCRAM_MECHANISMS)).min(1)])
    .default(false)
    .transform((given): readonly ScramMechanism[] => (given === true ? ['SCRAM-SHA-256'] : given || []))
    .describe(
      "Offers SCRAM, by which clients prove that they know the password without sending it: `true` is SCRAM-SHA-256; `['SCRAM-SHA-256', 'SCRAM-SHA-1']` adds the older one for clients that know no other. A verifier of each is kept beside the argon2id hash from the next login or change of a password on; passwords are easier to try on verifiers, most of all on SCRAM-SHA-1.",
    ),
  proxyLogin: z
    .boolean()
    .default(false)
    .describe(
      'Accounts with the role `admin` may act for every other account, for migrations and support: they log in with their own password and name the account as SASL authorization identity, in IMAP, POP3, SMTP and LDAP. Each use is logged as `session.proxied` and shown with its messages.',
    ),
  first: firstOption,
  hashing: verifierOptions.describe('Limits on the cost of password hashing.'),
  passwords: z
    .strictObject({
      minLength: z.int().min(1).max(1024).default(8).describe('The fewest characters of a new password.'),
      notTheName: z.boolean().default(true).describe('A new password is not the name or an address of its account.'),
    })
    .prefault({})
    .describe('Requirements on new passwords. Imported hashes are taken as they are.'),
  posixNumbersFrom: z
    .int()
    .min(1)
    .max(2_147_483_647)
    .default(100_000)
    .describe(
      'First `uidNumber` and `gidNumber` for entries of the classes posixAccount and posixGroup that are written without one.',
    ),
  history: duration().prefault('365 days').describe('Time for which changes and their authors are recorded.'),
  removed: duration()
    .prefault('14 days')
    .describe(
      'Time for which removed entries are kept, with their secrets, members and groups, and can be brought back. 0 s: they are gone at once.',
    ),
  issuer: z.string().optional().describe('Name of this server in authenticator apps. Default: the hostname.'),
})

const SWEEP_EVERY_MS = 6 * 3_600_000

export const directory = definePlugin({
  name: 'directory',
  config: options.prefault({}),
  offers: [Accounts, Directory],
  async setup(config, ctx) {
    ctx.routesTo(config.channel)
    const { store, clock } = ctx
    await reindex(store)
    const kept = createKept(store)
    const lookup = new Lookup(store, kept)
    const changed = () => {
      kept.expire()
      ctx.signals.publish(IdentityChanged, {})
      ctx.signals.publish(DirectoryChanged, {})
    }
    const changes = createChanges({
      store,
      clock,
      changed,
      scram: config.scram,
      policy: config.passwords,
      numbersFrom: config.posixNumbersFrom,
      keepsRemoved: config.removed > 0,
    })
    const flow = new MailRouting(lookup, config)
    const accountOf = (login: string) => flow.byLogin(login)
    const logins = new Logins({
      accountOf,
      changes,
      clock,
      store,
      log: ctx.log,
      scram: config.scram,
      hashing: config.hashing,
    })
    const identities = createIdentities({
      recordOf: (id) => lookup.account(id),
      accountOf,
      clock,
      proxyLogin: config.proxyLogin,
    })
    const secrets = new AccountSecrets({ lookup, changes, clock, issuer: config.issuer ?? ctx.hostname })
    const passkeys = new AccountPasskeys({ lookup, changes, clock })
    const service = new DirectoryService({ store, lookup, changes, secrets, passkeys })
    const accounts = new DirectoryAccounts({ lookup, reader: service, flow, logins })
    const first = createFirst(config.first, { service, log: ctx.log })
    ctx.schedule({ name: 'history', every: SWEEP_EVERY_MS, run: () => sweepHistory(store, clock, config.history) })
    ctx.schedule({
      name: 'removed',
      every: SWEEP_EVERY_MS,
      run: () => sweepRemoved(store, clock, config.removed),
    })
    ctx.offer(Accounts, accounts)
    ctx.offer(Directory, service)
    return {
      hooks: {
        auth: { handler: (attempt) => logins.auth(attempt), mechanisms: ['PLAIN', ...config.scram] },
        reidentify: ({ identity }) => identities.reidentify(identity),
        authorize: ({ identity, username }) => identities.authorize(identity, username),
        mail: ({ from, session }) => (config.ownAddress ? flow.mail(from, session.identity) : undefined),
        check: (message) => (config.ownAuthor ? refuseForeignAuthors(message, flow.maySendAs) : undefined),
        rcpt: ({ to, session }) => flow.rcpt(to.address, session),
        expand: ({ to }) => flow.expand(to),
        route: async ({ to }) => (await flow.routeOf(to.address))?.route,
      },
      commands: { ...createCommands({ service, flow, ctx }), ...first.commands },
      started: first.started,
      check: () => deadEnds(service, flow),
    }
  },
})
