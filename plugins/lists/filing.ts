/**
 * Files posts in the archive of a list: many in three commits, or one.
 *
 * Invariants: a post is filed once, however often it is given; its marker is on stable storage before it is filed, so
 * that only a post with a marker and without a place has to be searched after a crash.
 */
import type { Op, Store } from 'iems'
import type { Entry, Mailbox, MailQueryApi, MailStoreApi, NewMessage } from '../mailbox/store/api.ts'
import type { MailingList } from './api.ts'
import { messageIdHash } from './content.ts'
import { archivedKey, decode, encode } from './records.ts'
import { Subjects, type Threaded } from './subjects.ts'

export interface ArchiveDeps {
  readonly store: Store
  readonly mail: MailStoreApi
  readonly query: MailQueryApi
}

/** Location of an archived post. */
export interface Place {
  readonly v: 1
  /** Ms since 1970, which names the mailbox of its month. */
  readonly received: number
  /** Absent while the post is being filed. */
  readonly email?: string
  readonly uid?: number
  readonly removed?: Trace
  /** The text has been replaced; the page says so. */
  readonly redacted?: Trace
}

/** The trace of a change that an owner made. Times in ms since 1970. */
export interface Trace {
  readonly by: string
  readonly at: number
}

export const EVERY_UID: readonly (readonly [number, number])[] = [[1, 4_294_967_295]]
export const monthOf = (ms: number): string => new Date(ms).toISOString().slice(0, 7)
export const accountOf = (list: MailingList) => `list:${list.id}`

export interface NewPost extends Threaded {
  /** Of its Message-ID. */
  readonly hash: string
  open(): AsyncIterable<Uint8Array>
}

/** A post on its way into the archive. */
interface Arriving {
  readonly post: NewPost
  /** The marker as it is stored. */
  readonly marker: Uint8Array
  readonly received: number
  /** An earlier attempt may have filed it. */
  readonly isRepeated: boolean
}

interface Filed {
  readonly one: Arriving
  readonly entry: Entry
}

/** Hashes of posts that cannot be filed, with the reason. */
type Faults = Map<string, string>

export class ArchiveFiling {
  readonly #deps: ArchiveDeps

  constructor(deps: ArchiveDeps) {
    this.#deps = deps
  }

  /** Posts that are there already stay as they are. Returns those that the mail store refuses. */
  async keepAll(list: MailingList, posts: readonly NewPost[]): Promise<ReadonlyMap<string, string>> {
    const faults: Faults = new Map()
    const arriving = await this.#mark(list, posts)
    const subjects = new Subjects(this.#deps.store, list)
    const months = Map.groupBy(arriving, ({ received }) => monthOf(received))
    const filed: Filed[] = []
    for (const [month, some] of months) filed.push(...(await this.#fileMonth(list, month, some, { subjects, faults })))
    const places = filed.map(({ one: { post, marker, received }, entry: { email, uid } }) => {
      const at = archivedKey(list.id, post.hash)
      const op: Op = { put: at, value: encode({ v: 1, received, email, uid } satisfies Place) }
      return { op, check: { key: at, is: marker } }
    })
    const { store } = this.#deps
    const ops = [...places.map(({ op }) => op), ...subjects.ops()]
    const checks = places.map(({ check }) => check)
    if (ops.length === 0 || (await store.commit(ops, checks))) return faults
    // Another process has placed one of them meanwhile.
    for (const { op, check } of places) await store.commit([op], [check])
    return faults
  }

  /** Those that are not in the archive, each with its marker. */
  async #mark(list: MailingList, posts: readonly NewPost[]): Promise<readonly Arriving[]> {
    const { store } = this.#deps
    const unique = [...new Map(posts.toReversed().map((post) => [post.hash, post])).values()].reverse()
    const values = await Promise.all(unique.map(({ hash }) => store.get(archivedKey(list.id, hash))))
    const arriving: Arriving[] = []
    for (const [index, post] of unique.entries()) {
      const value = values[index]
      const before = value && decode<Place>(value)
      if (before?.email !== undefined || before?.removed) continue
      const received = before?.received ?? post.received
      const marker = value ?? encode({ v: 1, received } satisfies Place)
      arriving.push({ post, marker, received, isRepeated: value !== undefined })
    }
    const fresh = arriving
      .filter(({ isRepeated }) => !isRepeated)
      .map(({ post, marker }) => ({ key: archivedKey(list.id, post.hash), marker }))
    if (fresh.length === 0) return arriving
    const isDone = await store.commit(
      fresh.map(({ key, marker }) => ({ put: key, value: marker })),
      fresh.map(({ key }) => ({ key, is: 'absent' })),
    )
    return isDone ? arriving : this.#mark(list, posts)
  }

  async #fileMonth(
    list: MailingList,
    month: string,
    arriving: readonly Arriving[],
    { subjects, faults }: { subjects: Subjects; faults: Faults },
  ): Promise<readonly Filed[]> {
    const mailbox = await this.mailbox(list, month)
    const repeated = new Set(arriving.filter(({ isRepeated }) => isRepeated).map(({ post }) => post.hash))
    const found = repeated.size > 0 ? await this.#findFiled(mailbox, repeated) : new Map<string, Entry>()
    const filed: Filed[] = []
    const left: { readonly one: Arriving; readonly message: NewMessage }[] = []
    for (const one of arriving) {
      const entry = found.get(one.post.hash)
      const answered = entry ? undefined : await subjects.answered(one.post)
      if (entry) filed.push({ one, entry })
      else left.push({ one, message: { content: referring(one.post, answered), received: one.received } })
    }
    if (left.length === 0) return filed
    const appended = await this.append(
      mailbox,
      left.map(({ message }) => message),
    )
    if (typeof appended !== 'string')
      return [...filed, ...left.map(({ one }, index) => ({ one, entry: appended[index] as Entry }))]
    const [only] = left
    if (only && left.length === 1) faults.set(only.one.post.hash, appended)
    // One of them is refused, so each is filed apart; the contents have been read and are opened again.
    else for (const { one } of left) filed.push(...(await this.#fileMonth(list, month, [one], { subjects, faults })))
    return filed
  }

  /** The entries of the messages, or why they are refused. */
  async append(mailbox: Mailbox, messages: readonly NewMessage[]): Promise<readonly Entry[] | string> {
    const { mail } = this.#deps
    const appended = await mail.append(mailbox, messages)
    if ('refused' in appended) return appended.why
    const { uids } = appended
    const entries = new Map<number, Entry>()
    for await (const entry of mail.entries(mailbox, [[uids[0] as number, uids.at(-1) as number]]))
      entries.set(entry.uid, entry)
    return uids.map((uid) => {
      const entry = entries.get(uid)
      if (!entry) throw new Error('the archive has lost a post that it has just filed')
      return entry
    })
  }

  /** After a crash: posts that were filed and whose place was not written. */
  async #findFiled(mailbox: Mailbox, hashes: ReadonlySet<string>): Promise<ReadonlyMap<string, Entry>> {
    const { mail } = this.#deps
    const found = new Map<string, Entry>()
    for await (const entry of mail.entries(mailbox, EVERY_UID)) {
      const messageId = await (await mail.email(entry.email))?.field('message-id')
      const hash = messageId === undefined ? '' : messageIdHash(messageId)
      if (hashes.has(hash)) found.set(hash, entry)
    }
    return found
  }

  /** Of a month, made where it is missing. */
  async mailbox(list: MailingList, month: string): Promise<Mailbox> {
    const { mail } = this.#deps
    const account = accountOf(list)
    const found = await mail.find(account, month)
    if (found) return found
    const made = await mail.create(account, month)
    if (!('refused' in made)) return made
    const other = await mail.find(account, month)
    if (!other) throw new Error(`the archive refuses: ${made.why}`)
    return other
  }
}

/** The post with the reference that its program left out. */
async function* referring(post: NewPost, answered: string | undefined): AsyncGenerator<Uint8Array> {
  if (answered !== undefined && /^<[!-~]{1,900}>$/.test(answered)) yield Buffer.from(`References: ${answered}\r\n`)
  yield* post.open()
}
