/**
 * The trace of one message: waiting, finished or refused.
 */
import { format, type Reply } from '../api/reply.ts'
import type { DeliveryTrace, MessageTrace } from '../message/trace.ts'
import type { Store } from '../store/store.ts'
import {
  type DeliveryRecord,
  decode,
  deliveriesOf,
  deliveryTraceOf,
  historyKey,
  historyOf,
  laneForDelivery,
  type MessageRecord,
  messageKey,
  readKey,
} from './records.ts'

/** The trace of a message, from its records and history; undefined when unknown. */
export async function traceOf(store: Store, id: string): Promise<MessageTrace | undefined> {
  const live = await store.get(messageKey(id))
  const value = live ?? (await store.get(historyKey(id, 0)))
  if (!value) return undefined
  const { last, refused, ...record } = decode<MessageRecord & { last?: DeliveryTrace; refused?: Reply }>(value)
  const deliveries: DeliveryTrace[] = last ? [last] : []
  for await (const [at, bytes] of store.scan(historyOf(id)))
    if (readKey(at).number !== 0) deliveries.push(decode(bytes))
  for await (const [at, bytes] of store.scan(deliveriesOf(id))) {
    const delivery = decode<DeliveryRecord>(bytes)
    const due = await store.dueAt(laneForDelivery(delivery, record.priority), at)
    const when = delivery.held === undefined ? (due === undefined ? {} : { due }) : { held: delivery.held }
    deliveries.push({
      ...deliveryTraceOf(readKey(at).number, delivery),
      waiting: { recipients: delivery.recipients, ...when },
    })
  }
  const { at, session, from, recipients, size, priority, steps, findings, splitFrom } = record
  deliveries.sort((a, b) => a.number - b.number)
  const facts = { id, at, session, from, recipients, size, priority, steps, findings }
  const story = { ...facts, ...(splitFrom === undefined ? {} : { splitFrom }), deliveries, finished: !live }
  return refused ? { ...story, refused: format(refused) } : story
}
