/**
 * Accepting: the commit after which messages are this server's responsibility.
 *
 * What must stay true: all that is accepted at once is one commit, its bodies included; a message that shares a body
 * with others becomes one of its holders in that commit.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { IemsError } from '../api/errors.ts'
import type { Recipient, Route, Routed } from '../api/hooks.ts'
import type { Reply } from '../api/reply.ts'
import type { Check, Op } from '../store/store.ts'
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
import { type QueueState, remember } from './state.ts'

/** A recipient with where its mail goes and what was decided about it alone. */
export interface Placed extends Routed {
  /** Why it is held until an administrator releases it. */
  readonly held?: string
  /** It is not delivered: its sender gets a report with this reply. */
  readonly refused?: Reply
}

/** A delivery that a message begins with. */
export interface NewDelivery {
  readonly route: Route
  readonly recipients: readonly Recipient[]
  readonly held?: string
  readonly refused?: Reply
}

/** A message that is to be in the queue. */
export interface NewMessage {
  readonly record: MessageRecord
  readonly deliveries: readonly NewDelivery[]
  /** The ops that store its body. A record with `shared` also needs `origin`, which proves that the body is there. */
  readonly body: readonly Op[]
  readonly origin?: Origin
  /** Not tried before this time, ms since 1970. */
  readonly notBefore?: number
  readonly once?: string
}

/** Commits that others may overtake, when many messages with the same body are accepted at the same time. */
const SHARE_TRIES = 50
/** Ms to wait at most between two of them. */
const MAX_PAUSE_MS = 100

/** The deliveries of routed recipients: one for each route and reverse-path, and for what was decided about them. */
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

/** The ops that put a message into the queue, but for its shared body. */
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

/** Makes the messages that share bodies their holders. Throws IEMS_BLOB_MISSING when a body may be on its way out. */
async function shareOps({ store }: QueueState, messages: readonly NewMessage[]) {
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
 * When this resolves the messages are this server's. The answer is the id of the first; it is another's when the same
 * `once` key was accepted before.
 */
export async function accept(state: QueueState, messages: readonly [NewMessage, ...NewMessage[]]): Promise<string> {
  const [{ record, deliveries, once, notBefore }] = messages
  const [only, ...more] = messages.length === 1 ? deliveries : []
  // Before the commit, because its end wakes the channel at once.
  if (only && more.length === 0 && only.held === undefined && notBefore === undefined) remember(state, record)
  const isShared = messages.some(({ record: { shared } }) => shared)
  let accepted = false
  try {
    for (let tries = 0; !accepted && tries < (isShared ? SHARE_TRIES : 1); tries++) {
      // Messages that share a body and try in step would overtake each other again and again.
      if (tries > 0) await wait(Math.random() * Math.min(MAX_PAUSE_MS, 2 ** tries))
      accepted = await commitOnce(state, messages)
      const before = accepted || once === undefined ? undefined : await state.store.get(onceKey(once))
      if (before) return decode<string>(before)
    }
  } finally {
    if (!accepted) state.fresh.delete(record.id)
  }
  if (accepted) return record.id
  throw new IemsError('IEMS_STORE_FAILED', { path: 'the queue', why: 'a new message collided with another' })
}
