/**
 * The channel's way out: each delivery waits in the queue until the partner has acknowledged the batch that it went in.
 *
 * Invariants: a delivery is in at most one batch at a time; its record and its place among those that wait are one
 * commit; the queue alone decides when a message is given up.
 */
import {
  accept,
  type ContentStore,
  type DeliverContext,
  type Delivery,
  type Disposition,
  defer,
  type Outcome,
  type Recipient,
  type Store,
} from 'iems'
import { obstacle, readFeatures, writeEnvelope } from '../out/api.ts'
import type { Link, Links } from './links.ts'
import {
  decode,
  encode,
  rankOf,
  read,
  type TrackedRecord,
  trackedKey,
  type WaitingRecord,
  waitingKey,
} from './records.ts'

export interface OutboxDeps {
  readonly store: Store
  readonly contents: ContentStore
  readonly links: Links
  readonly now: () => number
  /** A delivery waits for this partner. */
  readonly gathered: (link: Link, waiting: WaitingRecord) => void
}

/** Ms after which a waiting delivery is checked again: its answer may have been missed, or its time may be over. */
const LOOK_MS = { least: 3_600_000, most: 21_600_000 }
/** Extensions that a sealed batch can carry: all that this server accepts. */
const ALL = ['SIZE', '8BITMIME', 'SMTPUTF8', 'DSN', 'CHUNKING', 'BINARYMIME', 'REQUIRETLS', 'MT-PRIORITY']

/** A rare link has thousands of deliveries that wait for days: they are looked at more rarely. */
const pauseOf = (link: Link | undefined) => Math.min(LOOK_MS.most, Math.max(LOOK_MS.least, (link?.resend ?? 0) / 4))

const GATHERED = defer(451, '4.4.0', 'Waits for the next batch to the partner').reply
const SENT = defer(451, '4.4.0', 'Waits for the acknowledgement of the partner').reply
const WAITS: ReadonlySet<string> = new Set([GATHERED.text, SENT.text])
const NO_PARTNER = defer(451, '4.3.5', 'The partner is not configured').reply
const TAKEN = accept(250, '2.0.0', 'Taken by the partner')

export class Outbox {
  readonly #deps: OutboxDeps

  constructor(deps: OutboxDeps) {
    this.#deps = deps
  }

  /** Before an attempt: a delivery that is in a batch still waits. */
  async postpone({ id }: Delivery): Promise<Disposition | undefined> {
    const { store, links, now } = this.#deps
    const tracked = await read<TrackedRecord>(store, trackedKey(id))
    if (!tracked || tracked.state === 'answered') return undefined
    const reply = tracked.state === 'sent' ? SENT : GATHERED
    return { kind: 'postpone', until: new Date(now() + pauseOf(links.byName(tracked.partner))), reply }
  }

  async deliver(delivery: Delivery, { log }: DeliverContext): Promise<readonly Outcome[]> {
    const { store, links } = this.#deps
    const tracked = await read<TrackedRecord>(store, trackedKey(delivery.id))
    if (tracked?.state === 'answered') return answered(delivery, tracked)
    const link = links.byName(delivery.route.nexthop)
    if (!link?.to) return all(delivery, { status: 'deferred', reply: NO_PARTNER })
    if (tracked) return all(delivery, { status: 'deferred', reply: GATHERED })
    log.debug('gathered for a batch', { message: delivery.message.id, partner: link.name })
    return this.#gather(delivery, link)
  }

  async #gather(delivery: Delivery, link: Link): Promise<readonly Outcome[]> {
    const { store, contents, now, gathered } = this.#deps
    const features = readFeatures(['', ...(link.format === 'sealed' ? ALL : link.extensions)].join('\n'))
    const refusal = await obstacle(delivery, features, 'send')
    if (refusal) return all(delivery, { status: 'failed', reply: refusal })
    const envelope = writeEnvelope(delivery, delivery.recipients, { features, dsn: features.dsn })
    if (envelope.recipients.length === 0) return envelope.unfit
    const { id, message, size, needs } = delivery
    const rank = rankOf(message.priority)
    const addresses = envelope.recipients.map(({ address }) => address)
    const waiting: WaitingRecord = {
      delivery: id,
      message: message.id,
      since: now(),
      urgent: message.priority === 'urgent',
      size,
      mail: envelope.mail,
      rcpts: envelope.rcpts,
      addresses,
      binary: needs.binary,
      content: contents.of(delivery),
    }
    const tracked: TrackedRecord = { partner: link.name, addresses, state: 'waiting', rank }
    const ops = [
      { put: waitingKey(link.name, rank, id), value: encode(waiting) },
      { put: trackedKey(id), value: encode(tracked) },
    ]
    if (await store.commit(ops, [{ key: trackedKey(id), is: 'absent' }])) gathered(link, waiting)
    const outcomes = envelope.recipients.map((recipient) => outcome(recipient, { status: 'deferred', reply: GATHERED }))
    return [...outcomes, ...envelope.unfit]
  }

  /** After an attempt: removes the record of a delivery that has ended or is to be gathered again. */
  async settled({ delivery, outcomes }: { readonly delivery: Delivery; readonly outcomes: readonly Outcome[] }) {
    const { store } = this.#deps
    const value = await store.get(trackedKey(delivery.id))
    if (!value) return
    const tracked = decode<TrackedRecord>(value)
    const isOver = outcomes.every(({ status }) => status !== 'deferred')
    // The answer may have come while the attempt that gathered it was being written.
    const isAnswered = outcomes.some(({ status, reply }) => status !== 'deferred' || !WAITS.has(reply.text))
    if (!isOver && !(tracked.state === 'answered' && isAnswered)) return
    const ops = [
      { del: trackedKey(delivery.id) },
      ...(tracked.state === 'waiting' ? [{ del: waitingKey(tracked.partner, tracked.rank, delivery.id) }] : []),
    ]
    await store.commit(ops, [{ key: trackedKey(delivery.id), is: value }])
  }
}

type Fate = Pick<Outcome, 'status' | 'reply' | 'handover'>
const outcome = (recipient: Recipient, fate: Fate): Outcome => ({ recipient, ...fate })
const all = ({ recipients }: Delivery, fate: Fate): Outcome[] => recipients.map((one) => outcome(one, fate))

type Answered = Extract<TrackedRecord, { state: 'answered' }>

/** A reply for a recipient, or for all; a recipient without a reply was accepted. Recipients that came later wait. */
function answered({ recipients }: Delivery, { addresses, answers, handover }: Answered): Outcome[] {
  const known = new Set(addresses)
  return recipients.map((recipient) => {
    const { address } = recipient
    if (!known.has(address)) return outcome(recipient, { status: 'deferred', reply: GATHERED })
    const reply = (answers.find((one) => one.address === address) ?? answers.find((one) => one.address === ''))?.reply
    if (!reply || reply.code < 300) return outcome(recipient, { status: 'delivered', reply: reply ?? TAKEN, handover })
    return outcome(recipient, { status: reply.code < 500 ? 'deferred' : 'failed', reply })
  })
}
