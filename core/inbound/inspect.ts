/**
 * Runs the plugins on a message before acceptance: `check`, then `modify`, then routing of changed recipients.
 *
 * Invariants: every tap runs before a decision is made; a split message is still one decision and one commit; a plugin
 * fault leaves no content behind.
 */
import type { Discard, ReadableMessage, RecipientVerdict, Routed, Verdict } from '../api/hooks.ts'
import { defer, type Refusal } from '../api/reply.ts'
import type { HookRun } from '../api/run.ts'
import { createParts, type Part } from '../message/changeable.ts'
import type { Edits } from '../message/edits.ts'
import { newId } from '../message/ids.ts'
import { createMessage, type MessageDeps } from '../message/message.ts'
import { createTrace, type Trace } from '../message/trace.ts'
import type { Placed } from '../queue/accept.ts'
import type { IncomingContent } from './content.ts'
import type { IncomingMessage, ReceiveDeps } from './incoming.ts'
import { createVerdicts, type Verdicts } from './verdicts.ts'

/** A message to be accepted. */
export interface FinalMessage {
  readonly trace: Trace
  readonly content: IncomingContent
  readonly deps: MessageDeps
  readonly recipients: readonly Placed[]
}

/** Describes the change of a message's size since the previous call. */
function sizeChange(message: { readonly size: number }): () => string | undefined {
  let size = message.size
  return () => {
    const was = size
    size = message.size
    return was === size ? undefined : `${was} → ${size} octets`
  }
}

const channelsOf = (routed: readonly Routed[]) => [...new Set(routed.map(({ route }) => route.channel))]

export function messageDepsOf(
  arrival: IncomingMessage,
  { body, header }: IncomingContent,
  edits: Edits,
  parseLimit: number,
): MessageDeps {
  return {
    ...arrival,
    recipients: arrival.recipients.map(({ recipient }) => recipient),
    findings: () => arrival.trace.findings,
    edits,
    body,
    header,
    parseLimit,
  }
}

/** Runs `check`. Returns the verdict on the whole message and those on single recipients. */
export async function runCheck(
  { hooks }: ReceiveDeps,
  arrival: IncomingMessage,
  deps: MessageDeps,
): Promise<{ readonly whole: Verdict | undefined; readonly verdicts: Verdicts }> {
  const verdicts = createVerdicts(deps.recipients)
  if (!hooks.isTapped('check')) return { whole: undefined, verdicts }
  const message: ReadableMessage = createMessage(deps, () => verdicts.recipients())
  const run: HookRun = {
    ...arrival.trace.run,
    to: channelsOf(arrival.recipients),
    take(answer) {
      if (!Array.isArray(answer)) return answer
      verdicts.add(answer as readonly RecipientVerdict[])
      return undefined
    },
  }
  hooks.bind(message, run)
  const whole = await hooks.call('check', message, run)
  return { whole: whole as Verdict | undefined, verdicts }
}

/** Runs `modify`. Returns the resulting messages, or the reason that none can be accepted. */
export async function runModify(
  deps: ReceiveDeps,
  arrival: IncomingMessage,
  first: { readonly content: IncomingContent; readonly message: MessageDeps; readonly recipients: readonly Placed[] },
  take: (source: AsyncIterable<Uint8Array>) => Promise<IncomingContent>,
): Promise<readonly FinalMessage[] | Refusal | Discard> {
  const { hooks, clock } = deps
  const { content, message, recipients } = first
  if (!hooks.isTapped('modify')) return [{ trace: arrival.trace, content, deps: message, recipients }]
  const traces = new Map<string, Trace>([[arrival.id, arrival.trace]])
  const traceOf = (id: string) => traces.get(id) as Trace
  const routes = new Map<unknown, (typeof recipients)[number]>(recipients.map((one) => [one.recipient, one]))
  const parts = createParts<IncomingContent>(
    {
      channelOf: (recipient) => routes.get(recipient)?.route.channel,
      replace: take,
      discard: (one) => one.discard(),
      begin(from) {
        const id = newId(clock.now())
        const { findings, steps, state } = traceOf(from.id)
        const trace = createTrace({ clock, message: id, from: arrival.session.channel, findings, steps, state })
        traces.set(id, trace)
        return { id, findings: () => trace.findings }
      },
    },
    content,
    message,
  )
  try {
    await callModify(deps, parts.list, { traceOf, routes })
    const list = parts.list().map((part) => ({ ...part, trace: traceOf(part.message.id) }))
    const final = await finalMessages(deps, arrival, list, routes)
    await discardAll(list, 'kind' in final ? [] : final)
    return final
  } catch (error) {
    await discardAll(parts.list(), [])
    throw error
  }
}

async function discardAll(
  list: readonly { readonly content: IncomingContent }[],
  but: readonly { readonly content: IncomingContent }[],
): Promise<void> {
  const kept = new Set(but.map(({ content }) => content))
  await Promise.all([...new Set(list.map(({ content }) => content))].map((one) => kept.has(one) || one.discard()))
}

/** Runs each tap for every message that earlier taps have produced. */
async function callModify(
  { hooks }: ReceiveDeps,
  list: () => readonly Part<IncomingContent>[],
  { traceOf, routes }: { traceOf(id: string): Trace; routes: ReadonlyMap<unknown, Routed> },
): Promise<void> {
  const watched = new Set<string>()
  const subjects = () =>
    list().map(({ message }) => {
      const trace = traceOf(message.id)
      if (!watched.has(message.id)) trace.watch(sizeChange(message))
      watched.add(message.id)
      const routed = message.recipients.map((one) => routes.get(one)).filter((one) => one !== undefined)
      const run = { ...trace.run, to: channelsOf(routed) }
      hooks.bind(message, run)
      return { subject: message, run }
    })
  const [{ subject, run } = { subject: undefined, run: undefined }] = subjects()
  if (subject && run) await hooks.call('modify', subject, { ...run, subjects })
}

async function finalMessages(
  deps: ReceiveDeps,
  arrival: IncomingMessage,
  list: readonly (Part<IncomingContent> & { readonly trace: Trace })[],
  routes: ReadonlyMap<unknown, Placed>,
): Promise<readonly FinalMessage[] | Refusal | Discard> {
  const final: FinalMessage[] = []
  let discard: Discard | undefined
  for (const { trace, content, deps: made } of list) {
    const recipients = await reroute(deps, arrival, made, { routes, trace })
    if ('kind' in recipients) {
      if (recipients.kind === 'refuse') return recipients
      discard = recipients
    } else {
      const all = recipients.map(({ recipient }) => recipient)
      final.push({ trace, content, deps: { ...made, recipients: all }, recipients })
    }
  }
  return final.length > 0 ? final : (discard ?? NOBODY_LEFT)
}

const NOBODY_LEFT: Discard = { kind: 'discard', reason: 'no recipient is left' }

/** The routes after `modify`: without removed recipients, with added ones. */
async function reroute(
  { resolve }: ReceiveDeps,
  { session }: IncomingMessage,
  { recipients, from }: MessageDeps,
  { routes, trace }: { readonly routes: ReadonlyMap<unknown, Placed>; readonly trace: Trace },
): Promise<readonly Placed[] | Refusal | Discard> {
  const placed: Placed[] = []
  for (const one of recipients) {
    const known = routes.get(one)
    // A plugin names this recipient, and plugins act for the administrator: no relay check.
    const routed = known
      ? [known]
      : await resolve.resolve(one, one.from ?? from, { ...session, trusted: true }, trace.run)
    if ('kind' in routed)
      return defer(451, '4.3.0', `A recipient that was added cannot be reached: ${routed.reply.text}`)
    placed.push(...routed)
  }
  return placed.length > 0 ? placed : NOBODY_LEFT
}
