/**
 * JMAP (RFC 8620 and 8621) over the HTTP service: mail, submission, blobs, quotas, pushes.
 *
 * This file only wires; request.ts is the way of a request, objects.ts the standard methods.
 */
import { definePlugin, type SetupContext } from 'iems'
import * as z from 'zod'
import { Accounts } from '../../directory/static/api.ts'
import { Directory } from '../../directory/store/api.ts'
import { MailQuery, MailStore } from '../../mailbox/store/api.ts'
import { Http, type HttpApi } from '../http/api.ts'
import { CORE, Contacts, Jmap, MAIL, SUBMISSION } from './api.ts'
import { addBlobMethods } from './blob/methods.ts'
import { addContacts } from './contacts/index.ts'
import { addConversations } from './conversations/index.ts'
import { KeptObjects } from './kept.ts'
import { addEmailMethods, emailType } from './mail/emails.ts'
import { mailboxType } from './mail/mailboxes.ts'
import { threadType } from './mail/threads.ts'
import { type Options, options } from './options.ts'
import { addEventSource } from './push/eventsource.ts'
import type { PushDeps } from './push/pushes.ts'
import { addSubscriptionMethods } from './push/subscription-methods.ts'
import { PushSubscriptions, SubscriptionsChanged } from './push/subscriptions.ts'
import { vapidKeys, WebPush } from './push/web-push.ts'
import { addWebSocket, WEBSOCKET, WEBSOCKET_PATH } from './push/websocket.ts'
import { QUOTA, quotaType } from './quota/quotas.ts'
import { Registry } from './registry.ts'
import { addRoutes } from './routes.ts'
import { MailboxShares } from './sharing/mailbox-shares.ts'
import { notificationType, type ShareNote } from './sharing/notifications.ts'
import { OWNER, PRINCIPALS, Principals, principalType } from './sharing/principals.ts'
import { Identities, identityType } from './submission/identities.ts'
import { submissionType } from './submission/submissions.ts'

export * from './api.ts'

const VAPID = 'urn:ietf:params:jmap:webpush-vapid'
const SWEEP_MS = 86_400_000

export const jmap = definePlugin({
  name: 'jmap',
  config: options,
  offers: [Jmap, Contacts],
  needs: [Http, Accounts, MailStore, MailQuery],
  wants: [Directory],
  records: {
    submission: { version: 1 },
    identity: { version: 1 },
    push: { version: 1 },
    card: { version: 1 },
    book: { version: 1 },
    shared: { version: 1 },
    snooze: { version: 1 },
    label: { version: 1 },
  },
  setup(config, ctx) {
    const http = ctx.use(Http)
    const registry = new Registry({
      clock: ctx.clock,
      log: ctx.log,
      limits: config.limits,
      mail: ctx.use(MailStore),
      accounts: ctx.use(Accounts),
    })
    ctx.offer(Jmap, registry)
    addMail(registry, config, ctx)
    ctx.offer(Contacts, addContacts(registry, ctx))
    addConversations(registry, ctx)
    addPush(http, registry, { config, ctx })
    addRoutes(http, registry, { limits: config.limits, mail: ctx.use(MailStore) })
    return {}
  },
})

function addMail(registry: Registry, config: Options, ctx: SetupContext): void {
  const deps = {
    shares: addSharing(registry, ctx),
    mail: ctx.use(MailStore),
    query: ctx.use(MailQuery),
    blobs: registry.blobKinds,
    accounts: ctx.use(Accounts),
    store: ctx.store,
    clock: ctx.clock,
    log: ctx.log,
    hostname: ctx.hostname,
  }
  const identities = new Identities(deps)
  const emails = emailType(deps)
  registry.capability(MAIL, {
    session: {},
    account: (account, own) => ({
      maxMailboxesPerEmail: null,
      maxMailboxDepth: null,
      maxSizeMailboxName: 255,
      maxSizeAttachmentsPerEmail: config.limits.upload,
      emailQuerySortOptions: emails.sorts ?? [],
      mayCreateTopLevelMailbox: account === own,
    }),
  })
  registry.capability(SUBMISSION, {
    session: {},
    account: (account, own) =>
      account === own
        ? {
            maxDelayedSend: Math.floor(config.maxSendLater / 1000),
            submissionExtensions: { FUTURERELEASE: [], DSN: [], SIZE: [] },
          }
        : undefined,
  })
  registry.capability(QUOTA, { session: {}, account: () => ({}) })
  registry.objects('Mailbox', mailboxType(deps))
  registry.objects('Thread', threadType(deps))
  registry.objects('Email', emails)
  addEmailMethods(registry, deps)
  addBlobMethods(registry, deps)
  registry.objects('Identity', identityType(identities))
  registry.objects(
    'EmailSubmission',
    submissionType(
      {
        ...deps,
        identities,
        queue: ctx.queue,
        submissions: new KeptObjects(ctx.store, 'submission', (account) =>
          registry.changed(account, ['EmailSubmission']),
        ),
        undo: config.undo,
        maxSendLater: config.maxSendLater,
      },
      emails as never,
    ),
  )
  registry.objects('Quota', quotaType(deps))
  registry.method('Core/echo', {
    capability: CORE,
    arguments: z.record(z.string(), z.unknown()),
    run: async (given) => given,
  })
}

/** Principals, notifications, and the change of who shares a mailbox. */
function addSharing(registry: Registry, ctx: SetupContext): MailboxShares {
  const [mail, accounts] = [ctx.use(MailStore), ctx.use(Accounts)]
  const principals = new Principals({ accounts, directory: ctx.find(Directory) })
  const notes = new KeptObjects<ShareNote>(ctx.store, 'shared', (account) =>
    registry.changed(account, ['ShareNotification']),
  )
  registry.capability(PRINCIPALS, {
    session: {},
    account: (account, own) => (account === own ? { currentUserPrincipalId: own } : undefined),
  })
  registry.capability(OWNER, {
    session: {},
    account: (account, own) => ({ accountIdForPrincipal: own, principalId: account }),
  })
  registry.objects('Principal', principalType(principals))
  registry.objects('ShareNotification', notificationType(notes))
  return new MailboxShares({ mail, accounts, principals, notes, clock: ctx.clock })
}

function addPush(
  http: HttpApi,
  registry: Registry,
  { config, ctx }: { readonly config: Options; readonly ctx: SetupContext },
): void {
  const mail = ctx.use(MailStore)
  const types = [
    ...['Email', 'Mailbox', 'Thread', 'EmailSubmission', 'AddressBook', 'ContactCard', 'ShareNotification'],
    ...['ConversationSnooze', 'EmailLabel'],
  ]
  const deps = {
    clock: ctx.clock,
    types,
    watch: (account: string, changed: () => void) => registry.watch(account, changed),
    states: (account: string, wanted: readonly string[]) => registry.states(account, wanted, { own: account }),
    accountsOf: async ({ login }: { readonly login: { readonly identity: { readonly account?: string } } }) => {
      const own = login.identity.account as string
      return [own, ...new Set((await mail.shared(own)).map(({ account }) => account))]
    },
  }
  registry.capability(WEBSOCKET, { session: { url: WEBSOCKET_PATH, supportsPush: true } })
  addEventSource(http, deps)
  addWebSocket(http, {
    ...deps,
    maxMessage: config.limits.request,
    answer: (text, call) => registry.answer(text, call),
  })
  addWebPush(registry, deps, { config, ctx })
}

function addWebPush(
  registry: Registry,
  deps: PushDeps & { readonly types: readonly string[] },
  { config, ctx }: { readonly config: Options; readonly ctx: SetupContext },
): void {
  const { clock, dns, log, store, signals } = ctx
  const subscriptions = new PushSubscriptions(store)
  const contact = `mailto:${config.push.contact ?? `postmaster@${ctx.hostname}`}`
  const push = new WebPush({
    ...deps,
    clock,
    dns,
    log,
    store,
    signals,
    subscriptions,
    contact,
    allow: config.push.allow,
  })
  addSubscriptionMethods(registry, {
    subscriptions,
    types: deps.types,
    mayBePlain: config.push.allow.length > 0,
    now: () => clock.now(),
    verify: (account, id, one) => push.verify(account, id, one),
    changed: (account) => signals.publish(SubscriptionsChanged, { account }),
  })
  registry.capability(VAPID, {
    session: async () => ({ applicationServerKey: (await vapidKeys(store)).publicKey }),
  })
  ctx.schedule({ name: 'push subscriptions', every: SWEEP_MS, run: () => subscriptions.sweep() })
  ctx.background({ name: 'web-push', start: () => push.start(), stop: () => push.stop() })
}
