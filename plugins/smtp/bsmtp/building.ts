/**
 * Makes batches of waiting deliveries: decides when a batch is due and which deliveries it holds, and keeps its octets
 * until the partner acknowledges it.
 *
 * Invariants: a number is used once; the deliveries of a batch, its number and its octets are one commit, so that two
 * kernels cannot put a message into two batches; the octets of a number stay the same for as long as it is under way.
 */
import { createHash, randomBytes } from 'node:crypto'
import { below, type Check, type ContentStore, type Op, type StagedContent, type Store } from 'iems'
import { extensionsOf, type WrittenTransaction, writeBatch } from './batch.ts'
import type { Link, Links } from './links.ts'
import { type Manifest, writeManifest } from './manifest.ts'
import type { BatchLabel } from './parcel.ts'
import {
  type BatchRecord,
  batchKey,
  decode,
  encode,
  type StreamRecord,
  scan,
  streamKey,
  type TrackedRecord,
  trackedKey,
  type WaitingRecord,
} from './records.ts'
import { compress, encrypt } from './seal.ts'
import { signDetached } from './signature.ts'

export interface BuilderDeps {
  readonly store: Store
  readonly contents: ContentStore
  readonly links: Links
  readonly hostname: string
  readonly now: () => number
}

/** A delivery that waits, with its record as it was read. */
interface Waiting {
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly record: WaitingRecord
}

export const batchOwner = (partner: string, number: number): string => `out/${partner}/${number}`

export class Builder {
  readonly #deps: BuilderDeps

  constructor(deps: BuilderDeps) {
    this.#deps = deps
  }

  /** Makes the next batch of what waits for a partner; undefined when none is due. With `force`, whatever waits. */
  async next(link: Link, force: boolean, manifest: Manifest, also: Acknowledging): Promise<BatchRecord | undefined> {
    const waiting = await this.#waiting(link)
    if (waiting.length === 0 || !(force || this.#isDue(link, waiting))) return undefined
    const present = await this.#present(waiting)
    return present.length === 0 ? this.next(link, force, manifest, also) : this.#build(link, present, manifest, also)
  }

  /** As many as fit into one batch, the most urgent first. */
  async #waiting({ name, gather }: Link): Promise<Waiting[]> {
    const found: Waiting[] = []
    let octets = 0
    for await (const one of scan<WaitingRecord>(this.#deps.store, below('w', name))) {
      octets += one.record.size
      if (found.length > 0 && octets > gather.size) break
      found.push(one)
      if (found.length >= gather.messages) break
    }
    return found
  }

  #isDue({ gather }: Link, waiting: readonly Waiting[]): boolean {
    const { messages, size, wait, at, urgent } = gather
    const now = this.#deps.now()
    const octets = waiting.reduce((sum, { record }) => sum + record.size, 0)
    const oldest = Math.min(...waiting.map(({ record }) => record.since))
    if (waiting.length >= messages || octets >= size) return true
    if (urgent && waiting.some(({ record }) => record.urgent)) return true
    return at.length === 0 ? oldest + wait <= now : at.some((time) => lastMoment(time, now) >= oldest)
  }

  /** Leaves out messages that an administrator has removed from the queue meanwhile. */
  async #present(waiting: readonly Waiting[]): Promise<Waiting[]> {
    const { store, contents } = this.#deps
    const present: Waiting[] = []
    for (const one of waiting) {
      const state = await contents.verify(one.record.content, false)
      if (state === 'right' || state === 'unproven') present.push(one)
      else await store.commit([{ del: one.key }, { del: trackedKey(one.record.delivery) }])
    }
    return present
  }

  async #build(
    link: Link,
    waiting: readonly Waiting[],
    manifest: Manifest,
    also: Acknowledging,
  ): Promise<BatchRecord | undefined> {
    const { store, contents } = this.#deps
    const at = streamKey(link.name)
    const value = await store.get(at)
    const { stream, next: number } = value ? decode<StreamRecord>(value) : newStream()
    const transactions = waiting.map(({ record }) => this.#transaction(record))
    const extensions = [...new Set(transactions.flatMap(extensionsOf))]
    const { staged, ...made } = await this.make(link, { stream, number, transactions, manifest, extensions })
    const deliveries = waiting.map(({ record: { delivery, message } }) => ({ delivery, message }))
    const record: BatchRecord = { number, content: staged.content, ...made, deliveries, copies: 0 }
    const ops: Op[] = [
      { put: at, value: encode({ stream, next: number + 1 } satisfies StreamRecord) },
      { put: batchKey(link.name, number), value: encode(record) },
    ]
    const checks: Check[] = [{ key: at, is: value ?? 'absent' }]
    for (const one of waiting) {
      const { delivery, addresses } = one.record
      const tracked: TrackedRecord = { partner: link.name, addresses, state: 'sent', batch: number }
      ops.push({ del: one.key }, { put: trackedKey(delivery), value: encode(tracked) })
      checks.push({ key: one.key, is: one.value })
    }
    if (link.format === 'sealed') {
      ops.push(...also.ops)
      checks.push(...also.checks)
    }
    const hold = [{ from: staged, owner: batchOwner(link.name, number) }]
    if (await contents.commit({ ops, checks, hold })) return record
    await staged.discard()
    return undefined
  }

  #transaction({ mail, rcpts, size, binary, content }: WaitingRecord): WrittenTransaction {
    return { mail, rcpts, size, binary, open: () => this.#deps.contents.open(content) }
  }

  /** The octets of a batch, not held yet. */
  async make(link: Link, parts: BatchParts): Promise<MadeBatch> {
    return link.format === 'sealed' ? this.#seal(link, parts) : this.#plain(link, parts)
  }

  async #seal(link: Link, { stream, number, transactions, manifest }: BatchParts): Promise<MadeBatch> {
    const { contents, links, hostname, now } = this.#deps
    const build = randomBytes(9).toString('base64url')
    const { compress: zip, level, encrypt: isSecret, publicKey, dictionary, dictionaryId, oneWay } = link
    const agreed = isSecret ? publicKey?.encapsulate(build) : undefined
    async function* plain() {
      yield writeManifest(manifest)
      yield* writeBatch(hostname, transactions)
    }
    const zipped = compress(plain(), zip, level, zip === 'zstd' ? dictionary : undefined)
    const staged = await contents.stage(agreed ? encrypt(zipped, agreed.key) : zipped)
    const label: BatchLabel = {
      from: links.own,
      to: link.signsAs,
      stream,
      batch: number,
      build,
      total: staged.content.size,
      zip,
      ...(dictionaryId && zip === 'zstd' ? { dictionary: dictionaryId } : {}),
      ...(agreed ? { ephemeral: agreed.ephemeral } : {}),
      ...(oneWay ? { oneWay: true } : {}),
      made: now(),
    }
    return { staged, label }
  }

  async #plain({ format }: Link, { stream, number, transactions, extensions }: BatchParts): Promise<MadeBatch> {
    const { contents, links, hostname, now } = this.#deps
    const hash = createHash('sha256')
    async function* hashed() {
      for await (const chunk of writeBatch(hostname, transactions)) {
        hash.update(chunk)
        yield chunk
      }
    }
    const staged = await contents.stage(hashed())
    const { identity, own } = links
    const isSigned = format === 'rfc2442-signed' && identity
    const signature = isSigned ? signDetached(identity, own, now(), hash.digest('base64url')) : undefined
    const name = `${own}-${stream}-${number}.bsmtp`
    return { staged, plain: { name, extensions, ...(signature === undefined ? {} : { signature }) } }
  }
}

export interface BatchParts {
  readonly stream: string
  readonly number: number
  readonly transactions: Iterable<WrittenTransaction> | AsyncIterable<WrittenTransaction>
  readonly manifest: Manifest
  /** EHLO keywords that the transactions make use of; named by a batch of RFC 2442. */
  readonly extensions: readonly string[]
}

export interface MadeBatch extends Pick<BatchRecord, 'label' | 'plain'> {
  readonly staged: StagedContent
}

/** Acknowledgements that are sent with a batch: operations that the commit of the batch includes. */
export interface Acknowledging {
  readonly ops: readonly Op[]
  readonly checks: readonly Check[]
}

export const newStream = (): StreamRecord => ({ stream: randomBytes(9).toString('base64url'), next: 1 })

/** The most recent moment of a time of day, in the time zone of the server. */
function lastMoment(time: string, now: number): number {
  const day = new Date(now)
  const minutes = Number(time.slice(0, 2)) * 60 + Number(time.slice(3))
  const at = (days: number) => new Date(day.getFullYear(), day.getMonth(), day.getDate() - days, 0, minutes).getTime()
  return at(0) <= now ? at(0) : at(1)
}
