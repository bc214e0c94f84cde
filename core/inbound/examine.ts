/**
 * Runs the plugins on a message that another server keeps: `check` and `modify`, without acceptance.
 *
 * Invariants: nothing is queued, stored beyond the call, or reported to a sender; the plugins cannot tell the message
 * from one that this server receives; a fault is a temporary refusal.
 */
import type { Recipient, Verdict } from '../api/hooks.ts'
import { classOf, FAULT, type Refusal } from '../api/reply.ts'
import type { Examination } from '../api/session.ts'
import { openWith } from '../message/edits.ts'
import { createHeaders } from '../message/headers.ts'
import type { Trace } from '../message/trace.ts'
import type { StoredContent } from '../queue/blob-references.ts'
import { type IncomingContent, takeContent } from './content.ts'
import type { Envelope, IncomingMessage, ReceiveDeps } from './incoming.ts'
import { type FinalMessage, messageDepsOf, runCheck, runModify } from './inspect.ts'
import { createReceive } from './receive.ts'
import type { Resolve } from './resolve.ts'
import { summaryOf } from './summary.ts'
import { decide } from './verdicts.ts'

/** Passes the result to `look`, which reads it before the content is discarded. */
export type Examine = <T>(
  envelope: Envelope,
  id: string,
  trace: Trace,
  content: AsyncIterable<Uint8Array> | StoredContent,
  look: (examination: Examination) => Promise<T>,
  /** Instead of the kernel's, for recipients that plugins add. */
  resolve?: Resolve,
) => Promise<T>

/** Resolves every address to itself: another server knows where its recipients are. */
export const resolveElsewhere = (channel: string): Resolve => ({
  resolve: async (recipient) => [{ recipient, route: { channel, nexthop: '' } }],
  route: async () => ({ channel, nexthop: '' }),
  insteadOf: () => undefined,
})

function createExamine(own: ReceiveDeps): Examine {
  return async (envelope, id, trace, source, look, resolve = own.resolve) => {
    const deps = { ...own, resolve }
    const isBinary = envelope.parameters.body === 'BINARYMIME'
    const takeIn = (some: AsyncIterable<Uint8Array> | StoredContent) =>
      takeContent({ store: deps.store, limits: deps.limits, isBinary }, some)
    const content = await takeIn(source)
    const arrival: IncomingMessage = { ...envelope, id, trace, size: content.body.size, summary: {} }
    arrival.summary = summaryOf(createHeaders(content.header, content.edits))
    let messages: readonly FinalMessage[] = []
    try {
      const judged = await judge(deps, arrival, content, takeIn)
      messages = judged.messages
      return await look(examinationOf(judged, content, trace))
    } finally {
      const contents = new Set([content, ...messages.map((one) => one.content)])
      // Staged content that has been discarded already is left alone.
      await Promise.all([...contents].map((one) => one.discard().catch(() => {})))
    }
  }
}

interface Judged {
  readonly verdict: Verdict | undefined
  readonly refused: readonly { readonly recipient: Recipient; readonly refusal: Refusal }[]
  readonly messages: readonly FinalMessage[]
}

async function judge(
  deps: ReceiveDeps,
  arrival: IncomingMessage,
  content: IncomingContent,
  takeIn: (source: AsyncIterable<Uint8Array>) => Promise<IncomingContent>,
): Promise<Judged> {
  const message = messageDepsOf(arrival, content, content.edits, deps.limits.parse)
  const { whole, verdicts } = await runCheck(deps, arrival, message)
  const none = { refused: [], messages: [] }
  if (whole?.kind === 'refuse') return { ...none, verdict: whole }
  const { taken, reported, discarded, refusals } = decide(arrival.each ?? [arrival.recipients], verdicts, whole)
  const refused = arrival.recipients.flatMap(({ recipient }) => {
    const verdict = verdicts.of(recipient)
    return verdict?.kind === 'refuse' ? [{ recipient, refusal: verdict }] : []
  })
  const [refusal] = refusals
  if (refusal && refusals.every(Boolean))
    return { ...none, refused, verdict: (refused.find(isTemporary) ?? refused[0])?.refusal ?? FAULT }
  if (taken.length === 0 && reported.length === 0)
    return { ...none, refused, verdict: { kind: 'discard', reason: discarded ?? 'no recipient is left' } }
  const recipients = taken.map(({ recipient }) => recipient)
  const first = { content, message: { ...message, recipients }, recipients: taken }
  const made = await runModify(deps, arrival, first, takeIn)
  if ('kind' in made) return { ...none, refused, verdict: made }
  const held = taken.find((one) => one.held !== undefined)?.held
  return { refused, messages: made, verdict: held === undefined ? undefined : { kind: 'quarantine', reason: held } }
}

const isTemporary = ({ refusal }: { readonly refusal: Refusal }) => classOf(refusal.reply) === 'temporary'

function examinationOf({ verdict, refused, messages }: Judged, content: IncomingContent, trace: Trace): Examination {
  return {
    verdict,
    refused,
    findings: trace.findings,
    messages: messages.map(({ content: own, deps }) => ({
      from: deps.from,
      recipients: deps.recipients,
      isReplaced: own !== content,
      open: () => openWith(deps.body, deps.edits),
    })),
  }
}

/** Both ends of a session's content: acceptance, and examination without it. */
export const createReceivers = (deps: ReceiveDeps) => ({ receive: createReceive(deps), examine: createExamine(deps) })
