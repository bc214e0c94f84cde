/**
 * Scripts tried on a message, explained step by step; and applied to messages that are stored.
 *
 * Invariant: nothing is sent from here; with a dry run nothing changes.
 */
import { type CommandOutput, counted, escapeLine, headerEnd } from 'iems'
import type { Account, AccountsApi } from '../../directory/static/api.ts'
import type { Entry, Mailbox, MailStoreApi } from '../store/api.ts'
import type { Sample } from './api.ts'
import { type Placed, scriptsFor } from './filing.ts'
import { oneLine } from './letters.ts'
import { type SendingDeps, sendingOf } from './sending.ts'
import { type Action, evaluate, type MessageSource, MessageView, type Result } from './sieve/index.ts'
import { createEnvironment, createIncluded, type SurroundingsDeps } from './surroundings.ts'
import { compose } from './vacation.ts'

export interface TrialDeps extends SurroundingsDeps {
  readonly accounts: AccountsApi
  readonly mail: MailStoreApi
}

export interface Trial {
  readonly account: Account
  readonly from: string
  readonly to?: string | undefined
  readonly script?: string | undefined
}

const source = (octets: Buffer): MessageSource => ({
  size: octets.length,
  header: octets.subarray(0, headerEnd(octets)),
  async *open(range) {
    yield octets.subarray(range?.start ?? 0, range?.end ?? octets.length)
  },
})

async function runOne(
  deps: TrialDeps,
  { account, from, to }: Trial,
  text: string,
  message: MessageSource,
): Promise<Result> {
  const envelope = { from, to: to ?? account.addresses[0] ?? account.name }
  const environment = createEnvironment(deps, { account, envelope, by: 'trial', isRehearsal: true })
  const { actions, redirects, steps, includes } = deps.options.limits
  return evaluate(deps.programs.compile(text), message, environment, {
    ...{ explain: true, view: new MessageView(message), script: createIncluded(deps, { account, envelope }) },
    limits: { actions, redirects, steps, includes },
  })
}

async function placedFor(deps: TrialDeps, { account, to, script }: Trial): Promise<readonly Placed[]> {
  const owner = `account:${account.id}`
  if (script === undefined) return scriptsFor(deps, { account: account.id, address: to ?? account.addresses[0] ?? '' })
  const text = await deps.scripts.get(owner, script)
  if (text === undefined) throw new Error(`There is no script ${script}`)
  return [{ owner, name: script, text, isOwn: true }]
}

/** Each step of each script that runs, then what becomes of the message. */
export async function* explain(
  deps: TrialDeps,
  trial: Trial & { readonly content: Buffer },
): AsyncGenerator<CommandOutput> {
  const message = source(trial.content)
  const placed = await placedFor(deps, trial)
  if (placed.length === 0) yield { text: 'no script is active' }
  for (const { owner, name, text } of placed) {
    yield { text: `${owner.startsWith('account:') ? 'script' : escapeLine(owner)} ${escapeLine(name)}` }
    const result = await runOne(deps, trial, text, message)
    for (const step of result.steps) {
      const saw = step.values
        ? `  saw ${step.values.map((value) => JSON.stringify(value)).join(', ') || 'nothing'}`
        : ''
      const outcome = step.result === undefined ? '' : `  -> ${step.result ? 'true' : 'false'}`
      yield { text: escapeLine(`  ${step.line}:${step.column}  ${step.text}${outcome}${saw}`), value: step }
    }
    if (result.error) {
      const { line, column, message: why } = result.error
      yield { text: escapeLine(`  ${line}:${column}  failed: ${why}`), value: result.error }
    }
    const does = [
      ...result.actions.filter(({ kind }) => kind !== 'keep').map(shown),
      ...(result.isKept ? [`keep${flagText(result.flags)}`] : []),
    ]
    yield { text: escapeLine(`  = ${does.join('; ')}`), value: { actions: result.actions, isKept: result.isKept } }
    if (!result.isKept || result.error) return
  }
}

export type PreviewDeps = TrialDeps & SendingDeps

/** The vacation reply of a script to a sample message; nothing is sent or noted. */
export async function preview(
  deps: PreviewDeps,
  account: Account,
  { text, sample }: { readonly text: string; readonly sample: Sample },
): Promise<{ readonly reply: string } | { readonly none: string }> {
  const to = account.addresses[0] ?? account.name
  const from = oneLine(sample.from)
  const subject = oneLine(sample.subject ?? 'A message')
  const message = source(Buffer.from(`From: ${from}\r\nTo: ${to}\r\nSubject: ${subject}\r\n${sample.fields ?? ''}\r\n`))
  const result = await runOne(deps, { account, from }, text, message)
  if (result.error) return { none: `the script fails: ${result.error.message}` }
  const action = result.actions.find(({ kind }) => kind === 'vacation')
  if (action?.kind !== 'vacation') return { none: 'the script sends no reply' }
  const occasion = { account, recipient: { address: to, original: to }, id: 'preview', from, isJunk: false }
  const made = await compose(sendingOf(deps, occasion, new MessageView(message)), action)
  return 'content' in made ? { reply: made.content } : made
}

const flagText = (flags: readonly string[] | undefined) => (flags && flags.length > 0 ? ` with ${flags.join(' ')}` : '')

function shown(action: Action): string {
  switch (action.kind) {
    case 'fileinto':
      return `${action.copy ? 'copy' : 'file'} into ${action.mailbox}${flagText(action.flags)}`
    case 'redirect':
      return `redirect to ${action.address}${action.copy ? ' and keep' : ''}`
    case 'reject':
      return `reject: ${action.text}`
    case 'vacation':
      return `reply, once in ${counted(Math.round(action.seconds / 86_400), 'day')}`
    case 'notify':
      return `notify ${action.method}`
    case 'extended':
      return action.name
    default:
      return action.kind
  }
}

export interface Applied {
  readonly account: Account
  readonly mailbox: string
  readonly script?: string | undefined
  readonly dryRun: boolean
  readonly signal: AbortSignal
}

/** Applies scripts to stored mail: moves, copies and flags; never redirects, refuses or answers. */
export async function* apply(
  deps: TrialDeps,
  { account, mailbox: name, script, dryRun, signal }: Applied,
): AsyncGenerator<CommandOutput> {
  const { mail } = deps
  const owner = `account:${account.id}`
  const wanted = script ?? (await deps.scripts.active(owner))
  const text = wanted === undefined ? undefined : await deps.scripts.get(owner, wanted)
  if (text === undefined) throw new Error('There is no such script, or none is active')
  const from = await mail.find(account.id, name)
  const opened = from && (await mail.open(from))
  if (!opened || 'refused' in opened) throw new Error(`${account.name} has no mailbox ${name}`)
  let [read, changed] = [0, 0]
  for await (const entry of mail.entries(opened.mailbox, opened.uids)) {
    if (signal.aborted) return
    const email = await mail.email(entry.email)
    const header = await email?.header()
    if (!email || !header) continue
    yield { progress: `${counted(++read, 'message')} read, ${changed} filed` }
    const returnPath = /<([^<>]*)>/.exec((await email.field('return-path')) ?? '')?.[1] ?? ''
    const message: MessageSource = { size: email.size, header, open: (range) => email.open(range) }
    const result = await runOne(deps, { account, from: returnPath }, text, message)
    const does = dryRun ? planned(result, opened.mailbox) : await refile(mail, opened.mailbox, entry, result)
    if (does.length === 0) continue
    changed++
    yield { text: escapeLine(`${entry.uid}: ${does.join('; ')}`), value: { uid: entry.uid, does } }
  }
  yield { text: `${counted(read, 'message')} read, ${changed} ${dryRun ? 'would be ' : ''}filed` }
}

function planned({ actions, isKept, flags }: Result, { name }: Mailbox): readonly string[] {
  const filed = actions.flatMap((action) =>
    action.kind === 'fileinto' && action.mailbox !== name
      ? [`${isKept ? 'copy' : 'move'} to ${action.mailbox}${flagText(action.flags)}`]
      : [],
  )
  if (actions.some(({ kind }) => kind === 'discard') && !isKept && filed.length === 0) return ['move to Trash']
  return isKept && flags.length > 0 ? [...filed, `flag${flagText(flags)}`] : filed
}

/** Discarded messages are moved to the trash, because they existed before the script. */
async function refile(mail: MailStoreApi, from: Mailbox, { uid }: Entry, result: Result): Promise<readonly string[]> {
  const { account } = from
  const { actions, isKept, flags } = result
  const uids = [[uid, uid]] as const
  const does: string[] = []
  const places = new Map<string, readonly string[]>()
  for (const action of actions) {
    if (action.kind !== 'fileinto' || action.mailbox === from.name) continue
    const known = await mail.find(account, action.mailbox)
    if (!known && !action.create) return [`no mailbox ${action.mailbox}: not filed`]
    places.set(action.mailbox, action.flags ?? [])
    if (!known) await mail.create(account, action.mailbox)
  }
  const isDiscarded = actions.some(({ kind }) => kind === 'discard') && !isKept
  const trash = (await mail.mailboxes(account)).find(({ specialUse }) => specialUse === '\\Trash')?.name ?? 'Trash'
  if (isDiscarded && places.size === 0 && from.name !== trash) places.set(trash, [])
  if (isKept && flags.length > 0) {
    await mail.setFlags(from, uids, { how: 'add', flags })
    does.push(`flag${flagText(flags)}`)
  }
  const names = [...places]
  for (const [index, [name, added]] of names.entries()) {
    const to = await mail.find(account, name)
    const isMove = !isKept && index === names.length - 1
    const done = to && (await (isMove ? mail.move(from, uids, to) : mail.copy(from, uids, to)))
    if (!to || !done || 'refused' in done) return [...does, `not filed into ${name}`]
    const copied = done.copied.map(({ to: at }) => [at, at] as const)
    if (added.length > 0) await mail.setFlags(to, copied, { how: 'add', flags: added })
    does.push(`${isMove ? 'moved' : 'copied'} to ${name}`)
  }
  return does
}
