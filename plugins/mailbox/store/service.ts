/**
 * The message store put together: the service, the delivering end, and what runs beside them.
 */
import type { SetupContext } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
import { createChanges, isRefused } from './account-transactions.ts'
import type { MailboxRef, MailStoreApi, Moved, Or, Uids } from './api.ts'
import { createAppend } from './append.ts'
import { createCheck } from './check.ts'
import { createDeliver } from './deliver.ts'
import { createEmails } from './emails.ts'
import { createMailboxes } from './mailboxes.ts'
import { createMessages } from './messages.ts'
import { createMetadata } from './metadata.ts'
import { createQuery } from './query/query-service.ts'
import { type AccountRecord, accountKey, decode } from './records.ts'
import { createFinding, type FindingSettings } from './search-service.ts'
import { createSweep, type Retention } from './sweep.ts'
import { createUndelete } from './undelete.ts'
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
}

export function createMailStore(ctx: SetupContext, accounts: AccountsApi, settings: Settings) {
  const { store, contents, clock, log, signal } = ctx
  const now = () => clock.now()
  const watchers = createWatchers(ctx)
  const quotaOf = async (account: string) => (await accounts.byId(account))?.quota
  const emails = createEmails({ store, contents })
  const finding = createFinding(ctx, emails, settings.search)

  async function releaseAll(letGo: readonly { base: string; tag: string }[]): Promise<void> {
    for (const { base, tag } of letGo) await emails.release(base, tag)
  }

  const changeAccount = createChanges({
    store,
    contents,
    committed(account, changed, letGo) {
      watchers.tell(account, changed)
      // What fails now is found by the next sweep.
      releaseAll(letGo).catch((cause: unknown) => log.error('not released', { cause }))
    },
  })
  const maxKeywords = settings.limits.keywords
  const keepsExpunged = settings.undelete > 0
  const messages = createMessages({ store, changeAccount, now, quotaOf, keepsExpunged, maxKeywords })
  const mailboxes = createMailboxes({
    store,
    clock,
    changeAccount,
    moveAll: messages.moveAll,
    removed: (ref) => void sweep.purge(ref).catch((cause: unknown) => log.error('not purged', { cause })),
    groupsOf: accounts.groupsOf,
    maxMailboxes: settings.limits.mailboxes,
  })
  const sweep = createSweep({
    store,
    clock,
    log,
    signal,
    changeAccount,
    emails,
    mailboxes,
    messages,
    undeleteMs: settings.undelete,
    rememberMs: settings.remember,
    retention: settings.retention,
  })
  const deliver = createDeliver({
    store,
    contents,
    accounts,
    changeAccount,
    emails,
    log,
    now,
    maxKeywords,
    file: async (filing) => (await ctx.call('mailstore:filing', filing, { of: filing.delivery })) ?? filing,
  })

  const append = createAppend({
    contents,
    changeAccount,
    mailboxes,
    now,
    quotaOf,
    maxSize: settings.maxSize,
    maxKeywords,
  })

  /** Tells plugins of what a user moved by hand. */
  async function told<T extends object>(
    work: () => Or<T>,
    { ref, uids, to }: { ref: MailboxRef; uids: Uids; to: MailboxRef },
  ): Or<T> {
    const [from, target] = await Promise.all([mailboxes.read(ref), mailboxes.read(to)])
    const isTold = from && target && from.specialUse !== target.specialUse && ref.account === to.account
    const moved: string[] = []
    if (isTold) for await (const { email } of messages.entries(ref, uids)) moved.push(email)
    const done = await work()
    if (isTold && !isRefused(done) && moved.length > 0) {
      const subject: Moved = { account: to.account, from, to: target, emails: moved }
      ctx.call('mailstore:moved', subject).catch((cause: unknown) => log.error('not told', { cause }))
    }
    return done
  }

  const service: MailStoreApi = {
    mailboxes: mailboxes.all,
    find: mailboxes.find,
    mailbox: mailboxes.read,
    create: mailboxes.create,
    rename: mailboxes.rename,
    remove: mailboxes.remove,
    subscribe: mailboxes.subscribe,
    lostSubscriptions: mailboxes.lostSubscriptions,
    unsubscribeLost: mailboxes.unsubscribeLost,
    shared: mailboxes.shared,
    rights: mailboxes.rights,
    setAcl: mailboxes.setAcl,
    ...createMetadata({ store, changeAccount }),
    open: messages.open,
    entries: messages.entries,
    changes: messages.changes,
    append,
    setFlags: messages.setFlags,
    expunge: messages.expunge,
    copy: messages.copy,
    move: (ref, uids, to) => told(() => messages.move(ref, uids, to), { ref, uids, to }),
    email: emails.email,
    search: finding.find,
    candidates: finding.candidates,
    watch: watchers.watch,
    async usage(account) {
      const value = await store.get(accountKey(account))
      return value ? decode<AccountRecord>(value).octets : 0
    },
  }
  const query = createQuery({
    mailboxes: mailboxes.all,
    entries: messages.entries,
    email: emails.email,
    find: finding.find,
    candidates: finding.candidates,
    sortKeys: emails.sortKeys,
    maxMemory: settings.cache,
  })
  const checkAccount = createCheck({ store, changeAccount, emails })
  const undelete = createUndelete({ store, clock, changeAccount })
  return { service, query, sweep, deliver, checkAccount, finding, undelete }
}
