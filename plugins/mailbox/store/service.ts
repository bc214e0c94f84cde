/**
 * The mail store put together: the services, the delivering end, and what runs beside them.
 */
import type { DeliverContext, Delivery, SetupContext } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
import { createAccountEmails } from './account-emails.ts'
import { createLimitsOf, createTellUsage } from './account-limits.ts'
import { createChanges, isRefused } from './account-transactions.ts'
import type { MailboxRef, MailStoreApi, Moved, Uids } from './api.ts'
import { createAppend } from './append.ts'
import { AccountCheck, type CheckOptions } from './check.ts'
import { MailboxDelivery } from './deliver.ts'
import { Emails } from './emails.ts'
import { createHistory } from './history.ts'
import { joinPools } from './limits.ts'
import { createMailboxes, type Mailboxes } from './mailboxes.ts'
import { createMessages, type Messages } from './messages.ts'
import { createMetadata } from './metadata.ts'
import { createPools } from './pools.ts'
import { createQuery } from './query/query-service.ts'
import { createRecount } from './recount.ts'
import { createFinding, type FindingSettings } from './search-service.ts'
import { createSweep, type Retention } from './sweep.ts'
import { createUndelete } from './undelete.ts'
import { createUploads } from './uploads.ts'
import { createUsage } from './usage.ts'
import { createWatchers } from './watchers.ts'

export interface Settings {
  readonly undelete: number
  readonly remember: number
  readonly retention: readonly Retention[]
  readonly search: FindingSettings
  /** Octets of memory for sort keys. */
  readonly cache: number
  /** Octets of one appended message. */
  readonly maxSize: number
  readonly limits: { readonly mailboxes: number; readonly keywords: number }
  readonly uploads: { readonly maxOctets: number; readonly keep: number }
}

/** The transactions of accounts, and their changes. */
function createCore(ctx: SetupContext, accounts: AccountsApi, settings: Settings) {
  const { store, contents, clock, log, signal } = ctx
  const now = () => clock.now()
  const watchers = createWatchers(ctx)
  const tellUsage = createTellUsage(ctx)
  const emails = new Emails({ store, contents })
  const changeAccount = createChanges({
    store,
    contents,
    committed(account, { mailboxes, letGo, before, after }) {
      watchers.tell(account, mailboxes)
      tellUsage({ account, before: usageIn(before), after: usageIn(after), mailboxes: [...mailboxes] })
      // The next sweep handles failures.
      releaseAll(emails, letGo).catch((cause: unknown) => log.error('not released', { cause }))
    },
  })
  const limitsOf = createLimitsOf(ctx, accounts)
  const maxKeywords = settings.limits.keywords
  const shared = { store, contents, clock, log, signal, changeAccount, now, limitsOf, maxKeywords, emails, accounts }
  const messages = createMessages({ ...shared, keepsExpunged: settings.undelete > 0 })
  const mailboxes = createMailboxes({
    ...shared,
    moveAll: messages.moveAll,
    removed: (ref) => void sweep.purge(ref).catch((cause: unknown) => log.error('not purged', { cause })),
    groupsOf: (account) => accounts.groupsOf(account),
    maxMailboxes: async (account) =>
      Math.min(settings.limits.mailboxes, (await limitsOf(account)).maxMailboxes ?? Number.POSITIVE_INFINITY),
  })
  const uploads = createUploads({ ...shared, maxOctets: settings.uploads.maxOctets, keepMs: settings.uploads.keep })
  const sweep = createSweep({
    ...shared,
    mailboxes,
    messages,
    sweepUploads: uploads.sweepUploads,
    undeleteMs: settings.undelete,
    rememberMs: settings.remember,
    retention: settings.retention,
  })
  return { ...shared, messages, mailboxes, uploads, sweep, watchers }
}

type Usage = Awaited<ReturnType<MailStoreApi['usage']>>
const usageIn = ({ octets, messages }: Usage): Usage => ({ octets, messages })

async function releaseAll(emails: Emails, letGo: readonly { base: string; tag: string }[]): Promise<void> {
  for (const { base, tag } of letGo) await emails.release(base, tag)
}

export function createMailStore(ctx: SetupContext, accounts: AccountsApi, settings: Settings) {
  const core = createCore(ctx, accounts, settings)
  const { store, clock, changeAccount, emails, messages, mailboxes, uploads, sweep } = core
  const finding = createFinding(ctx, emails, settings.search)
  const { all, find, read, ...onMailboxes } = mailboxes
  const { moveAll: _, move, ...onMessages } = messages
  const history = createHistory(store)
  const accountEmails = createAccountEmails(core)
  const service: MailStoreApi = {
    ...onMailboxes,
    mailboxes: all,
    find,
    mailbox: read,
    ...createMetadata(core),
    ...onMessages,
    move: createMove(ctx, { mailboxes, messages }),
    append: createAppend({ ...core, maxSize: settings.maxSize }),
    email: (id) => emails.email(id),
    search: finding.find,
    searchLatest: finding.latest,
    candidates: finding.candidates,
    watch: core.watchers.watch,
    ...createUsage(store),
    ...createPools(store),
    recount: createRecount(core),
    async joinPools(account) {
      const limits = await core.limitsOf(account)
      await changeAccount(account, async (change) => {
        await joinPools(change, limits)
        return null
      })
    },
    limitsOf: core.limitsOf,
    ...accountEmails,
    ...history,
    upload: uploads.upload,
    openUpload: uploads.openUpload,
  }
  const query = createQuery({
    mailboxes: all,
    entries: messages.entries,
    email: (id) => emails.email(id),
    find: finding.find,
    candidates: finding.candidates,
    sortKeys: (ids) => emails.sortKeys(ids),
    ...history,
    emails: accountEmails.emails,
    maxMemory: settings.cache,
  })
  const delivery = new MailboxDelivery({
    ...core,
    submit: ctx.submit,
    file: async (filing) => (await ctx.call('mailstore:filing', filing, { of: filing.delivery })) ?? filing,
  })
  const check = new AccountCheck({ store, changeAccount, emails })
  const undelete = createUndelete({ store, clock, changeAccount })
  return {
    service,
    query,
    sweep,
    finding,
    undelete,
    deliver: (one: Delivery, context: DeliverContext) => delivery.deliver(one, context),
    checkAccount: (account: string, options: CheckOptions) => check.checkAccount(account, options),
  }
}

interface MoveDeps {
  readonly mailboxes: Mailboxes
  readonly messages: Messages
}

/** A move that plugins hear of when a user makes it between mailboxes of different uses. */
function createMove({ call, log }: SetupContext, { mailboxes, messages }: MoveDeps): MailStoreApi['move'] {
  async function emailsOf(ref: MailboxRef, uids: Uids): Promise<readonly string[]> {
    const emails: string[] = []
    for await (const { email } of messages.entries(ref, uids)) emails.push(email)
    return emails
  }

  return async function move(ref, uids, to, options): ReturnType<MailStoreApi['move']> {
    const [from, target] = await Promise.all([mailboxes.read(ref), mailboxes.read(to)])
    const isTold = from && target && from.specialUse !== target.specialUse && ref.account === to.account
    const moved = isTold ? await emailsOf(ref, uids) : []
    const done = await messages.move(ref, uids, to, options)
    if (isTold && !isRefused(done) && moved.length > 0) {
      const subject: Moved = { account: to.account, from, to: target, emails: moved }
      call('mailstore:moved', subject).catch((cause: unknown) => log.error('not told', { cause }))
    }
    return done
  }
}
