/**
 * Searches waiting, finished and refused messages, newest first, over the records that exist anyway.
 *
 * Invariants: a search reads only records of its time range and keeps none; text comparison ignores case and is linear
 * in the record; a search ends when its caller disconnects.
 */
import { format, type Reply } from '../api/reply.ts'
import { idAt } from '../message/ids.ts'
import type { AttemptRecord, DeliveryTrace } from '../message/trace.ts'
import type { Key, Store, Value } from '../store/store.ts'
import {
  type DeliveryRecord,
  decode,
  deliveriesOf,
  historyOf,
  historySince,
  type MessageRecord,
  messagesSince,
  readKey,
} from './records.ts'

/** All given fields must match; text matches any part of the compared value. */
export interface MessageFilter {
  readonly from?: string
  /** A recipient as given or as resolved. */
  readonly to?: string
  readonly subject?: string
  /** This server's id, or a part of the Message-ID field. */
  readonly id?: string
  /** A reply to the sender or of a next hop. */
  readonly reply?: string
  /** The client's address, HELO name, reverse name or user. */
  readonly client?: string
  readonly state?: MessageState
  /** Ms since 1970. */
  readonly since?: number
  readonly until?: number
}

export type MessageState = 'waiting' | 'finished' | 'refused'

export interface FoundMessage {
  readonly id: string
  readonly state: MessageState
  /** Time of acceptance or refusal, ms since 1970. */
  readonly at: number
  readonly from: string
  readonly to: readonly string[]
  readonly subject?: string
  readonly messageId?: string
  readonly size: number
  readonly channel: string
  readonly client: string
  readonly user?: string
  /** The last reply of each delivery or recipient that explains the result. */
  readonly replies: readonly string[]
}

type Kept = MessageRecord & { readonly last?: DeliveryTrace; readonly refused?: Reply }

/** Maximum replies in a result. */
const MAX_REPLIES = 20
/** Upper bound of the time in an id, exclusive. */
const LATEST_MS = 2 ** 48

/** Matching messages, newest first. Throws the signal's reason when aborted. */
export async function* findMessages(
  store: Store,
  filter: MessageFilter,
  signal: AbortSignal,
): AsyncGenerator<FoundMessage> {
  for await (const [record, state] of newestFirst(store, filter)) {
    signal.throwIfAborted()
    if (filter.state !== undefined && filter.state !== state) continue
    if (!matchesEnvelope(record, filter)) continue
    const replies = await repliesOf(store, record, state)
    if (filter.reply !== undefined && !has(replies, filter.reply)) continue
    yield shown(record, state, replies)
  }
}

type Entry = readonly [record: Kept, state: MessageState]

/** Merges both kinds of records by id, because ids sort by time. */
async function* newestFirst(store: Store, { since = 0, until = LATEST_MS }: MessageFilter): AsyncGenerator<Entry> {
  const [from, to] = [idAt(Math.max(0, since)), idAt(Math.min(until + 1, LATEST_MS))]
  const live = store.scan({ ...messagesSince(from, to), reverse: true })[Symbol.asyncIterator]()
  const past = finishedRecords(store.scan({ ...historySince(from, to), reverse: true }))
  try {
    let [one, other] = [await live.next(), await past.next()]
    while (!one.done || !other.done) {
      const liveId = one.done ? '' : readId(one.value[0])
      const pastId = other.done ? '' : readId(other.value[0])
      if (!one.done && liveId >= pastId) {
        yield [decode<Kept>(one.value[1]), 'waiting']
        one = await live.next()
        // The message ended between the two reads, or some of its recipients were refused.
        if (pastId === liveId) other = await past.next()
      } else if (!other.done) {
        const record = decode<Kept>(other.value[1])
        yield [record, record.refused ? 'refused' : 'finished']
        other = await past.next()
      }
    }
  } finally {
    await live.return?.()
    await past.return(undefined)
  }
}

/** Only messages' own records: the history also holds those of deliveries. */
async function* finishedRecords(scan: AsyncIterable<readonly [Key, Value]>) {
  for await (const entry of scan) if (readKey(entry[0]).number === 0) yield entry
}

const readId = (at: Key) => (readKey(at) as { readonly id: string }).id

function has(texts: readonly (string | null | undefined)[], part: string): boolean {
  const wanted = part.toLowerCase()
  return texts.some((text) => text?.toLowerCase().includes(wanted))
}

function matchesEnvelope({ id, from, recipients, session, ...record }: Kept, filter: MessageFilter): boolean {
  const { remote, helo, identity } = session
  const addresses = recipients.flatMap(({ address, original }) => [address, original])
  return (
    (filter.from === undefined || has([from], filter.from)) &&
    (filter.to === undefined || has(addresses, filter.to)) &&
    (filter.subject === undefined || has([record.subject], filter.subject)) &&
    (filter.id === undefined || has([id, record.splitFrom, record.messageId], filter.id)) &&
    (filter.client === undefined || has([remote.address, remote.name, helo, identity?.user], filter.client))
  )
}

/** Replies about a message: to its sender when it was refused, by next hops otherwise. */
async function repliesOf(store: Store, record: Kept, state: MessageState): Promise<readonly string[]> {
  if (record.refused) return [format(record.refused)]
  const attempts: AttemptRecord[] = [...(record.last?.attempts ?? [])]
  if (!record.last) {
    for await (const [at, value] of store.scan(historyOf(record.id)))
      if (readKey(at).number !== 0) attempts.push(...decode<DeliveryTrace>(value).attempts)
    if (state === 'waiting')
      for await (const [, value] of store.scan(deliveriesOf(record.id)))
        attempts.push(...decode<DeliveryRecord>(value).attempts)
  }
  const replies = attempts.flatMap(({ fates }) =>
    fates.map(({ status, address, reply, remote }) => `${status} <${address}>: ${remote ? `${remote}: ` : ''}${reply}`),
  )
  return [...new Set(replies)].slice(-MAX_REPLIES)
}

function shown(record: Kept, state: MessageState, replies: readonly string[]): FoundMessage {
  const { id, at, from, recipients, subject, messageId, size, session } = record
  return {
    id,
    state,
    at,
    from,
    to: recipients.map(({ address }) => address),
    ...(subject === undefined ? {} : { subject }),
    ...(messageId === undefined ? {} : { messageId }),
    size,
    channel: session.channel,
    client: session.remote.address,
    ...(session.identity ? { user: session.identity.user } : {}),
    replies,
  }
}
