/**
 * How deliveries and messages end: what stays in the history, and when a body is removed.
 *
 * What must stay true: the last delivery takes its message and its body with it; a body that another message or a
 * plugin holds stays.
 */
import { randomBytes } from 'node:crypto'
import type { Op } from '../store/store.ts'
import {
  type DeliveryRecord,
  deliveriesOf,
  deliveryTraceOf,
  encode,
  freedKey,
  historyKey,
  holderKey,
  holdersKey,
  type MessageRecord,
  messageHolder,
  messageKey,
} from './records.ts'
import type { Job, QueueState } from './state.ts'

export type Ended = Pick<Job, 'record' | 'number' | 'key' | 'lane'>

/** What stays of a finished delivery, and of the message when it was the only one. */
export function endOps({ historyMs }: QueueState, ended: Ended, story: DeliveryRecord): Op[] {
  const { record, number, key: at, lane } = ended
  const ops: Op[] = [{ del: at }, { undue: at, lane }]
  const only = record.of === 1
  if (only) ops.push(...forgetOps(record))
  if (historyMs > 0) {
    if (only)
      ops.push({
        put: historyKey(record.id, 0),
        value: encode({ ...record, state: undefined, last: deliveryTraceOf(number, story) }),
      })
    else ops.push({ put: historyKey(record.id, number), value: encode(deliveryTraceOf(number, story)) })
  }
  return ops
}

/** A message that shares its body lets go of it in the commit that ends it. */
function forgetOps({ id, blob, shared }: MessageRecord): Op[] {
  const ops: Op[] = [{ del: messageKey(id) }]
  if (shared) ops.push({ del: holderKey(blob, messageHolder(id)) }, { put: freedKey(blob), value: randomBytes(8) })
  return ops
}

/** A delivery has gone; was it the last, the message goes too. The only one took the record with it. */
export async function afterEnd(state: QueueState, record: MessageRecord): Promise<void> {
  if (record.of === 1) await finish(state, record)
  else await endMessage(state, record)
}

/** Ends a message whose deliveries have all gone. */
export async function endMessage(state: QueueState, record: MessageRecord): Promise<void> {
  const { store, historyMs } = state
  for await (const _ of store.scan({ ...deliveriesOf(record.id), limit: 1 })) return
  const ops = forgetOps(record)
  if (historyMs > 0) ops.push({ put: historyKey(record.id, 0), value: encode({ ...record, state: undefined }) })
  if (await store.commit(ops, [{ key: messageKey(record.id), is: 'present' }])) await finish(state, record)
}

/** The message's record has gone: its body follows. */
async function finish({ store, clock, emit, release }: QueueState, record: MessageRecord): Promise<void> {
  emit('message.finished', {
    message: record.id,
    from: record.from,
    findings: record.findings,
    ms: clock.now() - record.at,
  })
  if (record.shared) return release(record.blob)
  // A holder put `r blob` in the commit that made it one, and that commit checked that the message was still there: with
  // the message gone, there can be no new one.
  if (!(await store.get(holdersKey(record.blob)))) await store.blobs.remove(record.blob)
}
