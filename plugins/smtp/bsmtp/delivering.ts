/**
 * A batch that may come in is handed to the kernel, transaction by transaction.
 *
 * Invariants: a batch has the rights that its partner is given and no more; a transaction that fails does not hurt the
 * others; the same transaction of the same batch is accepted once, however often the batch comes.
 */
import { type ConnectionInfo, type Reply, refuse, type ServerSession } from 'iems'
import { BatchError, type ReadTransaction, readBatch } from './batch-reader.ts'
import type { Link } from './links.ts'
import type { Refused } from './manifest.ts'

export interface DeliveringDeps {
  openSession(facts: ConnectionInfo): ServerSession
  readonly maxRecipients: number
}

export interface Incoming {
  readonly link: Link
  /** The same for every copy of the batch. */
  readonly key: string
  /** Where it came from, if that is known. */
  readonly remote: string | undefined
  open(): AsyncIterable<Uint8Array>
  /** Told of what was refused, with the transaction it belongs to. */
  refused?(transaction: ReadTransaction, refused: readonly Refused[]): Promise<void>
}

export interface Delivered {
  readonly messages: number
  readonly refused: readonly Refused[]
  /** The transaction at which the batch could not be read on. */
  readonly upTo?: number
  readonly why?: string
}

const NOT_SENDER = refuse(550, '5.7.1', 'The partner may not send mail from this address').reply
const NOT_RECIPIENT = refuse(550, '5.7.1', 'The partner may not send mail to this address').reply
/** Refusals that are remembered of one batch. */
const MAX_REFUSED = 100_000

export async function deliverBatch(deps: DeliveringDeps, incoming: Incoming): Promise<Delivered> {
  const { link, remote = '127.0.0.1' } = incoming
  const session = deps.openSession({ protocol: 'BSMTP', remote: { address: remote } })
  const refused: Refused[] = []
  let messages = 0
  try {
    const { accept } = link
    session.update({
      helo: link.signsAs,
      ...(accept.relay ? { identity: { kind: 'identity', user: `bsmtp:${link.name}`, mayRelay: true } } : {}),
    })
    const limits = { messages: accept.messages, recipients: deps.maxRecipients }
    for await (const transaction of readBatch(incoming.open(), limits)) {
      messages++
      const no = (await deliverOne(session, transaction, incoming)).map(({ address, reply }): Refused => {
        const { code, enhanced, text } = reply
        return { index: transaction.index, address, reply: { code, enhanced, text: text.slice(0, 1000) } }
      })
      if (refused.length + no.length > MAX_REFUSED) throw new BatchError('too many refused recipients')
      refused.push(...no)
      if (no.length > 0) await incoming.refused?.(transaction, no)
    }
    return { messages, refused }
  } catch (cause) {
    if (!(cause instanceof BatchError)) throw cause
    return { messages, refused, upTo: messages, why: cause.message }
  } finally {
    session.close()
  }
}

type Refusals = readonly { readonly address: string; readonly reply: Reply }[]

async function deliverOne(
  session: ServerSession,
  { index, from, parameters, recipients, refused: unreadable, content }: ReadTransaction,
  { link, key }: Incoming,
): Promise<Refusals> {
  if (unreadable.some(({ address }) => address === '')) return unreadable
  if (!link.maySendFrom(from)) return [{ address: '', reply: NOT_SENDER }]
  const no = await session.mail(from, parameters)
  if (no) return [{ address: '', reply: no.reply }]
  const refused = [...unreadable]
  let accepted = 0
  for (const recipient of recipients) {
    const refusal = link.maySendTo(recipient.address) ? await session.rcpt(recipient) : { reply: NOT_RECIPIENT }
    if (refusal) refused.push({ address: recipient.address, reply: refusal.reply })
    else accepted++
  }
  if (accepted === 0) {
    session.reset()
    return refused
  }
  const reply = await session.data(content, { once: `bsmtp/${key}/${index}` })
  // A refusal of the content applies to all recipients that were not refused before.
  return reply.code < 300 ? refused : [...refused, { address: '', reply }]
}
