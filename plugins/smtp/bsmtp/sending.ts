/**
 * Batches under way: handed to their transport, repeated until the partner has acknowledged them, or as often as a
 * one-way link asks for; then their deliveries are answered.
 *
 * Invariants: a batch is forgotten only in the commit that answers its deliveries; sending is harmless at any time,
 * since the partner knows a part it has; one partner that cannot be reached keeps no other waiting.
 */
import { setImmediate as turn } from 'node:timers/promises'
import {
  accept,
  below,
  type Check,
  type ContentStore,
  type Log,
  type Op,
  type Queue,
  refuse,
  type Store,
  unkey,
} from 'iems'
import { batchOwner } from './building.ts'
import type { Link, Links } from './links.ts'
import { BATCH_TYPE, type Consignment, PARCEL_TYPE } from './mail-form.ts'
import type { Done, PartialBatch } from './manifest.ts'
import { type BatchLabel, hashOfAll, writeLine } from './parcel.ts'
import {
  type Answer,
  type BatchRecord,
  batchKey,
  decode,
  encode,
  read,
  type StreamRecord,
  scan,
  streamKey,
  type TrackedRecord,
  trackedKey,
} from './records.ts'
import type { Send } from './transports.ts'

export interface SenderDeps {
  /** The channel's name. */
  readonly channel: string
  readonly store: Store
  readonly contents: ContentStore
  readonly links: Links
  readonly queue: Queue
  readonly send: Send
  readonly log: Log
  readonly now: () => number
}

const UNREADABLE = refuse(554, '5.6.0', 'The partner could not read the batch').reply
const HANDED_OVER = accept(250, '2.0.0', 'Handed over in a batch')

/** Octets that can be read in ranges. */
export type OpenRange = (range: { readonly start: number; readonly end: number }) => AsyncIterable<Uint8Array>

/** Whether a part that the partner has not is to be sent now. */
type Lost = (at: number, isLast: boolean) => boolean
const LAST: Lost = (_, isLast) => isLast
/** Octets of a batch for which one more round trip is cheaper. */
const ASKED_SIZE = 262_144

export class Sender {
  readonly #deps: SenderDeps
  /** Deliveries whose answer the queue has not taken up yet. */
  readonly #answered = new Set<string>()

  constructor(deps: SenderDeps) {
    this.#deps = deps
  }

  async count({ name }: Link): Promise<number> {
    let count = 0
    for await (const _ of this.#deps.store.scan(below('b', name))) count++
    return count
  }

  /** Sends what has not been sent, or is to be repeated now. With `force`, everything that is under way. */
  async sendDue(link: Link, force: boolean): Promise<void> {
    const { store, now } = this.#deps
    for await (const { record, value } of scan<BatchRecord>(store, below('b', link.name))) {
      const { sentAt, copies } = record
      const pause = this.#isAcknowledged(link) ? link.resend : (link.oneWay?.every ?? 0)
      if (!force && sentAt !== undefined && now() < sentAt + pause) continue
      if (copies > 0 && (await this.#isAbandoned(link, record))) await this.#forget(link, record, value)
      else await this.#sendWhole(link, record, value, !force && this.#isAsked(link, record) ? LAST : undefined)
    }
  }

  /**
   * Whether the partner is asked about a large batch first, by its last part: more often than the batch, its
   * acknowledgement was lost. If there is no answer, everything is sent.
   */
  #isAsked(link: Link, { copies, label, have }: BatchRecord): boolean {
    return this.#isAcknowledged(link) && copies === 1 && have === undefined && (label?.total ?? 0) >= ASKED_SIZE
  }

  #isAcknowledged({ format, oneWay }: Link): boolean {
    return format === 'sealed' && !oneWay
  }

  async #sendWhole(link: Link, record: BatchRecord, value: Uint8Array, lost?: Lost): Promise<void> {
    const { store, contents, now } = this.#deps
    await this.parts(link, record, (range) => contents.open(record.content, range), lost)
    const copies = record.copies + 1
    const next: BatchRecord = { ...record, copies, sentAt: now() }
    const isEnough = !this.#isAcknowledged(link) && copies >= (link.oneWay?.copies ?? 1)
    if (isEnough) return this.#answer(link, record, () => [{ address: '', reply: HANDED_OVER }])
    await store.commit(
      [{ put: batchKey(link.name, record.number), value: encode(next) }],
      [{ key: batchKey(link.name, record.number), is: value }],
    )
  }

  /**
   * Sends a batch, or the parts of it that the partner has not. When it has them all, its acknowledgement was lost: the
   * last part asks for it again.
   */
  async parts(
    link: Link,
    batch: Pick<BatchRecord, 'number' | 'content' | 'label' | 'plain' | 'copies' | 'have'>,
    open: OpenRange,
    isLost: Lost = () => true,
  ): Promise<void> {
    const { send } = this.#deps
    const { label, plain, content, copies, have = [] } = batch
    if (plain)
      await send(
        link,
        plainConsignment(plain, copies, () => open({ start: 0, end: content.size })),
      )
    if (!label) return
    const has = new Set(have)
    for (let at = 0, isAsked = false; at < label.total; at += link.partSize) {
      const isLast = at + link.partSize >= label.total
      if (has.has(at) ? !isLast || isAsked : !isLost(at, isLast)) continue
      isAsked = true
      await send(link, await this.#part(link, { label, at, copies }, open))
    }
  }

  async #part(
    { partSize }: Link,
    { label, at, copies }: { readonly label: BatchLabel; readonly at: number; readonly copies: number },
    open: OpenRange,
  ): Promise<Consignment> {
    const { identity } = this.#deps.links
    if (!identity) throw new Error('this server has no key to sign batches with')
    const end = Math.min(label.total, at + partSize)
    const line = writeLine(identity, {
      ...label,
      at,
      size: end - at,
      sha256: await hashOfAll(open({ start: at, end })),
    })
    const { from, stream, batch, build } = label
    return {
      name: `${from}-${stream}-${batch}-${build}-${at}.part`,
      type: PARCEL_TYPE,
      once: `bsmtp/${build}/${at}/${copies}`,
      async *open() {
        yield line
        yield* open({ start: at, end })
      },
    }
  }

  // --- answers ---

  /** Handles the partner's acknowledgement of a batch that it took. */
  async done(link: Link, { stream, batch, refused, upTo }: Done): Promise<void> {
    const record = await this.#ownBatch(link, stream, batch)
    if (!record) return
    const byIndex = new Map<number, Answer[]>()
    for (const { index, address, reply } of refused) {
      const answers = byIndex.get(index) ?? []
      answers.push({ address, reply })
      byIndex.set(index, answers)
    }
    const answersOf = (index: number): Answer[] =>
      upTo !== undefined && index >= upTo ? [{ address: '', reply: UNREADABLE }] : (byIndex.get(index) ?? [])
    await this.#answer(link, record, answersOf)
  }

  /**
   * Handles the partner's list of the parts that it has of a batch. Parts before the last of them are lost and sent at
   * once. Those behind it may be on their way: they are sent when something that was sent later has arrived, which the
   * last part, sent again, brings about, or after `resend`.
   */
  async partial(link: Link, { stream, batch, build, have }: PartialBatch): Promise<void> {
    const { store } = this.#deps
    const record = await this.#ownBatch(link, stream, batch)
    if (record?.label?.build !== build || record.copies === 0) return
    const at = batchKey(link.name, batch)
    const value = await store.get(at)
    const next = encode({ ...record, have } satisfies BatchRecord)
    if (value && (await store.commit([{ put: at, value: next }], [{ key: at, is: value }])))
      await this.#sendWhole(link, { ...record, have }, next, await this.#lostOf(link, record, have))
  }

  async #lostOf(link: Link, { number }: BatchRecord, have: readonly number[]): Promise<Lost> {
    if (await this.#isOvertaken(link, number)) return () => true
    const last = have.reduce((one, other) => Math.max(one, other), 0)
    return (at, isLast) => at < last || isLast
  }

  /** Whether the partner has something of a later batch. */
  async #isOvertaken({ name }: Link, batch: number): Promise<boolean> {
    const { store } = this.#deps
    const { next } = (await read<StreamRecord>(store, streamKey(name))) ?? { next: 0 }
    for (let later = batch + 1; later < next; later++) {
      const record = await read<BatchRecord>(store, batchKey(name, later))
      if (!record || (record.have?.length ?? 0) > 0) return true
    }
    return false
  }

  async #ownBatch({ name }: Link, stream: string, number: number): Promise<BatchRecord | undefined> {
    const { store } = this.#deps
    const own = await read<StreamRecord>(store, streamKey(name))
    return own?.stream === stream ? read<BatchRecord>(store, batchKey(name, number)) : undefined
  }

  /** Answers the deliveries of a batch and forgets it; the queue then ends or repeats them. */
  async #answer(link: Link, record: BatchRecord, answersOf: (index: number) => readonly Answer[]): Promise<void> {
    const { store, contents } = this.#deps
    const handover = link.format === 'sealed' || link.extensions.includes('DSN') ? 'reported' : 'relayed'
    const ops: Op[] = [{ del: batchKey(link.name, record.number) }]
    const checks: Check[] = [{ key: batchKey(link.name, record.number), is: 'present' }]
    const answered: string[] = []
    for (const [index, { delivery }] of record.deliveries.entries()) {
      const value = await store.get(trackedKey(delivery))
      const tracked = value && decode<TrackedRecord>(value)
      if (!value || tracked?.state !== 'sent' || tracked.batch !== record.number) continue
      const { partner, addresses } = tracked
      const answers = answersOf(index)
      const next: TrackedRecord = { partner, addresses, state: 'answered', handover, answers }
      ops.push({ put: trackedKey(delivery), value: encode(next) })
      checks.push({ key: trackedKey(delivery), is: value })
      answered.push(delivery)
    }
    const free = [{ blob: record.content.blob, owner: batchOwner(link.name, record.number) }]
    if (!(await contents.commit({ ops, checks, free }))) return
    for (const delivery of answered) this.#answered.add(delivery)
    await this.heed()
  }

  /** After a start: deliveries whose answer was written and not yet taken up. */
  async wake(): Promise<void> {
    for await (const { key, record } of scan<TrackedRecord>(this.#deps.store, below('d')))
      if (record.state === 'answered') this.#answered.add(String(unkey(key)[1]))
  }

  /**
   * Makes the queue take up answers. A delivery that was being looked at when its answer came has missed it, so this is
   * called again until each answer has been taken up.
   */
  async heed(): Promise<void> {
    const { store, queue, channel } = this.#deps
    for (const delivery of this.#answered) {
      const at = trackedKey(delivery)
      const value = await store.get(at)
      const isAnswered = value && decode<TrackedRecord>(value).state === 'answered'
      const message = delivery.slice(0, delivery.lastIndexOf('.'))
      if (!isAnswered) this.#answered.delete(delivery)
      else if ((await queue.retry({ message, channel })) === 0 && (await queue.count({ message, channel })) === 0)
        await store.commit([{ del: at }], [{ key: at, is: value }])
      await turn()
    }
  }

  /** Whether the queue has given all of it up. */
  async #isAbandoned({ name }: Link, { number, deliveries }: BatchRecord): Promise<boolean> {
    for (const { delivery } of deliveries) {
      const tracked = await read<TrackedRecord>(this.#deps.store, trackedKey(delivery))
      if (tracked?.partner === name && tracked.state === 'sent' && tracked.batch === number) return false
    }
    return true
  }

  async #forget({ name }: Link, { number, content }: BatchRecord, value: Uint8Array): Promise<void> {
    const at = batchKey(name, number)
    const free = [{ blob: content.blob, owner: batchOwner(name, number) }]
    await this.#deps.contents.commit({ ops: [{ del: at }], checks: [{ key: at, is: value }], free })
  }
}

function plainConsignment(
  { name, extensions, signature }: NonNullable<BatchRecord['plain']>,
  copies: number,
  open: () => AsyncIterable<Uint8Array>,
): Consignment {
  const required = extensions.length > 0 ? `; required-extensions="${extensions.join(',')}"` : ''
  return { name, type: `${BATCH_TYPE}${required}`, signature, once: `bsmtp/${name}/${copies}`, open }
}
