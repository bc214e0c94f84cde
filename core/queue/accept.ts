/**
 * Acceptance: the commit after which messages are this server's responsibility.
 *
 * Invariants: messages accepted together are one commit, including their bodies; a message that shares a body becomes
 * one of its holders in that commit.
 */
import { IemsError } from '../api/errors.ts'
import type { Recipient, Route, Routed } from '../api/hooks.ts'
import type { Reply } from '../api/reply.ts'
import type { Check, Op } from '../store/store.ts'
import { CONFLICT, TransactionConflict, transact } from '../store/transact.ts'
import { holdOps, type Origin } from './blob-references.ts'
import {
  type DeliveryRecord,
  decode,
  deliveryKey,
  encode,
  laneForDelivery,
  type MessageRecord,
  messageHolder,
  messageKey,
  onceKey,
} from './records.ts'
import type { QueueState } from './state.ts'

/** A recipient with its route and the verdicts about it alone. */
export interface Placed extends Routed {
  /** Reason for holding it until an administrator releases it. */
  readonly held?: string
  /** Refused: it is not delivered, and the sender gets a report with this reply. */
  readonly refused?: Reply
}

/** An initial delivery of a message. */
export interface NewDelivery {
  readonly route: Route
  readonly recipients: readonly Recipient[]
  readonly held?: string
  readonly refused?: Reply
}

/** A message to be queued. */
export interface NewMessage {
  readonly record: MessageRecord
  readonly deliveries: readonly NewDelivery[]
  /** The ops that store its body. A record with `shared` also needs `origin`, which proves that the body exists. */
  readonly body: readonly Op[]
  readonly origin?: Origin
  /** No attempt before this time, ms since 1970. */
  readonly notBefore?: number
  readonly once?: string
}

/** Retries when other acceptances of the same body win the race. */
const SHARE_TRIES = 50

/** Groups recipients into deliveries: one for each combination of route, reverse-path and verdict. */
export function deliveriesFor(recipients: readonly Placed[]): NewDelivery[] {
  const groups = new Map<string, NewDelivery & { readonly recipients: Recipient[] }>()
  for (const { recipient, route, held, refused } of recipients) {
    const { from } = recipient
    const name = `${route.channel}/${route.nexthop}\0${from ?? ''}\0${held ?? ''}\0${refused ? JSON.stringify(refused) : ''}`
    const group = groups.get(name)
    if (group) group.recipients.push(recipient)
    else
      groups.set(name, {
        route,
        recipients: [recipient],
        ...(held === undefined ? {} : { held }),
        ...(refused ? { refused } : {}),
      })
  }
  return [...groups.values()]
}

function firstRecords({ deliveries, notBefore }: NewMessage): DeliveryRecord[] {
  return deliveries.map(({ route, recipients, held, refused }) => ({
    v: 1,
    ...route,
    recipients,
    attempt: 0,
    attempts: [],
    state: {},
    findings: [],
    ...(held === undefined ? {} : { held }),
    ...(refused ? { giveUp: refused } : {}),
    ...(notBefore === undefined ? {} : { notBefore }),
  }))
}

/** The ops that queue a message, without those for a shared body. */
export function acceptOps(message: NewMessage, now: number): { readonly ops: Op[]; readonly checks: Check[] } {
  const { record, body, once, notBefore = 0 } = message
  const { id, priority } = record
  const ops: Op[] = [...body, { put: messageKey(id), value: encode(record) }]
  firstRecords(message).forEach((delivery, index) => {
    const at = deliveryKey(id, index + 1)
    ops.push(
      { put: at, value: encode(delivery) },
      { due: at, lane: laneForDelivery(delivery, priority), in: Math.max(0, notBefore - now) },
    )
  })
  const checks: Check[] = []
  if (once !== undefined) {
    const marker = onceKey(once)
    ops.push({ put: marker, value: encode(id) })
    checks.push({ key: marker, is: 'absent' })
  }
  return { ops, checks }
}

/** Makes the messages that share bodies holders of them. Throws IEMS_BLOB_MISSING when a body may be in removal. */
async function shareOps({ store }: QueueState, messages: readonly NewMessage[]) {
  if (!messages.some(({ record: { shared } }) => shared)) return { ops: [], checks: [] }
  const holders = new Map<string, { readonly origin: Origin; readonly names: string[] }>()
  for (const { record, origin } of messages) {
    if (!record.shared || !origin) continue
    const known = holders.get(origin.blob)
    if (known) known.names.push(messageHolder(record.id))
    else holders.set(origin.blob, { origin, names: [messageHolder(record.id)] })
  }
  const held = await Promise.all([...holders.values()].map(({ origin, names }) => holdOps(store, origin, names)))
  return { ops: held.flatMap(({ ops }) => ops), checks: held.flatMap(({ checks }) => checks) }
}

async function commitOnce(state: QueueState, messages: readonly NewMessage[]): Promise<boolean> {
  const parts = messages.map((message) => acceptOps(message, state.clock.now()))
  const shared = await shareOps(state, messages)
  return state.store.commit(
    [...shared.ops, ...parts.flatMap(({ ops }) => ops)],
    [...shared.checks, ...parts.flatMap(({ checks }) => checks)],
  )
}

/**
 * Accepts messages; once this resolves, they are this server's responsibility. Returns the id of the first, or that of
 * the message accepted earlier with the same `once` key.
 */
export async function accept(state: QueueState, messages: readonly [NewMessage, ...NewMessage[]]): Promise<string> {
  const [{ record, deliveries, once, notBefore }] = messages
  const [only, ...more] = messages.length === 1 ? deliveries : []
  // Before the commit, because the commit wakes the channel at once.
  if (only && more.length === 0 && only.held === undefined && notBefore === undefined)
    state.fresh.set(record.id, record)
  const isShared = messages.some(({ record: { shared } }) => shared)
  let accepted = false
  try {
    return await transact({ what: 'the queue', tries: isShared ? SHARE_TRIES : 1 }, async () => {
      accepted = await commitOnce(state, messages)
      if (accepted) return record.id
      const before = once === undefined ? undefined : await state.store.get(onceKey(once))
      return before ? decode<string>(before) : CONFLICT
    })
  } catch (cause) {
    if (!(cause instanceof TransactionConflict)) throw cause
    throw new IemsError('IEMS_STORE_FAILED', { path: 'the queue', why: 'a new message collided with another' }, cause)
  } finally {
    if (!accepted) state.fresh.delete(record.id)
  }
}
