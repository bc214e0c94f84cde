/**
 * The background work: makes and sends full batches, repeats unacknowledged batches, sends acknowledgements, reads
 * watched folders. One check of a partner does everything that is due; checks run at intervals and on request.
 *
 * Invariants: checks of one partner never overlap; a partner that fails is left alone for a while and delays no other;
 * work that a crash interrupts is due again at the next check.
 */
import { below, type Check, type Clock, type ContentStore, type Log, type Store, unkey } from 'iems'
import { type Acknowledging, type Builder, newStream } from './building.ts'
import type { Link, Links } from './links.ts'
import type { Done, Manifest, PartialBatch } from './manifest.ts'
import {
  type AckRecord,
  hasNumber,
  type InStreamRecord,
  inStreamKey,
  type PartRecord,
  read,
  type StreamRecord,
  scan,
  streamKey,
  type TakenRecord,
  takenKey,
  type WaitingRecord,
} from './records.ts'
import type { Sender } from './sending.ts'

export interface ExchangeDeps {
  readonly store: Store
  readonly contents: ContentStore
  readonly links: Links
  readonly clock: Clock
  readonly log: Log
  readonly builder: Builder
  readonly sender: Sender
  /** Ms between two looks. */
  readonly look: number
}

/** Ms for which a partner is left alone after a failure, at first and at most. */
const PAUSE_MS = { first: 30_000, most: 600_000 }
/** Acknowledgements that one batch carries. */
const MAX_ACKS = 1000
/** Batches that one look makes of one partner's mail. */
const MAX_BATCHES = 1000

interface Failure {
  readonly until: number
  readonly pause: number
}

interface Owed extends Manifest, Acknowledging {
  readonly oldest: number
}

/** Mail that has come for a partner since the last check. */
interface Gathered {
  messages: number
  octets: number
}

export class Exchange {
  readonly #deps: ExchangeDeps
  readonly #failures = new Map<string, Failure>()
  readonly #gathered = new Map<string, Gathered>()
  /** Links with a look under way, and what was asked for meanwhile. */
  readonly #looking = new Map<string, { again: boolean; done: Promise<void> }>()

  constructor(deps: ExchangeDeps) {
    this.#deps = deps
  }

  /** Looks at every partner. */
  async look(): Promise<void> {
    await Promise.all(this.#deps.links.all.map((link) => this.#lookAt(link)))
  }

  /** Sends everything that waits for a partner now. Throws what prevents it. */
  async sendAll(link: Link): Promise<void> {
    this.#failures.delete(link.name)
    await this.#looking.get(link.name)?.done
    await this.#work(link, true)
  }

  /** A message waits for a partner: a full batch, or one with an urgent message, goes at once. */
  gathered(link: Link, { size, urgent }: WaitingRecord): void {
    const sum = this.#gathered.get(link.name) ?? { messages: 0, octets: 0 }
    sum.messages++
    sum.octets += size
    this.#gathered.set(link.name, sum)
    const { gather } = link
    if ((urgent && gather.urgent) || sum.messages >= gather.messages || sum.octets >= gather.size) this.kick(link)
  }

  /** An acknowledgement is owed: it is sent when it has waited for long enough. */
  owes(link: Link): void {
    this.#deps.clock.after(link.acknowledge, () => this.kick(link))
  }

  kick(link: Link): void {
    this.#deps.clock.after(0, () => void this.#lookAt(link))
  }

  /** Ends when nothing is under way. */
  async idle(): Promise<void> {
    await Promise.all([...this.#looking.values()].map(({ done }) => done))
  }

  async #lookAt(link: Link): Promise<void> {
    const under = this.#looking.get(link.name)
    if (under) {
      under.again = true
      return under.done
    }
    const failure = this.#failures.get(link.name)
    if (failure && failure.until > this.#deps.clock.now()) return
    const state = { again: false, done: Promise.resolve() }
    state.done = this.#run(link, state)
    this.#looking.set(link.name, state)
    await state.done
  }

  async #run(link: Link, state: { again: boolean }): Promise<void> {
    const { log, clock } = this.#deps
    try {
      do {
        state.again = false
        await this.#work(link, false)
      } while (state.again)
      this.#failures.delete(link.name)
    } catch (cause) {
      const before = this.#failures.get(link.name)?.pause ?? PAUSE_MS.first / 2
      const pause = Math.min(PAUSE_MS.most, 2 * before)
      this.#failures.set(link.name, { pause, until: clock.now() + pause })
      log.warn('batches could not be sent', { partner: link.name, cause })
    } finally {
      this.#looking.delete(link.name)
    }
  }

  async #work(link: Link, force: boolean): Promise<void> {
    const { builder, sender } = this.#deps
    if (!link.to) return
    this.#gathered.delete(link.name)
    let room = link.outstanding - (await sender.count(link))
    for (let made = 0; room > 0 && made < MAX_BATCHES; made++, room--) {
      const owed = await this.#owed(link)
      if (!(await builder.next(link, force, { done: owed.done, partial: owed.partial }, owed))) break
    }
    await sender.sendDue(link, force)
    await this.#acknowledge(link, force)
  }

  // --- acknowledgements ---

  /** Acknowledgements that are due to a partner: of whole batches, and of those whose parts have stopped coming. */
  async #owed({ name, acknowledge }: Link): Promise<Owed> {
    const { store, clock } = this.#deps
    const done: Done[] = []
    const partial: PartialBatch[] = []
    const ops: { del: Uint8Array }[] = []
    // One that is owed again meanwhile stays.
    const checks: Check[] = []
    let oldest = Number.POSITIVE_INFINITY
    for await (const { key: at, value, record } of scan<AckRecord>(store, below('a', name))) {
      const [, , stream, batch] = unkey(at) as [string, string, string, number]
      const taken = await this.#takenOf(name, stream, batch)
      // Parts that are on their way must not be asked for.
      if (!taken && record.since + acknowledge > clock.now()) continue
      if (taken) done.push(taken)
      else partial.push(...(await this.#partialOf(name, stream, batch)))
      ops.push({ del: at })
      checks.push({ key: at, is: value })
      oldest = Math.min(oldest, record.since)
      if (ops.length >= MAX_ACKS) break
    }
    return { done, partial, ops, checks, oldest }
  }

  async #takenOf(name: string, stream: string, batch: number): Promise<Done | undefined> {
    const { store } = this.#deps
    const taken = await read<TakenRecord>(store, takenKey(name, stream, batch))
    if (taken) {
      const { at: _, ...known } = taken
      return known
    }
    // The replies to this batch have been removed since; its number shows that it was taken.
    const numbers = await read<InStreamRecord>(store, inStreamKey(name, stream))
    return numbers && hasNumber(numbers, batch) ? { stream, batch, refused: [] } : undefined
  }

  async #partialOf(name: string, stream: string, batch: number): Promise<PartialBatch[]> {
    const builds = new Map<string, number[]>()
    for await (const { record } of scan<PartRecord>(this.#deps.store, below('q', name, stream, batch))) {
      const have = builds.get(record.label.build) ?? []
      have.push(record.at)
      builds.set(record.label.build, have)
    }
    return [...builds].map(([build, have]) => ({ stream, batch, build, have }))
  }

  /** Sends acknowledgements that no batch has carried, in a batch of their own. */
  async #acknowledge(link: Link, force: boolean): Promise<void> {
    const { store, builder, sender, clock } = this.#deps
    if (link.format !== 'sealed' || link.oneWay || !this.#deps.links.identity) return
    const owed = await this.#owed(link)
    if (owed.ops.length === 0 || !(force || owed.oldest + link.acknowledge <= clock.now())) return
    const { stream } = (await read<StreamRecord>(store, streamKey(link.name))) ?? newStream()
    const made = await builder.make(link, {
      stream,
      number: 0,
      transactions: [],
      extensions: [],
      manifest: { done: owed.done, partial: owed.partial },
    })
    const { staged, ...batch } = made
    try {
      await sender.parts(link, { number: 0, content: staged.content, copies: 0, ...batch }, (range) =>
        staged.open(range),
      )
      await store.commit(owed.ops, owed.checks)
    } finally {
      await staged.discard()
    }
  }
}
