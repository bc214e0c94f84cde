/**
 * Commits messages: their records, and the one commit that makes them this server's responsibility.
 *
 * Invariants: no event precedes the commit; messages with the same body share it.
 */
import { isAscii } from 'node:buffer'
import { accept } from '../api/reply.ts'
import type { DataReply } from '../api/session.ts'
import { sizeWith } from '../message/edits.ts'
import { createMessage } from '../message/message.ts'
import { deliveriesFor, type NewMessage, type Placed } from '../queue/accept.ts'
import type { Origin } from '../queue/blob-references.ts'
import type { MessageRecord } from '../queue/records.ts'
import type { IncomingContent, KeptContent } from './content.ts'
import type { IncomingMessage, ReceiveDeps } from './incoming.ts'
import type { FinalMessage } from './inspect.ts'

/** Accepts messages in one commit. The refusal of the recipients in `reported` is reported to the sender. */
export async function keepMessages(
  deps: ReceiveDeps,
  arrival: IncomingMessage,
  messages: readonly FinalMessage[],
  reported: readonly Placed[],
): Promise<DataReply> {
  const contents = await keepContents(messages)
  const made = messages.map((message, index): NewMessage => {
    const recipients = index === 0 ? [...message.recipients, ...reported] : message.recipients
    return newMessage(deps, arrival, { ...message, recipients }, contents.get(message.content) as SharedContent)
  })
  const [first, ...others] = made
  if (!first) throw new TypeError('no message to keep')
  const { once } = arrival
  const id = await deps.queue.accept(once === undefined ? first : { ...first, once }, ...others)
  // Otherwise the same `once` key was accepted earlier, and nothing was added.
  if (id === first.record.id)
    for (const [index, message] of messages.entries()) announce(deps, message, made[index] as NewMessage)
  return { ...accept(250, '2.0.0', `Ok: queued as ${id}`), message: id, queued: true }
}

interface SharedContent extends KeptContent {
  readonly isShared: boolean
}

/** Makes each content permanent once, however many messages share it. */
async function keepContents(messages: readonly FinalMessage[]): Promise<ReadonlyMap<IncomingContent, SharedContent>> {
  const kept = new Map<IncomingContent, SharedContent>()
  for (const { content } of messages) {
    if (kept.has(content)) continue
    const one = await content.keep()
    const isShared = one.origin !== undefined || messages.filter((other) => other.content === content).length > 1
    kept.set(content, { ...one, isShared })
  }
  return kept
}

function newMessage(
  deps: ReceiveDeps,
  arrival: IncomingMessage,
  message: FinalMessage,
  { blob, hash, ops, origin, isShared }: SharedContent,
): NewMessage {
  const deliveries = deliveriesFor(message.recipients)
  const { notBefore } = arrival.parameters
  const brought: Origin = origin ?? { blob, checks: [], ops }
  return {
    record: {
      ...recordOf(deps, arrival, message),
      blob,
      ...(hash === undefined ? {} : { hash }),
      ...(isShared ? { shared: true } : {}),
      of: deliveries.length,
    },
    deliveries,
    ...(isShared ? { body: [], origin: brought } : { body: ops }),
    ...(notBefore === undefined ? {} : { notBefore }),
  }
}

type NewRecord = Omit<MessageRecord, 'blob' | 'hash' | 'shared' | 'of'>

function recordOf({ clock }: ReceiveDeps, arrival: IncomingMessage, message: FinalMessage): NewRecord {
  const { session, parameters, priority, summary } = arrival
  const { trace, recipients, content, deps } = message
  const { id, edits, body, header, from } = deps
  const addresses = [from, ...recipients.map(({ recipient }) => recipient.address)].join('')
  const asciiHeader = isAscii(header) && isAscii(Buffer.from(edits.prefix))
  return {
    v: 1,
    id,
    at: clock.now(),
    session,
    from,
    parameters,
    priority,
    recipients: recipients.map(({ recipient }) => recipient),
    ...summary,
    blobSize: body.size,
    headerSize: header.byteLength,
    edits,
    size: sizeWith(body, edits),
    needs: {
      eightBit: !content.isAscii,
      binary: parameters.body === 'BINARYMIME',
      utf8: !asciiHeader || !isAscii(Buffer.from(addresses)),
    },
    findings: trace.findings,
    state: trace.state,
    steps: trace.steps,
    ...(id === arrival.id ? {} : { splitFrom: arrival.id }),
  }
}

function announce(
  { hooks, emit }: ReceiveDeps,
  { deps, trace }: FinalMessage,
  { record, deliveries }: NewMessage,
): void {
  const { id, from, size, session, recipients, splitFrom } = record
  emit('message.accepted', {
    message: id,
    channel: session.channel,
    session: session.id,
    from,
    recipients: recipients.map(({ address }) => address),
    size,
    ...(splitFrom === undefined ? {} : { splitFrom }),
  })
  const reason = deliveries.find(({ held }) => held !== undefined)?.held
  if (reason !== undefined) emit('message.quarantined', { message: id, reason })
  // After the commit no fault can affect the message, and the sender need not wait for `queued`.
  if (hooks.isTapped('queued')) {
    const message = createMessage(deps)
    hooks.bind(message, trace.run)
    hooks
      .call('queued', message, trace.run)
      .catch((cause: unknown) => emit('kernel.fault', { hook: 'queued', message: id, cause }))
  }
}
