/**
 * A post from its arrival to the last member: held, or archived, kept for digests and sent.
 *
 * Invariants: each step may be repeated after a crash and changes nothing then; the archive has a post before any
 * member gets it, so that its permalink leads somewhere.
 */
import { randomUUID } from 'node:crypto'
import type { ByteRange, Content, Delivery, Dns, SetupContext } from 'iems'
import { decodeWords } from 'iems/mime'
import type { HeldItem, MailingList, OutgoingPost, PostVerdict } from './api.ts'
import { messageIdHash, preparePost } from './content.ts'
import type { NewPost } from './filing.ts'
import type { SendLetter } from './letters.ts'
import type { Mailings } from './mailing.ts'
import { decode, digestKey, encode, type Held, heldKey, heldOf, postsKey } from './records.ts'
import type { Roster } from './roster.ts'
import { type Author, addressedIn, unwanted } from './rules.ts'
import { textsOf } from './texts.ts'
import { topicsIn } from './topics.ts'

/** The archive, as posting uses it. */
export interface Archiving {
  /** Twice is once. */
  keep(list: MailingList, post: NewPost): Promise<void>
}

/** A post that a digest will hold. */
export interface Digested {
  readonly v: 1
  readonly number: number
  readonly at: number
  readonly subject: string
  readonly author: string
  readonly content: Content
}

export interface PostingDeps extends Pick<SetupContext, 'store' | 'contents' | 'clock' | 'log'> {
  readonly roster: Roster
  readonly mailings: Mailings
  readonly dns: Dns
  readonly site: string | undefined
  readonly archive: Archiving | undefined
  readonly send: SendLetter
  /** The post as other plugins leave it. */
  outgoing(post: OutgoingPost): Promise<OutgoingPost>
  posted(post: OutgoingPost): Promise<void>
  /** Asks the moderators. */
  announce(list: MailingList, held: Held): Promise<void>
}

const DAY_MS = 86_400_000

export class Posting {
  readonly #deps: PostingDeps

  constructor(deps: PostingDeps) {
    this.#deps = deps
  }

  isUnderWay(id: string): Promise<boolean> {
    return this.#deps.mailings.has(id)
  }

  run(id: string, signal: AbortSignal): Promise<void> {
    return this.#deps.mailings.run(id, signal)
  }

  /** Of another list here whose member this list is: only loops are refused. */
  async nested(list: MailingList, delivery: Delivery): Promise<PostVerdict> {
    const no = unwanted(list, { headers: delivery.headers, from: delivery.from })
    return no ? { kind: 'discard', why: 'The list has sent this post already' } : { kind: 'accept' }
  }

  async discarded(list: MailingList, { message }: Delivery, why: string): Promise<void> {
    this.#deps.log.info('a post was discarded', { list: list.address, message: message.id, why })
  }

  async hold(list: MailingList, delivery: Delivery, { address }: Author, why: string): Promise<void> {
    const { contents, clock, send } = this.#deps
    const id = messageIdHash(`${delivery.message.id}/${list.id}`).slice(0, 12).toLowerCase()
    const held: Held = {
      v: 1,
      id,
      at: clock.now(),
      why,
      kind: 'post',
      address,
      subject: (delivery.headers.get('subject')[0] ?? '').slice(0, 500),
      from: delivery.message.from,
      content: contents.of(delivery),
    }
    const at = heldKey(list.id, id)
    const isKept = await contents.commit({
      ops: [{ put: at, value: encode(held) }],
      checks: [{ key: at, is: 'absent' }],
      hold: [{ from: delivery, owner: heldOwner(list, id) }],
    })
    if (!isKept && !(await this.held(list, id))) throw new Error('the post could not be held now')
    await this.#deps.announce(list, held)
    if (list.settings.notify !== 'yes' || delivery.message.from === '' || address === '') return
    const texts = textsOf(list)
    await send({
      list,
      to: delivery.message.from,
      subject: texts.heldSubject(list.address),
      text: texts.heldText(list.address, held.subject, why),
      inReplyTo: delivery.headers.get('message-id')[0] ?? '<>',
      once: `held/${list.id}/${id}`,
    })
  }

  async held(list: MailingList, id: string): Promise<Held | undefined> {
    const value = await this.#deps.store.get(heldKey(list.id, id))
    return value && decode<Held>(value)
  }

  async *allHeld(list: MailingList): AsyncGenerator<Held> {
    for await (const [, value] of this.#deps.store.scan(heldOf(list.id))) yield decode<Held>(value)
  }

  /** Posts and requests that await a decision, without posts that are approved and on their way. */
  async *waiting(list: MailingList): AsyncGenerator<HeldItem> {
    for await (const { id, at, why, kind, address, subject, content, approved } of this.allHeld(list)) {
      if (approved) continue
      const size = content ? { size: content.size } : {}
      yield { id, at, why, kind, address, subject: decodeWords(subject), ...size }
    }
  }

  contentOf(content: Content, range?: ByteRange): AsyncIterable<Uint8Array> {
    return this.#deps.contents.open(content, range)
  }

  /** A held post that a moderator has let go, while it is on its way. */
  async approved(list: MailingList, id: string): Promise<Held | undefined> {
    const held = await this.held(list, id)
    return held?.approved ? held : undefined
  }

  /** Removes a held post with its content. */
  async forget(list: MailingList, held: Held): Promise<void> {
    await this.#deps.contents.commit({
      ops: [{ del: heldKey(list.id, held.id) }],
      ...(held.content ? { free: [{ blob: held.content.blob, owner: heldOwner(list, held.id) }] } : {}),
    })
  }

  /** Archives a post, keeps it for digests and records its mailing. */
  async begin(id: string, list: MailingList, delivery: Delivery, author: Author, held?: Held): Promise<void> {
    const { roster, contents, dns, site, clock, archive } = this.#deps
    const number = await roster.nextNumber(list)
    const message = {
      open: delivery.message.open.bind(delivery.message),
      size: delivery.message.size,
      headers: delivery.headers,
      findings: delivery.message.findings,
    }
    const given = { list, message, author, number, seals: sealsOf(delivery) }
    const post = await preparePost({ dns, site, now: clock.now }, given)
    if (list.settings.archive !== 'none' && !/^(?:yes|)$/i.test(delivery.headers.get('x-no-archive')[0] ?? 'no'))
      await archive?.keep(list, {
        hash: post.hash,
        messageId: post.messageId.trim(),
        subject: delivery.headers.get('subject')[0] ?? '',
        isReferring: delivery.headers.get('references').length + delivery.headers.get('in-reply-to').length > 0,
        received: clock.now(),
        open: () => withId(delivery, post.messageId),
      })
    const { address } = author
    const { hash } = post
    const sent = await this.#deps.outgoing({ list, author: address, number, hash, open: () => post.open() })
    const staged = await contents.stage(sent.open())
    await this.#deps.posted(sent)
    const { verpEvery } = list.settings
    await this.#deps.mailings.begin(
      {
        id,
        list: list.address,
        delivery: 'post',
        ...(author.address === '' ? {} : { author: author.address }),
        named: addressedIn(delivery.headers),
        ...(list.settings.topics.length > 0 ? { topics: topicsIn(list, delivery.headers) } : {}),
        isPersonal: verpEvery > 0 && number % verpEvery === 0,
      },
      staged,
      list.settings.digest === 'none' ? { ops: [] } : this.#forDigest(list, number, delivery, author),
    )
    if (held) await this.forget(list, held)
    await this.#count(list, author)
    await this.#acknowledge(list, delivery, author, id)
  }

  #forDigest(list: MailingList, number: number, delivery: Delivery, author: Author) {
    const { contents, clock } = this.#deps
    const digested: Digested = {
      v: 1,
      number,
      at: clock.now(),
      subject: (delivery.headers.get('subject')[0] ?? '').slice(0, 500),
      author: author.name || author.address,
      content: contents.of(delivery),
    }
    return {
      ops: [{ put: digestKey(list.id, number), value: encode(digested) }],
      hold: [{ from: delivery, owner: digestOwner(list, number) }],
    }
  }

  async #count(list: MailingList, { address }: Author): Promise<void> {
    if (list.settings.maxDaily === 0 || address === '') return
    const at = postsKey(list.id, address, Math.floor(this.#deps.clock.now() / DAY_MS))
    await this.#deps.roster.update<number>(at, (before) => (before ?? 0) + 1)
  }

  /** Whether an author has posted as often today as they may. */
  async isOverDaily(list: MailingList, address: string): Promise<boolean> {
    if (list.settings.maxDaily === 0 || address === '') return false
    const value = await this.#deps.store.get(postsKey(list.id, address, Math.floor(this.#deps.clock.now() / DAY_MS)))
    return value !== undefined && decode<number>(value) >= list.settings.maxDaily
  }

  async #acknowledge(list: MailingList, { headers }: Delivery, { address }: Author, id: string): Promise<void> {
    const member = address === '' ? undefined : await this.#deps.roster.member(list, address)
    if (!member?.acknowledge) return
    const texts = textsOf(list, member)
    await this.#deps.send({
      list,
      to: member.address,
      subject: texts.sentSubject(list.address),
      text: texts.sentText(list.address, headers.get('subject')[0] ?? ''),
      inReplyTo: headers.get('message-id')[0] ?? `<${randomUUID()}>`,
      once: `acknowledge/${id}`,
    })
  }
}

const SEALS = ['ARC-Seal', 'ARC-Message-Signature', 'ARC-Authentication-Results']

/** Lines of the ARC set that this server added for the delivery to the list: what it found on arrival (RFC 8617). */
function sealsOf({ headers, message }: Delivery): readonly string[] {
  return SEALS.flatMap((name) => {
    const values = headers.get(name)
    const added = values.slice(0, Math.max(0, values.length - message.headers.get(name).length))
    return added.map((value) => `${name}: ${value.replaceAll('; ', ';\r\n ')}`)
  })
}

/** Adds the Message-ID under which the archive finds the post. */
async function* withId({ message }: Delivery, messageId: string): AsyncGenerator<Uint8Array> {
  if (message.headers.get('message-id').length === 0) yield Buffer.from(`Message-ID: ${messageId}\r\n`)
  yield* message.open()
}

const heldOwner = (list: MailingList, id: string) => `held/${list.id}/${id}`
export const digestOwner = (list: MailingList, number: number) => `digest/${list.id}/${number}`
