/**
 * The end of deliveries and messages: the history they leave, and removal of bodies.
 *
 * Invariants: the last delivery removes its message and body; a body with another holder stays.
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

/** The history of a finished delivery, and of the message when it was its only one. */
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

/** A message that shares its body releases it in the commit that ends it. */
function forgetOps({ id, blob, shared }: MessageRecord): Op[] {
  const ops: Op[] = [{ del: messageKey(id) }]
  if (shared) ops.push({ del: holderKey(blob, messageHolder(id)) }, { put: freedKey(blob), value: randomBytes(8) })
  return ops
}

/**
 * Called after a delivery has ended: if it was the last, the message ends too. An only delivery has removed the record
 * already.
 */
export async function afterEnd(state: QueueState, record: MessageRecord): Promise<void> {
  if (record.of === 1) await finish(state, record)
  else await endMessage(state, record)
}

/** Ends a message that has no deliveries left. */
export async function endMessage(state: QueueState, record: MessageRecord): Promise<void> {
  const { store, historyMs } = state
  for await (const _ of store.scan({ ...deliveriesOf(record.id), limit: 1 })) return
  const ops = forgetOps(record)
  if (historyMs > 0) ops.push({ put: historyKey(record.id, 0), value: encode({ ...record, state: undefined }) })
  if (await store.commit(ops, [{ key: messageKey(record.id), is: 'present' }])) await finish(state, record)
}

/** Removes the body after the message's record. */
async function finish({ store, clock, emit, release }: QueueState, record: MessageRecord): Promise<void> {
  emit('message.finished', {
    message: record.id,
    from: record.from,
    findings: record.findings,
    ms: clock.now() - record.at,
  })
  if (record.shared) return release(record.blob)
  // A new holder writes `r blob` in a commit that checks that the message exists. The message is gone, so no new holder
  // can appear.
  if (!(await store.get(holdersKey(record.blob)))) await store.blobs.remove(record.blob)
}
