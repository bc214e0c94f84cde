/**
 * Changes to waiting deliveries, by administrators and by late settlements.
 *
 * Invariants: each change is one commit that fails if the delivery's record has changed meanwhile.
 */
import type { Check, Key, Op } from '../store/store.ts'
import { CONFLICT, TransactionConflict, transact } from '../store/transact.ts'
import { afterEnd, endOps } from './end.ts'
import { type DeliveryRecord, encode, laneForDelivery, readKey } from './records.ts'
import type { QueueState } from './state.ts'
import { read } from './take.ts'

export interface ChangeOptions {
  /** Makes the delivery due in this many ms. */
  readonly inMs?: number | undefined
  /** Applies even while a kernel attempts the delivery; that kernel notices when it settles. */
  readonly evenLeased?: boolean
}

const TRIES = 10

/**
 * Changes the record of one delivery, which ends when no recipient is left. Returns false when the delivery is gone, is
 * being attempted, or `edit` returned undefined.
 */
export async function change(
  state: QueueState,
  at: Key,
  edit: (delivery: DeliveryRecord) => DeliveryRecord | undefined,
  { inMs, evenLeased }: ChangeOptions = {},
): Promise<boolean> {
  const { store } = state
  const { id, number } = readKey(at)
  const attempt = async () => {
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
    if (!(await store.commit(ops, checks))) return CONFLICT
    if (finished) await afterEnd(state, record)
    return true
  }
  return transact({ what: 'the delivery', tries: TRIES }, attempt).catch((cause: unknown) => {
    if (cause instanceof TransactionConflict) return false
    throw cause
  })
}
