/**
 * Digests: the posts of a day or a week in one message, as MIME (multipart/digest) or as plain text (RFC 1153).
 *
 * Invariants: each post is in one digest; a digest that a crash interrupts is sent to the members who are left.
 */
import { randomUUID } from 'node:crypto'
import type { ContentStore, Op, Store } from 'iems'
import {
  dateText,
  decodeCharset,
  decodeWords,
  fromHtml,
  gather,
  type MimePart,
  partBody,
  readFields,
  readStructure,
  textEntity,
} from 'iems/mime'
import type { MailingList } from './api.ts'
import { listFields } from './fields.ts'
import { encodeText, mailbox } from './letters.ts'
import type { Mailings } from './mailing.ts'
import { type Digested, digestOwner } from './posting.ts'
import { decode, digestOf, roleAddress } from './records.ts'
import type { Roster } from './roster.ts'
import { textsOf } from './texts.ts'

export interface DigestDeps {
  readonly store: Store
  readonly contents: ContentStore
  readonly clock: { now(): number }
  readonly roster: Roster
  readonly mailings: Mailings
  readonly site: string | undefined
}

const DAY_MS = 86_400_000
const MAX_TEXT = 262_144
const MAX_POSTS = 500

type Waiting = readonly (readonly [key: Uint8Array, post: Digested])[]

export class Digests {
  readonly #deps: DigestDeps

  constructor(deps: DigestDeps) {
    this.#deps = deps
  }

  async #waiting(list: MailingList): Promise<Waiting> {
    const found = await Array.fromAsync(this.#deps.store.scan({ ...digestOf(list.id), limit: MAX_POSTS }))
    return found.map(([key, value]) => [key, decode<Digested>(value)])
  }

  #isDue({ settings }: MailingList, posts: Waiting): boolean {
    const [first] = posts
    if (!first) return false
    const octets = posts.reduce((sum, [, { content }]) => sum + content.size, 0)
    const every = settings.digest === 'weekly' ? 7 * DAY_MS : DAY_MS
    const isLarge = settings.digestSize > 0 && octets >= settings.digestSize
    return isLarge || posts.length >= MAX_POSTS || this.#deps.clock.now() - first[1].at >= every
  }

  async sendDue(list: MailingList, signal: AbortSignal): Promise<void> {
    const posts = await this.#waiting(list)
    if (!this.#isDue(list, posts)) return
    const last = posts.at(-1)?.[1].number ?? 0
    // Both kinds are recorded before the posts are removed: after a crash in between, the same two ids are used.
    for (const kind of ['mime', 'plain'] as const) {
      const staged = await this.#deps.contents.stage(this.#content(list, kind, posts))
      const id = `digest/${list.id}/${last}/${kind}`
      await this.#deps.mailings.begin(
        { id, list: list.address, delivery: kind, named: [], isPersonal: list.settings.verpEvery > 0 },
        staged,
        this.#forgetting(list, kind === 'plain' ? posts : []),
      )
    }
    for (const kind of ['mime', 'plain'] as const)
      await this.#deps.mailings.run(`digest/${list.id}/${last}/${kind}`, signal)
  }

  #forgetting(list: MailingList, posts: Waiting) {
    return {
      ops: posts.map(([del]): Op => ({ del })),
      free: posts.map(([, { number, content }]) => ({ blob: content.blob, owner: digestOwner(list, number) })),
    }
  }

  /** Removes all waiting posts when the list is removed. */
  async forget(list: MailingList): Promise<void> {
    for (let posts = await this.#waiting(list); posts.length > 0; posts = await this.#waiting(list))
      await this.#deps.contents.commit(this.#forgetting(list, posts))
  }

  async *#content(list: MailingList, kind: 'mime' | 'plain', posts: Waiting): AsyncGenerator<Uint8Array> {
    const texts = textsOf(list)
    const { address, settings } = list
    const number = posts.at(-1)?.[1].number ?? 0
    const fields = [
      ...listFields({ list, site: this.#deps.site, hash: undefined }),
      `Sender: ${roleAddress(address, 'bounces')}`,
      `From: ${mailbox(settings.description, roleAddress(address, 'request'))}`,
      `To: ${address}`,
      `Reply-To: ${address}`,
      `Subject: ${encodeText(texts.digestSubject(settings.description || address, number))}`,
      `Message-ID: <${randomUUID()}@${address.slice(address.lastIndexOf('@') + 1)}>`,
      `Date: ${dateText({ at: this.#deps.clock.now() })}`,
      'MIME-Version: 1.0',
    ]
    const contents = posts.map(
      ([, { subject, author }], index) => `  ${index + 1}. ${decodeWords(subject)} (${author})`,
    )
    const masthead = `${texts.contents}\n\n${contents.join('\n')}\n`
    const head = `${fields.join('\r\n')}\r\n`
    yield* kind === 'mime' ? this.#mime(head, masthead, posts) : this.#plain(head, masthead, posts)
  }

  async *#mime(head: string, masthead: string, posts: Waiting): AsyncGenerator<Uint8Array> {
    const [outer, inner] = [`=_${randomUUID()}`, `=_${randomUUID()}`]
    yield Buffer.from(
      `${head}Content-Type: multipart/mixed; boundary="${outer}"\r\n\r\n--${outer}\r\n${textEntity(masthead)}\r\n--${outer}\r\nContent-Type: multipart/digest; boundary="${inner}"\r\n`,
    )
    for (const [, { content }] of posts) {
      // The default type in a digest is message/rfc822 (RFC 2046 section 5.1.5).
      yield Buffer.from(`\r\n--${inner}\r\n\r\n`)
      yield* this.#deps.contents.open(content)
    }
    yield Buffer.from(`\r\n--${inner}--\r\n\r\n--${outer}--\r\n`)
  }

  async *#plain(head: string, masthead: string, posts: Waiting): AsyncGenerator<Uint8Array> {
    const parts = [masthead]
    for (const [, { content }] of posts) parts.push(await this.#textOf(content))
    const body = `${parts.join(`\n${'-'.repeat(70)}\n\n`)}\n${'-'.repeat(30)}\n\nEnd of digest\n`
    yield Buffer.from(head + textEntity(body))
  }

  async #textOf(content: Digested['content']): Promise<string> {
    const message = {
      open: (range?: { start: number; end: number }) => this.#deps.contents.open(content, range),
      size: content.size,
    }
    const root = await readStructure((range) => message.open(range), message.size)
    const header = readFields(await gather(message.open({ start: root.header, end: root.body }), MAX_TEXT))
    const shown = ['From', 'Subject', 'Date', 'Message-ID'].flatMap((name) => {
      const value = header.last(name.toLowerCase())
      return value === undefined ? [] : [`${name}: ${decodeWords(value)}`]
    })
    const part = textPart(root)
    const text = part
      ? decodeCharset(await gather(partBody(message, part) ?? [], MAX_TEXT), part.parameters.charset ?? '')
      : ''
    const body = part?.subtype === 'html' ? fromHtml(text) : text
    return `${shown.join('\n')}\n\n${body.replace(/\r\n/g, '\n').replace(/^-{30}/gm, ' $&')}`
  }
}

/** The first text to read, plain before HTML. */
export function textPart(root: MimePart): MimePart | undefined {
  const stack = [root]
  let html: MimePart | undefined
  for (let count = 0; count < 200; count++) {
    const next = stack.pop()
    if (!next) break
    const isShown = next.type === 'text' && next.disposition?.type !== 'attachment'
    if (isShown && next.subtype === 'plain') return next
    if (isShown && next.subtype === 'html') html ??= next
    if (next.type === 'multipart') stack.push(...[...(next.parts ?? [])].reverse())
  }
  return html
}
