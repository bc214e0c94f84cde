/**
 * The channel's way in: who a batch is from, whether it may come, its parts, and what becomes of it.
 *
 * Invariants: a batch from an unknown sender is refused whole, before any of it is kept; a part or batch that has come
 * before is harmless; the results of a batch and its arrival are stored before it is acknowledged; a crash at any point
 * leaves a batch that is taken up again.
 */
import { createHash } from 'node:crypto'
import {
  accept,
  below,
  type Check,
  type ContentStore,
  defer,
  type Log,
  type Op,
  type Refusal,
  type Reply,
  refuse,
  type StagedContent,
  type Store,
} from 'iems'
import { type DeliveringDeps, deliverBatch } from './delivering.ts'
import type { Link, Links } from './links.ts'
import type { Manifest } from './manifest.ts'
import { type BatchLabel, peek, type ReadParcel, readParcel, verified } from './parcel.ts'
import {
  ackKey,
  decode,
  encode,
  hasNumber,
  type InStreamRecord,
  inStreamKey,
  type PartRecord,
  partKey,
  read,
  scan,
  seenKey,
  type TakenRecord,
  takenKey,
  withNumber,
} from './records.ts'
import type { Reporting } from './reports.ts'
import { SealError } from './seal.ts'
import { readDetached } from './signature.ts'
import { unseal } from './unseal.ts'

/** How a batch came. */
export interface Via {
  /** Its partner, where the way shows it: a folder, a login, a network. */
  readonly link?: Link | undefined
  readonly signature?: string | undefined
  /** Extensions it says it needs, in upper case. */
  readonly required?: readonly string[]
  readonly remote?: string | undefined
}

export interface InboxDeps extends DeliveringDeps {
  readonly store: Store
  readonly contents: ContentStore
  readonly links: Links
  readonly log: Log
  readonly now: () => number
  readonly report: Reporting
  /** Acknowledgements of the partner. */
  acknowledged(link: Link, manifest: Manifest): Promise<void>
  /** There is something to acknowledge. */
  owes(link: Link): void
}

/** Ms for which a signature by itself is good, and for which batches without a number are remembered. */
const SIGNATURE_MS = 60 * 86_400_000
const EARLY_MS = 86_400_000
const KNOWN: ReadonlySet<string> = new Set(
  'SIZE 8BITMIME DSN SMTPUTF8 CHUNKING BINARYMIME REQUIRETLS MT-PRIORITY PIPELINING ENHANCEDSTATUSCODES'.split(' '),
)

const STRANGER = refuse(550, '5.7.1', 'The batch is not from a known partner')
const NOT_FOR_US = refuse(550, '5.7.1', 'The batch is for another system')
const OLD = refuse(550, '5.7.1', 'The signature of the batch is too old')
const TOO_LARGE = refuse(552, '5.3.4', 'The batch is too large')
const NEEDS = refuse(555, '5.5.4', 'The batch needs an extension that is not known here')
const NO_DICTIONARY = defer(451, '4.3.5', 'The dictionary of the batch is not known here')
const UNREADABLE = defer(451, '4.6.0', 'The batch could not be unpacked')
const TAKEN = accept(250, '2.0.0', 'Batch taken')
const PART_TAKEN = accept(250, '2.0.0', 'Part taken')
const KNOWN_ALREADY = accept(250, '2.0.0', 'Batch taken before')

export const partOwner = (partner: string, { stream, batch, build }: BatchLabel, at: number): string =>
  `in/${partner}/${stream}/${batch}/${build}/${at}`

export class Inbox {
  readonly #deps: InboxDeps
  /** Batches that this process is delivering. */
  readonly #busy = new Set<string>()

  constructor(deps: InboxDeps) {
    this.#deps = deps
  }

  /** Takes a batch or a part of one. Throws only what the source and the store throw. */
  async receive(source: AsyncIterable<Uint8Array>, via: Via): Promise<Reply> {
    try {
      const { isParcel, octets } = await peek(source)
      return await (isParcel ? this.#takeParcel(octets, via) : this.#takePlain(octets, via))
    } catch (cause) {
      if (cause instanceof SealError) return refuse(554, '5.6.0', `Bad batch: ${cause.message}`).reply
      throw cause
    }
  }

  /** Whether a batch may come at all; keeps nothing. */
  async judge(source: AsyncIterable<Uint8Array>, via: Via): Promise<Refusal | undefined> {
    try {
      const { isParcel, octets } = await peek(source)
      if (!isParcel) return await this.#judgePlain(octets, via)
      const parcel = await readParcel(octets)
      const known = this.#linkOf(parcel)
      if ('kind' in known) return known
      for await (const _ of verified(parcel.octets, parcel.label));
      return undefined
    } catch (cause) {
      if (cause instanceof SealError) return refuse(554, '5.6.0', `Bad batch: ${cause.message}`)
      throw cause
    }
  }

  // --- sealed ---

  #linkOf({ label, isSignedBy }: ReadParcel): Link | Refusal {
    const { links } = this.#deps
    const link = links.bySignature(label.from)
    if (!link?.publicKey || !isSignedBy(link.publicKey)) return STRANGER
    if (label.to !== links.own) return NOT_FOR_US
    if (label.total > link.accept.size) return TOO_LARGE
    if (label.dictionary !== undefined && label.dictionary !== link.dictionaryId) return NO_DICTIONARY
    return link
  }

  async #takeParcel(source: AsyncIterable<Uint8Array>, via: Via): Promise<Reply> {
    const { store, contents, now } = this.#deps
    const parcel = await readParcel(source)
    const link = this.#linkOf(parcel)
    if ('kind' in link) return link.reply
    const { label } = parcel
    if (await this.#isTaken(link, label)) {
      await this.#owe(link, label)
      return KNOWN_ALREADY
    }
    const { at, size, sha256: _, ...batch } = label
    const staged = await contents.stage(verified(parcel.octets, label))
    const part: PartRecord = { content: staged.content, label: batch, at, size }
    const key = partKey(link.name, batch, at)
    const isNew = await contents.commit({
      ops: [{ put: key, value: encode(part) }],
      checks: [{ key, is: 'absent' }],
      hold: [{ from: staged, owner: partOwner(link.name, batch, at) }],
    })
    if (!isNew) await staged.discard()
    if (label.batch > 0 && !label.oneWay)
      await store.commit([{ put: ackKey(link.name, label.stream, label.batch), value: encode({ since: now() }) }])
    const reply = (await this.#process(link, batch, via)) ?? PART_TAKEN
    if (label.batch > 0 && !label.oneWay) this.#deps.owes(link)
    return reply
  }

  /** Takes up batches that are whole and were not delivered to their end. */
  async resume(): Promise<void> {
    const { store, links } = this.#deps
    for (const link of links.all) {
      let last = ''
      for await (const { record } of scan<PartRecord>(store, below('q', link.name))) {
        if (record.label.build === last) continue
        last = record.label.build
        await this.#process(link, record.label, {})
      }
    }
  }

  async #isTaken({ name }: Link, { stream, batch }: BatchLabel): Promise<boolean> {
    const record = await read<InStreamRecord>(this.#deps.store, inStreamKey(name, stream))
    return batch > 0 && record !== undefined && hasNumber(record, batch)
  }

  async #owe(link: Link, { stream, batch, oneWay }: BatchLabel): Promise<void> {
    if (oneWay || batch === 0) return
    const { store, now, owes } = this.#deps
    await store.commit([{ put: ackKey(link.name, stream, batch), value: encode({ since: now() }) }])
    owes(link)
  }

  /** Delivers a batch whose parts are all there; undefined while they are not. */
  async #process(link: Link, label: BatchLabel, via: Via): Promise<Reply | undefined> {
    const parts = await this.#partsOf(link, label)
    const whole = wholeOf(parts, label.total)
    const name = `${link.name}/${label.stream}/${label.build}`
    if (!whole || this.#busy.has(name)) return undefined
    this.#busy.add(name)
    try {
      const result = (await this.#isTaken(link, label)) ? undefined : await this.#deliver(link, label, { whole, via })
      await this.#settle(link, label, parts, result)
      return TAKEN
    } catch (cause) {
      if (!(cause instanceof SealError)) throw cause
      this.#deps.log.error('a batch cannot be unpacked', { partner: link.name, batch: label.batch, cause })
      return UNREADABLE.reply
    } finally {
      this.#busy.delete(name)
    }
  }

  async #partsOf({ name }: Link, { stream, batch, build }: BatchLabel): Promise<PartRecord[]> {
    const parts: PartRecord[] = []
    const range = below('q', name, stream, batch, build)
    for await (const { record } of scan<PartRecord>(this.#deps.store, range)) parts.push(record)
    return parts
  }

  async #deliver(link: Link, label: BatchLabel, { whole, via }: { whole: readonly Slice[]; via: Via }) {
    const { report, links, contents, acknowledged, log } = this.#deps
    async function* sealed() {
      for (const { content, start, end } of whole) yield* contents.open(content, { start, end })
    }
    const { manifest, rest } = await unseal(links, link, label, sealed())
    await acknowledged(link, manifest)
    if (label.batch === 0) return undefined
    const { messages, refused, upTo, why } = await deliverBatch(this.#deps, {
      link,
      key: `${link.name}/${label.stream}/${label.batch}`,
      remote: via.remote,
      open: () => rest,
      ...(label.oneWay ? { refused: report } : {}),
    })
    log.info('a batch was taken', { partner: link.name, batch: label.batch, messages, refused: refused.length, why })
    return { refused, ...(upTo === undefined ? {} : { upTo }) }
  }

  /**
   * One commit: the batch was taken, with this result, its parts are not needed any more, and an acknowledgement is owed.
   * The one that the last part owed may have been sent before, by a check between a crash and this.
   */
  async #settle(
    link: Link,
    label: BatchLabel,
    parts: readonly PartRecord[],
    result: Pick<TakenRecord, 'refused' | 'upTo'> | undefined,
  ): Promise<void> {
    const { store, contents, now } = this.#deps
    const ops: Op[] = parts.map(({ at }) => ({ del: partKey(link.name, label, at) }))
    const free = parts.map(({ content, at }) => ({ blob: content.blob, owner: partOwner(link.name, label, at) }))
    const checks: Check[] = []
    if (result) {
      const { stream, batch } = label
      const at = inStreamKey(link.name, stream)
      const value = await store.get(at)
      const before: InStreamRecord = value ? decode(value) : { upTo: 0, above: [] }
      ops.push(
        { put: takenKey(link.name, stream, batch), value: encode({ stream, batch, ...result, at: now() }) },
        { put: at, value: encode(withNumber(before, batch)) },
      )
      if (!label.oneWay) ops.push({ put: ackKey(link.name, stream, batch), value: encode({ since: now() }) })
      checks.push({ key: at, is: value ?? 'absent' })
    }
    if (!(await contents.commit({ ops, checks, free }))) throw new Error('a batch was settled by another kernel')
    if (result && !label.oneWay) this.#deps.owes(link)
  }

  // --- by RFC 2442, and older forms ---

  /** The partner that sent a batch: by its signature, whose hash is yet to be compared, or by the way it came. */
  #ownerOf({ link, signature, required = [] }: Via) {
    if (required.some((one) => !KNOWN.has(one))) return NEEDS
    const read = signature === undefined ? undefined : readDetached(signature)
    const signer = read && this.#deps.links.bySignature(read.name)
    if (read && signer?.publicKey && read.isBy(signer.publicKey)) {
      const age = this.#deps.now() - read.at
      return age > SIGNATURE_MS || age < -EARLY_MS ? OLD : { link: signer, hash: read.hash }
    }
    return link?.accept.unsigned && signature === undefined ? { link, hash: undefined } : STRANGER
  }

  async #judgePlain(source: AsyncIterable<Uint8Array>, via: Via): Promise<Refusal | undefined> {
    const owner = this.#ownerOf(via)
    if ('kind' in owner) return owner
    const hash = createHash('sha256')
    for await (const chunk of limited(source, owner.link.accept.size)) hash.update(chunk)
    return owner.hash === undefined || owner.hash === hash.digest('base64url') ? undefined : STRANGER
  }

  async #takePlain(source: AsyncIterable<Uint8Array>, via: Via): Promise<Reply> {
    const { store, contents, now, report, log } = this.#deps
    const owner = this.#ownerOf(via)
    if ('kind' in owner) return owner.reply
    const { link } = owner
    const hash = createHash('sha256')
    async function* hashed() {
      for await (const chunk of limited(source, link.accept.size)) {
        hash.update(chunk)
        yield chunk
      }
    }
    const staged: StagedContent = await contents.stage(hashed())
    try {
      const digest = hash.digest('base64url')
      if (owner.hash !== undefined && owner.hash !== digest) return STRANGER.reply
      if (await store.get(seenKey(link.name, digest))) return KNOWN_ALREADY
      const { messages, refused, upTo, why } = await deliverBatch(this.#deps, {
        link,
        key: `${link.name}/${digest}`,
        remote: via.remote,
        open: () => staged.open(),
        refused: report,
      })
      log.info('a batch was taken', { partner: link.name, messages, refused: refused.length, why })
      if (upTo === 0) return refuse(554, '5.6.0', `Bad batch: ${why}`).reply
      await store.commit([{ put: seenKey(link.name, digest), value: encode({ at: now() }) }])
      return upTo === undefined ? TAKEN : accept(250, '2.0.0', `Batch taken up to message ${upTo}: ${why}`)
    } finally {
      await staged.discard()
    }
  }
}

async function* limited(source: AsyncIterable<Uint8Array>, max: number): AsyncGenerator<Uint8Array> {
  let left = max
  for await (const chunk of source) {
    left -= chunk.byteLength
    if (left < 0) throw new SealError('it is larger than allowed')
    yield chunk
  }
}

interface Slice {
  readonly content: PartRecord['content']
  readonly start: number
  readonly end: number
}

/** The octets of a batch from parts that may overlap; undefined while some are missing. */
function wholeOf(parts: readonly PartRecord[], total: number): readonly Slice[] | undefined {
  const slices: Slice[] = []
  let end = 0
  for (const { content, at, size } of parts) {
    if (at > end) return undefined
    if (at + size > end) slices.push({ content, start: end - at, end: size })
    end = Math.max(end, at + size)
  }
  return end === total ? slices : undefined
}
