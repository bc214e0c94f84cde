/**
 * The channel: delivers messages to lists and to their additional addresses.
 *
 * Invariants: a repeated delivery has the same result; only the rules or a moderator let a post through; an exception
 * means a temporary failure.
 */
import {
  accept,
  type DeliverContext,
  type Delivery,
  defer,
  type Outcome,
  type ReadableMessage,
  type Recipient,
  type RecipientVerdict,
  type Reply,
  refuse,
} from 'iems'
import type { MailingList, PostVerdict } from './api.ts'
import { NotNow } from './mailing.ts'
import type { Posting } from './posting.ts'
import { type ListAddress, readingsOf } from './records.ts'
import type { Roster } from './roster.ts'
import { type Author, authorOf } from './rules.ts'

export interface Target extends ListAddress {
  readonly mailing: MailingList
}

/** Handles mail for one kind of address. */
export type Take = (target: Target, delivery: Delivery, signal: AbortSignal) => Promise<Reply>

export interface DeliverDeps {
  readonly name: string
  readonly roster: Roster
  readonly posting: Posting
  readonly takes: Readonly<Partial<Record<ListAddress['role'], Take>>>
  /** The verdict of the rules, as other plugins leave it. */
  judge(list: MailingList, message: ReadableMessage, author: Author): Promise<PostVerdict>
}

const TAKEN = accept(250, '2.0.0', 'OK')
const UNKNOWN = refuse(550, '5.1.1', 'No such list')
const BUSY = defer(451, '4.3.0', 'The post cannot be sent to all members now')

export function createTargets(roster: Roster) {
  return async function targetOf(address: string): Promise<Target | undefined> {
    for (const reading of readingsOf(address)) {
      const mailing = await roster.list(reading.list)
      if (mailing) return { ...reading, mailing }
    }
    return undefined
  }
}

/** Sent by the list server itself: a nested list's post, or one that a moderator has approved. */
const isOwn = (name: string, { session }: ReadableMessage) => session.protocol === 'LOCAL' && session.channel === name

export function createDeliver(deps: DeliverDeps) {
  const { name, roster, posting, takes, judge } = deps
  const targetOf = createTargets(roster)

  async function takePost(target: Target, delivery: Delivery, signal: AbortSignal): Promise<Reply> {
    const { mailing: list } = target
    const id = postIdOf(list, delivery)
    if (await posting.isUnderWay(id)) return resume(id, signal)
    const author = authorOf(delivery.headers)
    const verdict = isOwn(name, delivery.message)
      ? await posting.nested(list, delivery)
      : await judge(list, delivery.message, author)
    if (verdict.kind === 'refuse') return refuse(550, '5.7.1', verdict.why).reply
    if (verdict.kind === 'discard') {
      await posting.discarded(list, delivery, verdict.why)
      return TAKEN
    }
    if (verdict.kind === 'hold') {
      await posting.hold(list, delivery, author, verdict.why)
      return TAKEN
    }
    await posting.begin(id, list, delivery, author)
    return resume(id, signal)
  }

  async function takeApproved(target: Target, delivery: Delivery, signal: AbortSignal): Promise<Reply> {
    const { mailing: list, detail } = target
    const id = postIdOf(list, delivery)
    if (await posting.isUnderWay(id)) return resume(id, signal)
    const held = isOwn(name, delivery.message) ? await posting.approved(list, detail) : undefined
    if (!held) return UNKNOWN.reply
    await posting.begin(id, list, delivery, authorOf(delivery.headers), held)
    return resume(id, signal)
  }

  async function resume(id: string, signal: AbortSignal): Promise<Reply> {
    await posting.run(id, signal)
    return TAKEN
  }

  async function one(recipient: Recipient, delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    const target = await targetOf(recipient.address)
    const take = { ...takes, post: takePost, approved: takeApproved }[target?.role ?? 'post']
    const reply = target && take ? await take(target, delivery, signal).catch(replyOf) : UNKNOWN.reply
    const status = reply.code < 300 ? 'delivered' : reply.code < 500 ? 'deferred' : 'failed'
    return { recipient, status, reply }
  }

  return async function deliver(delivery: Delivery, { signal }: DeliverContext): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    for (const recipient of delivery.recipients) outcomes.push(await one(recipient, delivery, signal))
    return outcomes
  }
}

function replyOf(cause: unknown): Reply {
  if (cause instanceof NotNow) return BUSY.reply
  throw cause
}

const postIdOf = (list: MailingList, { message }: Delivery) => `${message.id}/${list.id}`

/** Refuses posts to the client, so that no report goes to a forged sender. */
export function createCheck({ name, roster, judge }: Pick<DeliverDeps, 'name' | 'roster' | 'judge'>) {
  const targetOf = createTargets(roster)
  return async function check(message: ReadableMessage): Promise<readonly RecipientVerdict[] | undefined> {
    if (isOwn(name, message)) return undefined
    const verdicts: RecipientVerdict[] = []
    for (const recipient of message.recipients) {
      const target = await targetOf(recipient.address)
      if (target?.role === 'approved') verdicts.push({ ...UNKNOWN, recipients: [recipient] })
      if (target?.role !== 'post') continue
      const verdict = await judge(target.mailing, message, authorOf(message.headers))
      if (verdict.kind === 'refuse') verdicts.push({ ...refuse(550, '5.7.1', verdict.why), recipients: [recipient] })
    }
    return verdicts.length > 0 ? verdicts : undefined
  }
}
