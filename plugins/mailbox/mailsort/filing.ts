/**
 * Runs scripts at delivery: the administrator's and the account's own.
 *
 * The order is server, domain, groups ("before"), account, then groups, domain and server ("after"). A script runs
 * while earlier ones keep the message. Invariants: a failing script leaves the message in INBOX, and the owner is
 * notified once.
 */
import type { Log, SetupContext } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { FiledContent, Filing, FilingAction, MailStoreApi } from '../store/api.ts'
import { carryOut } from './carry-out.ts'
import { type FailedScript, reportFailure } from './failures.ts'
import { oneLine } from './letters.ts'
import { sendingOf } from './sending.ts'
import { type Extended, evaluate, MessageView, type Result, SieveError } from './sieve/index.ts'
import { createEnvironment, createIncluded, readMessage, type SurroundingsDeps } from './surroundings.ts'

export interface FilingDeps extends SurroundingsDeps {
  readonly accounts: Pick<AccountsApi, 'groupsOf' | 'maySendAs'>
  readonly mail: MailStoreApi
  readonly log: Log
  readonly submit: SetupContext['submit']
}

/** A script that runs for a message. */
export type Placed = FailedScript

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
  const { mail, programs, options } = deps
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
    const occasion = { account, recipient, id: delivery.id, from: delivery.message.from, isJunk: isJunk(filing) }
    const sending = sendingOf(deps, occasion, view)
    const found: FilingAction[] = []
    const extended = (action: Extended) => programs.carryOut(action, filing)
    let flags: readonly string[] = []
    for (const [index, script] of placed.entries()) {
      const result = await run(script)
      if (result.error) await reportFailure(deps, occasion, script, result.error)
      const reason = `${script.owner.startsWith('account:') ? 'script' : script.owner} ${oneLine(script.name)}`
      for (const [at, action] of result.actions.entries())
        found.push(...(await carryOut(action, { mail, sending, reason, index: `${index}.${at}`, extended })))
      flags = [...flags, ...result.flags, ...keptFlags(result)]
      const isLast = index === placed.length - 1
      if (result.error || (result.isKept && isLast))
        found.push(...kept(found, { flags, reason, content: result.content }))
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
        view.restore()
        return { actions: [], isKept: true, flags: [], isStopped: true, steps: [], error: { ...at, message } }
      }
    }
  }
}

const isJunk = ({ actions }: Filing) =>
  actions.some(
    (action) => action.kind === 'default' && 'specialUse' in action.mailbox && action.mailbox.specialUse === '\\Junk',
  )

const keptFlags = ({ actions }: Result) =>
  actions.flatMap((action) => (action.kind === 'keep' ? (action.flags ?? []) : []))

interface Kept {
  readonly flags: readonly string[]
  readonly reason: string
  readonly content: FiledContent | undefined
}

/** The message stays: an action says so if there are flags, changes, or actions that would cancel it. */
function kept(actions: readonly FilingAction[], { flags, reason, content }: Kept): readonly FilingAction[] {
  const isPlain = flags.length === 0 && actions.every((action) => 'copy' in action && action.copy === true)
  if (isPlain && !content) return []
  return [{ kind: 'keep', flags: [...new Set(flags)], reason, ...(content ? { content } : {}) }]
}
