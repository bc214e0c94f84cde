/**
 * Changing a delivery that waits, for administrators and for settlements that come too late.
 *
 * What must stay true: each change is one commit that holds only if the delivery's record is still what was changed.
 */
import type { Check, Key, Op } from '../store/store.ts'
import { afterEnd, endOps } from './end.ts'
import { type DeliveryRecord, encode, laneForDelivery, readKey } from './records.ts'
import type { QueueState } from './state.ts'
import { read } from './take.ts'

export interface ChangeOptions {
  /** Also due so many ms from now. */
  readonly inMs?: number | undefined
  /** Also while a kernel delivers it, which notices when it settles. */
  readonly evenLeased?: boolean
}

const TRIES = 10

/**
 * Changes one delivery's record; when no recipient is left it ends. False: it has gone, is being delivered by some
 * kernel, or `edit` left it as it is by answering undefined.
 */
export async function change(
  state: QueueState,
  at: Key,
  edit: (delivery: DeliveryRecord) => DeliveryRecord | undefined,
  { inMs, evenLeased }: ChangeOptions = {},
): Promise<boolean> {
  const { store } = state
  const { id, number } = readKey(at)
  for (let tries = 0; tries < TRIES; tries++) {
    const found = await read(state, id, at)
    const next = found && edit(found.delivery)
    if (!next) return false
    const { record, delivery, value } = found
    const [from, to] = [laneForDelivery(delivery, record.priority), laneForDelivery(next, record.priority)]
    const finished = next.recipients.length === 0
    if (!evenLeased && (await store.isLeased(from, at))) return false
    const ops: Op[] = finished
      ? endOps(state, { record, number, key: at, lane: from }, next)
      : [{ put: at, value: encode(next) }]
    if (!finished && (inMs !== undefined || from !== to)) ops.push({ due: at, lane: to, in: inMs ?? 0 })
    if (!finished && from !== to) ops.push({ undue: at, lane: from })
    const checks: Check[] = [{ key: at, is: value }]
    if (!evenLeased) checks.push({ free: at, lane: from })
    if (!(await store.commit(ops, checks))) continue
    if (finished) await afterEnd(state, record)
    return true
  }
  return false
}
