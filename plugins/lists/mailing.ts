/**
 * Sends content to the members of a list, resumable and exactly once.
 *
 * The record of a mailing holds the current batch. A batch is recorded before it is submitted under its own `once` key,
 * so that after a crash the same batch is submitted again without effect; the next batch begins after the last address
 * of this one, even if members join or leave meanwhile. Invariants: the content is held as long as the record exists,
 * and both are removed in one commit.
 */
import type { Content, ContentChange, SetupContext, StagedContent } from 'iems'
import { classOf } from 'iems'
import type { DeliveryOption, MailingList, Member } from './api.ts'
import { decode, encode, everyMailing, mailingKey, roleAddress } from './records.ts'
import type { Roster } from './roster.ts'
import { wantsTopics } from './topics.ts'

export interface Mailing {
  readonly v: 1
  /** Identifies the mailing. */
  readonly id: string
  /** The list's address. */
  readonly list: string
  readonly content: Content
  /** Members who get it. */
  readonly delivery: Exclude<DeliveryOption, 'none'>
  /** The author, who may not want their own post; and members named in To or Cc. Folded. */
  readonly author?: string
  readonly named: readonly string[]
  /** Topics of a post; absent for digests, which have all. */
  readonly topics?: readonly string[]
  /** Each member gets it under a return path of their own. */
  readonly isPersonal: boolean
  /** The last address that a batch has held. */
  readonly cursor: string
  readonly batches: number
  readonly batch: readonly Addressed[]
  /** Refused for now; part of the batches at the end. */
  readonly later: readonly Addressed[]
  /** All members have been in a batch. */
  readonly isRead: boolean
}

interface Addressed {
  readonly address: string
  readonly token: string
}

export interface MailingDeps extends Pick<SetupContext, 'store' | 'contents' | 'submit' | 'clock' | 'log'> {
  readonly roster: Roster
  readonly batch: number
  /** A member's address was permanently refused. */
  refused(list: MailingList, address: string, why: string): Promise<void>
}

type NewMailing = Pick<Mailing, 'id' | 'list' | 'delivery' | 'author' | 'named' | 'topics' | 'isPersonal'>

/** Some members are refused for now: the delivery is to be tried again. */
export class NotNow extends Error {}

export class Mailings {
  readonly #deps: MailingDeps

  constructor(deps: MailingDeps) {
    this.#deps = deps
  }

  async has(id: string): Promise<boolean> {
    return (await this.#deps.store.get(mailingKey(id))) !== undefined
  }

  /**
   * Records a mailing with its content, and other records in the same commit. An existing one with the same id stays.
   */
  async begin(
    given: NewMailing,
    staged: StagedContent,
    also: Pick<ContentChange, 'ops' | 'hold' | 'free'>,
  ): Promise<void> {
    const mailing: Mailing = {
      v: 1,
      ...given,
      content: staged.content,
      cursor: '',
      batches: 0,
      batch: [],
      later: [],
      isRead: false,
    }
    const at = mailingKey(given.id)
    const isBegun = await this.#deps.contents.commit({
      ...also,
      ops: [{ put: at, value: encode(mailing) }, ...also.ops],
      checks: [{ key: at, is: 'absent' }],
      hold: [{ from: staged, owner: ownerOf(given.id) }, ...(also.hold ?? [])],
    })
    if (isBegun) return
    await staged.discard()
    if (!(await this.has(given.id))) throw new NotNow(`the mailing ${given.id} could not be written down now`)
  }

  /** Sends the rest of a mailing. Ends when the signal aborts; throws NotNow. */
  async run(id: string, signal: AbortSignal): Promise<void> {
    const { store, contents, roster } = this.#deps
    for (;;) {
      signal.throwIfAborted()
      const value = await store.get(mailingKey(id))
      if (!value) return
      const mailing = decode<Mailing>(value)
      const list = await roster.list(mailing.list)
      const left = list && mailing.batch.length > 0 ? await this.#send(list, mailing) : []
      const next = list && (await this.#next(list, { ...mailing, later: [...mailing.later, ...left] }))
      const checks = [{ key: mailingKey(id), is: value }]
      if (next) {
        await store.commit([{ put: mailingKey(id), value: encode(next) }], checks)
        // A batch of nothing but members who were refused for now: not at once again.
        if (left.length > 0 && left.length === mailing.batch.length && mailing.isRead)
          throw new NotNow(`${left.length} members of ${mailing.list} are refused for now`)
        continue
      }
      await contents.commit({
        ops: [{ del: mailingKey(id) }],
        checks,
        free: [{ blob: mailing.content.blob, owner: ownerOf(id) }],
      })
    }
  }

  /** Mailings that a stopped server has left. */
  async *left(): AsyncGenerator<Mailing> {
    for await (const [, value] of this.#deps.store.scan(everyMailing())) yield decode<Mailing>(value)
  }

  /** Those of the batch that are refused for now. */
  async #send(list: MailingList, mailing: Mailing): Promise<readonly Addressed[]> {
    const { submit, refused, log } = this.#deps
    const { id, batch, batches, content, isPersonal } = mailing
    const to = batch.map(({ address, token }) => ({
      address,
      ...(isPersonal ? { from: roleAddress(list.address, 'bounces', token) } : {}),
    }))
    const given = await submit({
      from: roleAddress(list.address, 'bounces'),
      to,
      content,
      once: `${id}/${batches}`,
      priority: 'bulk',
    })
    const no = new Map(given.refused.map(({ address, reply }) => [address, reply]))
    if (given.reply.code >= 400 && no.size < batch.length) {
      if (given.reply.code < 500) throw new NotNow(`a post to ${list.address} is not taken now: ${given.reply.text}`)
      log.warn('a post to a list was refused by this server', { list: list.address, reply: given.reply.text })
      return []
    }
    for (const [address, reply] of no)
      if (classOf(reply) === 'permanent') await refused(list, address, `${reply.code} ${reply.enhanced} ${reply.text}`)
    return batch.filter(({ address }) => {
      const reply = no.get(address)
      return reply !== undefined && classOf(reply) !== 'permanent'
    })
  }

  /** The mailing with its next batch; undefined when nothing is left. */
  async #next(list: MailingList, mailing: Mailing): Promise<Mailing | undefined> {
    const { roster, batch: most } = this.#deps
    const next = { ...mailing, batches: mailing.batches + 1 }
    if (mailing.isRead)
      return mailing.later.length === 0
        ? undefined
        : { ...next, batch: mailing.later.slice(0, most), later: mailing.later.slice(most) }
    const batch: Addressed[] = []
    let { cursor } = mailing
    let isRead = true
    for await (const member of roster.members(list, cursor)) {
      if (batch.length >= most) {
        isRead = false
        break
      }
      cursor = member.address
      if (this.#gets(list, member, mailing)) batch.push({ address: member.address, token: member.token })
    }
    if (batch.length === 0 && isRead) return this.#next(list, { ...mailing, isRead })
    return { ...next, cursor, batch, isRead }
  }

  #gets(list: MailingList, member: Member, { delivery, author, named, topics }: Mailing): boolean {
    if (member.delivery !== delivery || member.bounce?.state === 'suspended') return false
    if (member.awayUntil !== undefined && member.awayUntil > this.#deps.clock.now()) return false
    if (topics && !wantsTopics(list, member, topics)) return false
    if (member.address === author) return member.own
    return member.duplicates || !named.includes(member.address)
  }
}

const ownerOf = (id: string) => `mailing/${id}`
