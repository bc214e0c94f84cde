/**
 * From content to acceptance: stage ▸ inspect ▸ check ▸ modify ▸ ACCEPT. The 250 reply is made here.
 *
 * Until the queue's `accept` returns, every failure is a reply to the sender and leaves nothing behind; afterwards the
 * message is this server's responsibility, and a failure is a bounce. Invariants: no 250 before the commit; a fault is
 * always 4xx; this file is independent of the channel, of scanning and of retries.
 */
import { IemsError } from '../api/errors.ts'
import { accept, classOf, defer, FAULT, format, type Reply, refuse } from '../api/reply.ts'
import type { DataReply } from '../api/session.ts'
import { createHeaders } from '../message/headers.ts'
import type { Trace } from '../message/trace.ts'
import type { StoredContent } from '../queue/blob-references.ts'
import { type IncomingContent, takeContent } from './content.ts'
import type { Envelope, IncomingMessage, ReceiveDeps } from './incoming.ts'
import { messageDepsOf, runCheck, runModify } from './inspect.ts'
import { keepMessages } from './keep.ts'
import { summaryOf } from './summary.ts'
import { firstEdits } from './trace-fields.ts'
import { type Decision, decide } from './verdicts.ts'

export type Receive = (
  envelope: Envelope,
  id: string,
  trace: Trace,
  content: AsyncIterable<Uint8Array> | StoredContent,
) => Promise<DataReply>

export function createReceive(deps: ReceiveDeps): Receive {
  /** Receives one message. Never throws; the result is the reply to the sender. */
  return async function receive(envelope, id, trace, content) {
    const arrival: IncomingMessage = { ...envelope, id, trace, size: 0, summary: {} }
    let reply: DataReply
    try {
      reply = await take(deps, arrival, content)
    } catch (error) {
      reply = replyTo(deps, error, id)
    }
    if (classOf(reply) === 'success') return { message: id, ...reply }
    refused(deps, arrival, reply)
    return { message: id, ...named(reply, id) }
  }
}

/** A permanent refusal includes the id under which administrators find the trace. */
function named({ each, ...reply }: DataReply, id: string): DataReply {
  const one = <R extends Reply>(said: R): R =>
    classOf(said) === 'permanent' ? { ...said, text: `${said.text} (${id})` } : said
  return { ...one(reply), ...(each ? { each: each.map(one) } : {}) }
}

async function take(
  deps: ReceiveDeps,
  arrival: IncomingMessage,
  source: AsyncIterable<Uint8Array> | StoredContent,
): Promise<DataReply> {
  const { store, limits, hostname, clock } = deps
  const isBinary = arrival.parameters.body === 'BINARYMIME'
  const takeIn = (some: AsyncIterable<Uint8Array> | StoredContent) => takeContent({ store, limits, isBinary }, some)
  const content = await takeIn(source)
  arrival.size = content.body.size
  const headers = createHeaders(content.header, content.edits)
  arrival.summary = summaryOf(headers)
  const settings = { hostname, hops: limits.hops, now: clock.now() }
  const edits = firstEdits(arrival, { header: content.header, headers, edits: content.edits }, settings)
  if ('kind' in edits) {
    await content.discard()
    return edits.reply
  }
  const message = messageDepsOf(arrival, content, edits, limits.parse)
  const { whole, verdicts } = await runCheck(deps, arrival, message).catch(async (error: unknown) => {
    await content.discard()
    throw error
  })
  if (whole?.kind === 'refuse') {
    await content.discard()
    return whole.reply
  }
  const groups = arrival.each ?? [arrival.recipients]
  const decision = decide(groups, verdicts, whole)
  const [refusal] = decision.refusals
  if (refusal && decision.refusals.every(Boolean)) {
    await content.discard()
    return { ...refusal, ...eachOf(arrival, decision, refusal) }
  }
  const reply = await keepDecided(deps, arrival, { content, message, decision, takeIn })
  return { ...reply, ...eachOf(arrival, decision, reply) }
}

/** The replies for each RCPT, for clients that get one each. */
function eachOf({ each }: IncomingMessage, { refusals }: Decision, reply: Reply): Pick<DataReply, 'each'> {
  return each ? { each: refusals.map((refusal) => refusal ?? reply) } : {}
}

interface Decided {
  readonly content: IncomingContent
  readonly message: ReturnType<typeof messageDepsOf>
  readonly decision: Decision
  takeIn(source: AsyncIterable<Uint8Array>): Promise<IncomingContent>
}

/** Accepts the message for some recipients and queues reports about others. */
async function keepDecided(
  deps: ReceiveDeps,
  arrival: IncomingMessage,
  { content, message, decision, takeIn }: Decided,
): Promise<DataReply> {
  const { taken, reported, discarded } = decision
  const original = { trace: arrival.trace, content, deps: message, recipients: [] }
  if (discarded !== undefined) discard(deps, arrival, discarded)
  if (taken.length === 0) {
    if (reported.length > 0) return keepMessages(deps, arrival, [original], reported)
    await content.discard()
    return accept(250, '2.0.0', `Ok: ${arrival.id}`)
  }
  const recipients = taken.map(({ recipient }) => recipient)
  const first = { content, message: { ...message, recipients }, recipients: taken }
  const made = await runModify(deps, arrival, first, takeIn)
  if (!('kind' in made)) return keepMessages(deps, arrival, made, reported)
  if (made.kind === 'refuse') return made.reply
  discard(deps, arrival, made.reason)
  return accept(250, '2.0.0', `Ok: ${arrival.id}`)
}

function discard({ emit }: ReceiveDeps, { id, session, from }: IncomingMessage, reason: string): void {
  emit('message.discarded', { message: id, channel: session.channel, from, reason })
}

/** The reply for an exception: temporary, unless the content can never be accepted. */
function replyTo({ emit }: ReceiveDeps, error: unknown, id: string): Reply {
  const code = error instanceof IemsError ? error.code : undefined
  if (code === 'IEMS_CONTENT_TOO_LARGE') return refuse(552, '5.3.4', 'The message is too large').reply
  if (code === 'IEMS_HEADER_TOO_LONG') return refuse(552, '5.3.4', 'The header is too long').reply
  if (code === 'IEMS_CONTENT_NUL') return refuse(550, '5.6.0', 'NUL octets in the content need BODY=BINARYMIME').reply
  if (code === 'IEMS_CONTENT_BROKEN') return defer(451, '4.4.2', 'The content ended early').reply
  if (code?.startsWith('IEMS_STORE')) emit('store.failing', { message: id, cause: error })
  if (code === 'IEMS_STORE_FULL') return defer(452, '4.3.1', 'No space left, try again later').reply
  // The guard has already logged a plugin's fault.
  else if (code !== 'IEMS_PLUGIN_FAULT') emit('kernel.fault', { message: id, cause: error })
  return { ...FAULT.reply, text: `${FAULT.reply.text} (${id})` }
}

function refused({ emit, refusals }: ReceiveDeps, arrival: IncomingMessage, reply: Reply): void {
  const { id, session, from, recipients, priority, trace, size, summary } = arrival
  const addresses = recipients.map(({ recipient }) => recipient)
  emit('message.refused', {
    message: id,
    channel: session.channel,
    session: session.id,
    remote: session.remote.address,
    ...(session.identity ? { user: session.identity.user } : {}),
    ...(session.identity?.actor ? { actor: session.identity.actor.user } : {}),
    from,
    recipients: addresses.map(({ address }) => address),
    reply: format(reply),
  })
  const { steps, findings } = trace
  refusals({ id, session, from, recipients: addresses, priority, size, steps, findings, ...summary, refused: reply })
}
