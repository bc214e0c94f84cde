/**
 * Files that messages refer to by a link until it expires.
 *
 * Invariants: a token is 192 random bits and is kept as its digest alone; octets of all links and of each sender have a
 * quota, which several kernels keep together; the content of an expired link is freed.
 */
import { createHash, randomBytes } from 'node:crypto'
import {
  type ByteRange,
  below,
  type Content,
  type ContentStore,
  decodeRecord,
  encodeRecord,
  key,
  type Store,
  unkey,
} from 'iems'

export interface LinkRecord {
  readonly v: 1
  readonly name: string
  readonly content: Content
  /** Octets of the file. */
  readonly size: number
  /** Ms since 1970. */
  readonly at: number
  readonly expires: number
  readonly sender: string
  readonly message: string
  /** A scan found a virus: it is not served again. */
  readonly infected?: string
}

export interface LinksDeps {
  readonly store: Store
  readonly contents: ContentStore
  readonly now: () => number
  readonly options: {
    readonly url: string
    readonly keep: number
    readonly quota: number
    readonly senderQuota: number
  }
}

interface Wanted {
  readonly name: string
  readonly size: number
  open(): AsyncIterable<Uint8Array>
  readonly sender: string
  readonly message: string
}

const digestOf = (text: string) => createHash('sha256').update(text).digest('base64url')
const linkKey = (id: string) => key('link', id)
const usageKey = (of: string) => key('usage', of)
const ALL = ''
const ownerOf = (id: string) => `link ${id}`
/** How often a commit that another kernel overtook is tried again. */
const TRIES = 20

export class Links {
  readonly #deps: LinksDeps

  constructor(deps: LinksDeps) {
    this.#deps = deps
  }

  /** Keeps a file; a text says why it cannot be. */
  async keep(file: Wanted): Promise<{ readonly url: string; readonly expires: number } | string> {
    const { contents, now, options } = this.#deps
    const { name, size, sender, message } = file
    const token = randomBytes(24).toString('base64url')
    const id = digestOf(token)
    if (!(await this.#fits(sender, size))) return 'the quota of links is used up'
    const staged = await contents.stage(file.open())
    const at = now()
    const record: LinkRecord = {
      v: 1,
      name,
      content: staged.content,
      size,
      at,
      expires: at + options.keep,
      sender,
      message,
    }
    for (let tries = 0; tries < TRIES; tries++) {
      const usage = await this.#usage(sender)
      if (usage.all + size > options.quota || usage.own + size > options.senderQuota) {
        await staged.discard()
        return 'the quota of links is used up'
      }
      const isKept = await contents.commit({
        ops: [
          ...staged.ops,
          { put: linkKey(id), value: encodeRecord(record) },
          { put: usageKey(ALL), value: encodeRecord(usage.all + size) },
          { put: usageKey(digestOf(sender)), value: encodeRecord(usage.own + size) },
        ],
        checks: [
          { key: usageKey(ALL), is: usage.allValue ?? 'absent' },
          { key: usageKey(digestOf(sender)), is: usage.ownValue ?? 'absent' },
        ],
        hold: [{ from: staged, owner: ownerOf(id) }],
      })
      if (isKept) return { url: `${options.url.replace(/\/$/, '')}/attachments/${token}`, expires: record.expires }
    }
    await staged.discard()
    return 'too many links are made at this moment'
  }

  /** The record of a token; undefined when the token is unknown or has expired. */
  async find(token: string): Promise<LinkRecord | undefined> {
    const value = await this.#deps.store.get(linkKey(digestOf(token)))
    const record = value && decodeRecord<LinkRecord>(value)
    return record && record.expires > this.#deps.now() ? record : undefined
  }

  open({ content }: LinkRecord, range?: ByteRange): AsyncIterable<Uint8Array> {
    return this.#deps.contents.open(content, range)
  }

  /** Blocks an infected file: its link never serves it again. */
  async condemn(token: string, infected: string): Promise<void> {
    const at = linkKey(digestOf(token))
    const value = await this.#deps.store.get(at)
    if (!value) return
    await this.#deps.store.commit(
      [{ put: at, value: encodeRecord({ ...decodeRecord<LinkRecord>(value), infected }) }],
      [{ key: at, is: value }],
    )
  }

  async *list(): AsyncGenerator<LinkRecord & { readonly id: string }> {
    for await (const [at, value] of this.#deps.store.scan(below('link'))) {
      const [, id] = unkey(at)
      yield { ...decodeRecord<LinkRecord>(value), id: String(id) }
    }
  }

  async remove(id: string): Promise<boolean> {
    const at = linkKey(id)
    for (let tries = 0; tries < TRIES; tries++) {
      const value = await this.#deps.store.get(at)
      if (!value) return false
      const { content, sender, size } = decodeRecord<LinkRecord>(value)
      const usage = await this.#usage(sender)
      const isDone = await this.#deps.contents.commit({
        ops: [
          { del: at },
          { put: usageKey(ALL), value: encodeRecord(Math.max(0, usage.all - size)) },
          { put: usageKey(digestOf(sender)), value: encodeRecord(Math.max(0, usage.own - size)) },
        ],
        checks: [
          { key: at, is: value },
          { key: usageKey(ALL), is: usage.allValue ?? 'absent' },
          { key: usageKey(digestOf(sender)), is: usage.ownValue ?? 'absent' },
        ],
        free: [{ blob: content.blob, owner: ownerOf(id) }],
      })
      if (isDone) return true
    }
    return false
  }

  /** Removes what has expired. */
  async sweep(signal?: AbortSignal): Promise<void> {
    for await (const { id, expires } of this.list()) {
      if (signal?.aborted) return
      if (expires <= this.#deps.now()) await this.remove(id)
    }
  }

  async #fits(sender: string, size: number): Promise<boolean> {
    const { all, own } = await this.#usage(sender)
    return all + size <= this.#deps.options.quota && own + size <= this.#deps.options.senderQuota
  }

  async #usage(sender: string) {
    const { store } = this.#deps
    const [allValue, ownValue] = [await store.get(usageKey(ALL)), await store.get(usageKey(digestOf(sender)))]
    const octets = (value: Uint8Array | undefined) => (value ? decodeRecord<number>(value) : 0)
    return { all: octets(allValue), own: octets(ownValue), allValue, ownValue }
  }
}
