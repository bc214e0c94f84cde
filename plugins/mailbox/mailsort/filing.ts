/**
 * Scripts at delivery: those of the administrator and the account's own, and what they come to.
 *
 * The order is that of the server, the domain, the groups ("before"), the account, then the groups, the domain and the
 * server ("after"). A script runs while those before it keep the message. Invariant: a script that fails leaves the
 * message in INBOX, and the owner is told once.
 */
import { type Log, refuse, type SetupContext } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { Filing, FilingAction, MailboxChoice, MailStoreApi, SpecialUse } from '../store/api.ts'
import { oneLine, writeLetter } from './letters.ts'
import type { Memory } from './memory.ts'
import { notify } from './notify.ts'
import type { Options } from './options.ts'
import { hashOf } from './programs.ts'
import { type Action, evaluate, type FileInto, MessageView, type Result, SieveError } from './sieve/index.ts'
import { createEnvironment, createIncluded, readMessage, type SurroundingsDeps } from './surroundings.ts'
import { reply } from './vacation.ts'

export interface FilingDeps extends SurroundingsDeps {
  readonly accounts: Pick<AccountsApi, 'groupsOf' | 'maySendAs'>
  readonly mail: MailStoreApi
  readonly log: Log
  readonly submit: SetupContext['submit']
}

/** What replies and notifications are written from. */
export interface Sending {
  readonly filing: Filing
  readonly message: MessageView
  readonly options: Options
  readonly memory: Memory
  now(): number
  messageId(what: string): string
  maySendAs(account: string, address: string): Promise<boolean>
  send(letter: {
    readonly to: readonly string[]
    readonly content: string
    readonly key: string
    readonly copyTo: FileInto | undefined
  }): Promise<void>
}

/** A script that runs for a message. */
export interface Placed {
  readonly owner: string
  readonly name: string
  readonly text: string
  readonly isOwn: boolean
}

export const BEFORE = 'before'
export const AFTER = 'after'

/** The scripts for a message of an account, in their order. */
export async function scriptsFor(
  { scripts, accounts }: Pick<FilingDeps, 'scripts' | 'accounts'>,
  { account, address }: { readonly account: string; readonly address: string },
): Promise<readonly Placed[]> {
  const groups = [...(await accounts.groupsOf(account))].sort()
  const domain = address.slice(address.lastIndexOf('@') + 1).toLowerCase()
  const owners = ['server', `domain:${domain}`, ...groups.map((name) => `group:${name}`)]
  const own = `account:${account}`
  const active = await scripts.active(own)
  const wanted = [
    ...owners.map((owner) => ({ owner, name: BEFORE, isOwn: false })),
    ...(active === undefined ? [] : [{ owner: own, name: active, isOwn: true }]),
    ...owners.reverse().map((owner) => ({ owner, name: AFTER, isOwn: false })),
  ]
  const found = await Promise.all(wanted.map(async (one) => ({ ...one, text: await scripts.get(one.owner, one.name) })))
  return found.flatMap(({ text, ...one }) => (text === undefined ? [] : [{ ...one, text }]))
}

export function createFiling(deps: FilingDeps) {
  const { mail, log, programs, options, memory } = deps
  const { actions, redirects, steps, includes } = options.limits

  return async function file(filing: Filing): Promise<Filing | undefined> {
    const { account, recipient, delivery } = filing
    const placed = await scriptsFor(deps, { account: account.id, address: recipient.address })
    if (placed.length === 0) return undefined
    const source = await readMessage(delivery.message)
    const view = new MessageView(source)
    const by = `${delivery.id} ${recipient.address}`
    const { identity } = delivery.message.session
    const envelope = {
      ...{ from: delivery.message.from, to: recipient.address },
      ...(identity ? { auth: identity.user } : {}),
    }
    const environment = createEnvironment(deps, { account, envelope, by, message: delivery.message })
    const included = createIncluded(deps, { account, envelope })
    const sending = sendingOf(deps, filing, view)
    const found: FilingAction[] = []
    let flags: readonly string[] = []
    for (const [index, script] of placed.entries()) {
      const result = await run(script)
      if (result.error) await failed(filing, script, result.error)
      const reason = `${script.owner.startsWith('account:') ? 'script' : script.owner} ${oneLine(script.name)}`
      for (const action of result.actions) found.push(...(await carryOut(action, { sending, reason, index })))
      flags = [...flags, ...result.flags, ...keptFlags(result)]
      const isLast = index === placed.length - 1
      if (result.error || (result.isKept && isLast)) found.push(...kept(found, flags, reason))
      if (result.error || !result.isKept) break
    }
    return { ...filing, actions: [...filing.actions, ...found] }

    async function run({ text }: Placed): Promise<Result> {
      try {
        const limits = { actions, redirects, steps, includes }
        return await evaluate(programs.compile(text), source, environment, { view, limits, script: included })
      } catch (error) {
        if (!(error instanceof SieveError)) throw error
        const { at, message } = error
        return { actions: [], isKept: true, flags: [], isStopped: true, steps: [], error: { ...at, message } }
      }
    }
  }

  /** What the store is to do. */
  async function carryOut(
    action: Action,
    { sending, reason, index }: { sending: Sending; reason: string; index: number },
  ): Promise<readonly FilingAction[]> {
    const { account } = sending.filing
    switch (action.kind) {
      case 'fileinto':
        return [
          {
            kind: 'fileinto',
            mailbox: await chosen(account.id, action),
            copy: action.copy,
            flags: action.flags ?? [],
            reason,
          },
        ]
      case 'redirect':
        return [{ kind: 'redirect', address: action.address, copy: action.copy, reason }]
      case 'discard':
        return [{ kind: 'discard', reason }]
      case 'reject':
        return [{ kind: 'reject', refusal: refuse(550, '5.7.1', rejection(action.text)), reason }]
      case 'vacation':
        await reply(sending, action)
        return []
      case 'notify':
        await notify(sending, action, index)
        return []
      case 'keep':
        return []
    }
  }

  async function chosen(account: string, { mailbox, create, mailboxId, specialUse }: FileInto): Promise<MailboxChoice> {
    if (mailboxId !== undefined && (await mail.mailbox({ account, id: mailboxId }))) return { id: mailboxId }
    const use = SPECIAL_USES.find((one) => one.toLowerCase() === specialUse?.toLowerCase())
    return use ? { specialUse: use, name: mailbox } : { name: mailbox, create }
  }

  /** Tells whose script it is, once for each text of a script. */
  async function failed(
    { account, delivery, recipient }: Filing,
    { owner, name, text, isOwn }: Placed,
    { line, column, message }: NonNullable<Result['error']>,
  ): Promise<void> {
    log.warn('script failed', { owner, name, line, column, cause: message })
    const hash = hashOf(text)
    const note = {
      account: account.id,
      what: `failed ${hash}`,
      by: `${delivery.id} ${recipient.address}`,
      keep: TOLD_MS,
    }
    if (!isOwn || (await memory.isKnown(note))) return
    const to = account.addresses[0] ?? recipient.address
    const content = writeLetter({
      ...{ from: `postmaster@${deps.hostname}`, to: [to], subject: `Your mail filter "${name}" has failed` },
      date: deps.now(),
      messageId: `<failed.${hash.slice(0, 20)}.${account.id}@${deps.hostname}>`,
      fields: [['Auto-Submitted', 'auto-generated']],
      text: `The script "${name}" failed at line ${line}, column ${column}:\n\n    ${message}\n\nThe message stays in your inbox, and so do others until the script is changed.\nThis is said once for each version of a script.\n`,
    })
    await deps.submit({ from: '', to: [to], content, once: `mailsort failed ${account.id} ${hash}` })
  }
}

const SPECIAL_USES: readonly SpecialUse[] = [
  '\\All',
  '\\Archive',
  '\\Drafts',
  '\\Flagged',
  '\\Junk',
  '\\Sent',
  '\\Trash',
]
/** A failure that comes back after so long is told again. */
const TOLD_MS = 90 * 86_400_000
/** Characters of a rejection: it is a line of a report. */
const MAX_REJECTION = 400

const rejection = (text: string) => oneLine(text).slice(0, MAX_REJECTION).toWellFormed() || 'Refused by the recipient'

const keptFlags = ({ actions }: Result) =>
  actions.flatMap((action) => (action.kind === 'keep' ? (action.flags ?? []) : []))

/** The message stays: nothing has to be said of that unless there are flags, or actions that would cancel it. */
function kept(actions: readonly FilingAction[], flags: readonly string[], reason: string): readonly FilingAction[] {
  const isPlain = flags.length === 0 && actions.every((action) => 'copy' in action && action.copy === true)
  return isPlain ? [] : [{ kind: 'keep', flags: [...new Set(flags)], reason }]
}

function sendingOf(deps: FilingDeps, filing: Filing, message: MessageView): Sending {
  const { mail, log, submit, accounts, hostname, options, memory, now } = deps
  const { account, delivery } = filing
  return {
    ...{ filing, message, options, memory },
    now,
    messageId: (what) => `<${what}.${hashOf(`${delivery.id} ${account.id}`).slice(0, 24)}@${hostname}>`,
    maySendAs: accounts.maySendAs,
    async send({ to, content, key, copyTo }) {
      const { reply: answer } = await submit({
        from: '',
        to,
        content,
        once: `mailsort ${key} ${delivery.id} ${account.id}`,
      })
      if (answer.code !== 250) log.warn('not sent', { what: key, account: account.id, reply: answer.text })
      const mailbox = copyTo && (await mail.find(account.id, copyTo.mailbox))
      if (answer.code === 250 && mailbox)
        await mail.append(mailbox, [{ content: once(content), flags: copyTo.flags ?? [] }])
    },
  }
}

async function* once(content: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(content)
}
