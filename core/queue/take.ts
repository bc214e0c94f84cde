/**
 * Takes due deliveries: the lease and the records of the delivery and its message.
 *
 * Invariants: a delivery's record is read from the store after its lease is taken, never from memory; an unreadable
 * delivery does not hold back the others of its batch.
 */
import type { Check, Key, Lease, Value } from '../store/store.ts'
import { type DeliveryRecord, decode, type MessageRecord, messageKey, readKey } from './records.ts'
import type { Job, QueueState } from './state.ts'

export const leaseIsOurs = ({ key: at, lane, lease }: Pick<Job, 'key' | 'lane' | 'lease'>): Check => ({
  due: at,
  lane,
  lease: lease.generation,
})

export async function take(state: QueueState, lane: string, limit: number, leaseMs: number): Promise<Job[]> {
  const leases = await state.store.take(lane, limit, leaseMs)
  // At the same time, because a store on another machine reads them with one question then.
  const jobs = await Promise.all(
    leases.map(async (lease) => {
      try {
        return await load(state, lane, lease)
      } catch (cause) {
        // It becomes due again when its lease ends; the others of the batch must not wait for it.
        state.emit('store.failing', { message: readKey(lease.key).id, cause })
        return undefined
      }
    }),
  )
  return jobs.filter((job) => job !== undefined)
}

async function load(state: QueueState, lane: string, lease: Lease): Promise<Job | undefined> {
  const { store, fresh, active } = state
  const { id, number } = readKey(lease.key)
  const found = await read(state, id, lease.key)
  fresh.delete(id)
  if (!found) {
    await store.commit([{ undue: lease.key, lane }], [leaseIsOurs({ key: lease.key, lane, lease })])
    return undefined
  }
  const job: Job = { number, key: lease.key, lane, lease, ...found }
  active.add(job)
  return job
}

/** The records of a delivery; undefined when one of them is gone. */
export async function read(
  { store, fresh }: QueueState,
  id: string,
  at: Key,
): Promise<Pick<Job, 'record' | 'delivery' | 'value'> | undefined> {
  const known = fresh.get(id)
  const [message, value] = await Promise.all([known ?? store.get(messageKey(id)), store.get(at)])
  if (!message || !value) return undefined
  const record = known ?? decode<MessageRecord>(message as Value)
  return { record, delivery: decode<DeliveryRecord>(value), value }
}

/** Extends the lease of a job. False: it is no longer held. */
export async function renew({ store }: QueueState, job: Job, leaseMs: number): Promise<boolean> {
  const lease = await store.renew(job.lane, job.lease, leaseMs)
  if (lease) job.lease = lease
  return lease !== undefined
}
