/**
 * Scripts for events in IMAP (RFC 6785): messages that clients append, copy, move or flag.
 *
 * The annotation `/shared/imapsieve/script` of the mailbox, or else of the account, names a script of the account that
 * owns the mailbox. Invariants: the actions of a script cause no further event; a script that fails leaves the message
 * as it is, and the owner hears of it once.
 */
import type { Log, SetupContext } from 'iems'
import type { ImapChange } from '../../access/imap/api.ts'
import type { Account, AccountsApi } from '../../directory/static/api.ts'
import type { Entry, Mailbox, MailStoreApi } from '../store/api.ts'
import { type FailedScript, reportFailure } from './failures.ts'
import { notify } from './notify.ts'
import { sendingOf } from './sending.ts'
import { type Action, evaluate, type MessageSource, MessageView, type Result, SieveError } from './sieve/index.ts'
import { createEnvironment, createIncluded, type SurroundingsDeps } from './surroundings.ts'

export interface EventsDeps extends SurroundingsDeps {
  readonly accounts: Pick<AccountsApi, 'byId' | 'maySendAs'>
  readonly mail: MailStoreApi
  readonly log: Log
  readonly submit: SetupContext['submit']
}

/** Messages of one command for which a script runs. */
const MAX_MESSAGES = 1000
const ENTRY = '/shared/imapsieve/script'
/** RFC 6785 section 3.11. */
const INAPPLICABLE = ['reject', 'ereject', 'vacation', 'vacation-seconds']

export function createEvents(deps: EventsDeps) {
  const { mail, accounts, scripts, log } = deps

  return async function changed(change: ImapChange): Promise<void> {
    const { mailbox, uids } = change
    const name = await scriptOf(mail, mailbox)
    const account = name === undefined ? undefined : await accounts.byId(mailbox.account)
    if (name === undefined || !account) return
    const owner = `account:${account.id}`
    const text = await scripts.get(owner, name)
    if (text === undefined) return log.warn('no such script', { owner, name, mailbox: mailbox.name })
    const script = { owner, name, text, isOwn: true }
    if (uids.length > MAX_MESSAGES)
      log.warn('a script runs for a part of the messages', { owner, name, of: uids.length })
    const meant = uids.slice(0, MAX_MESSAGES).map((uid) => [uid, uid] as const)
    for await (const entry of mail.entries(mailbox, meant)) await runFor(deps, { change, account, script, entry })
  }
}

async function scriptOf(mail: Pick<MailStoreApi, 'metadata'>, { account, id }: Mailbox): Promise<string | undefined> {
  const own = await mail.metadata({ account, mailbox: id, who: account })
  return own[ENTRY] ?? (await mail.metadata({ account, who: account }))[ENTRY]
}

interface Event {
  readonly change: ImapChange
  readonly account: Account
  readonly script: FailedScript
  readonly entry: Entry
}

async function runFor(deps: EventsDeps, { change, account, script, entry }: Event): Promise<void> {
  const { mail, log } = deps
  const email = await mail.email(entry.email)
  const header = await email?.header()
  if (!email || !header) return
  const message: MessageSource = { size: email.size, header, open: (range) => email.open(range) }
  const view = new MessageView(message)
  const address = account.addresses[0] ?? account.name
  const id = `${entry.email} ${change.mailbox.id} ${entry.uid} ${entry.modseq}`
  const occasion = { account, recipient: { address, original: address }, id, from: address, isJunk: false }
  const result = await resultOf(deps, { change, account, script, entry }, view, message)
  if (result.error) return reportFailure(deps, occasion, script, result.error)
  const sending = sendingOf(deps, occasion, view)
  for (const [index, action] of result.actions.entries()) {
    if (action.kind === 'notify') await notify(sending, action, `${index}`)
    else if (action.kind === 'redirect') await redirect(deps, action, { address, message, id })
    else if (action.kind === 'fileinto') await file(deps, action, { change, entry })
    else if (action.kind === 'extended') log.warn('not for events', { action: action.name, script: script.name })
  }
  await mark(mail, change.mailbox, entry, result)
}

async function resultOf(
  deps: EventsDeps,
  { change, account, script, entry }: Event,
  view: MessageView,
  message: MessageSource,
): Promise<Result> {
  const { programs, options, accounts } = deps
  const { actions, redirects, steps, includes } = options.limits
  const by = change.account === undefined ? undefined : await accounts.byId(change.account)
  const envelope = { from: '', to: account.addresses[0] ?? account.name }
  const event = {
    ...{ cause: change.cause === 'MOVE' ? ('COPY' as const) : change.cause, mailbox: change.mailbox.name },
    ...{ user: change.user ?? '', email: by?.addresses[0] ?? '', changed: change.flags ?? [], flags: entry.flags },
  }
  try {
    const program = programs.compile(script.text)
    const wrong = INAPPLICABLE.find((one) => program.required.has(one))
    if (wrong !== undefined) throw new SieveError({ line: 1, column: 1 }, `${wrong} is not possible for an event`)
    return await evaluate(
      program,
      message,
      createEnvironment(deps, { account, envelope, by: `event ${entry.uid} ${entry.modseq}`, event }),
      {
        view,
        limits: { actions, redirects, steps, includes },
        script: createIncluded(deps, { account, envelope }),
      },
    )
  } catch (error) {
    if (!(error instanceof SieveError)) throw error
    const { at, message: why } = error
    return { actions: [], isKept: true, flags: [], isStopped: true, steps: [], error: { ...at, message: why } }
  }
}

async function redirect(
  { submit, log }: EventsDeps,
  { address: to, content, notify: wanted, ret }: Extract<Action, { kind: 'redirect' }>,
  { address, message, id }: { readonly address: string; readonly message: MessageSource; readonly id: string },
): Promise<void> {
  const { reply } = await submit({
    from: address,
    to: [wanted ? { address: to, notify: wanted } : to],
    content: (content ?? message).open(),
    once: `redirect ${id} ${to}`,
    submission: true,
    ...(ret ? { parameters: { ret } } : {}),
  })
  if (reply.code !== 250) log.warn('not redirected', { to, reply: reply.text })
}

/** A copy; the message in its mailbox stays (RFC 6785 section 3.3). */
async function file(
  { mail, log }: EventsDeps,
  { mailbox: name, create, content, flags = [] }: Extract<Action, { kind: 'fileinto' }>,
  { change, entry }: Pick<Event, 'change' | 'entry'>,
): Promise<void> {
  const { account } = change.mailbox
  if (create && !(await mail.find(account, name))) await mail.create(account, name)
  const to = await mail.find(account, name)
  if (!to) return log.warn('no such mailbox', { account, mailbox: name })
  if (to.id === change.mailbox.id) return
  if (content) {
    const added = await mail.append(to, [{ content: content.open(), flags }])
    if ('refused' in added) log.warn('not filed', { mailbox: name, why: added.why })
    return
  }
  const done = await mail.copy(change.mailbox, [[entry.uid, entry.uid]], to)
  if ('refused' in done) return log.warn('not filed', { mailbox: name, why: done.why })
  const copied = done.copied.map(({ to: uid }) => [uid, uid] as const)
  if (copied.length > 0) await mail.setFlags(to, copied, { how: 'set', flags })
}

/** The flags that the script leaves, and \\Deleted for a message that nothing keeps. */
async function mark(
  mail: MailStoreApi,
  mailbox: Mailbox,
  { uid, flags: before }: Entry,
  result: Result,
): Promise<void> {
  const kept = result.actions.findLast((action) => action.kind === 'keep')
  const flags = result.isKept ? (kept?.kind === 'keep' ? (kept.flags ?? []) : result.flags) : [...before, '\\Deleted']
  const isSame = flags.length === before.length && flags.every((flag) => before.includes(flag))
  if (!isSame) await mail.setFlags(mailbox, [[uid, uid]], { how: 'set', flags })
}
