/**
 * Archives in the mail store: an account of its own for each list, which no login opens, and a mailbox for each month.
 *
 * Invariants: the archive holds a post once; its place is found by the hash of its Message-ID, which never changes, so
 * that links keep working after an import.
 */
import { unkey } from 'iems'
import { readFields, textEntity } from 'iems/mime'
import type { AccountEmail, Email, Entry, Refused } from '../mailbox/store/api.ts'
import type { MailingList } from './api.ts'
import {
  type ArchiveDeps,
  ArchiveFiling,
  accountOf,
  EVERY_UID,
  monthOf,
  type NewPost,
  type Place,
  type Trace,
} from './filing.ts'
import type { Archiving } from './posting.ts'
import { archivedKey, decode, encode, starKey, starsOf } from './records.ts'

/** A post in the archive. */
export interface Found {
  readonly email: string
  readonly received: number
  readonly redacted?: Trace
}

/** Posts that a search reads. */
const MAX_HITS = 200
/** Entries that are read at once, from the end of a mailbox. */
const STEP = 100

function allowed<T>(value: T | Refused): T {
  if (typeof value === 'object' && value !== null && 'refused' in value)
    throw new Error(`the archive refuses: ${value.why}`)
  return value
}

export interface Hits {
  readonly posts: readonly AccountEmail[]
  /** There are no more. */
  readonly isAll: boolean
}

export class Archive implements Archiving {
  readonly #deps: ArchiveDeps
  readonly #filing: ArchiveFiling

  constructor(deps: ArchiveDeps) {
    this.#deps = deps
    this.#filing = new ArchiveFiling(deps)
  }

  async keep(list: MailingList, post: NewPost): Promise<void> {
    const [why] = (await this.#filing.keepAll(list, [post])).values()
    if (why !== undefined) throw new Error(`the archive refuses: ${why}`)
  }

  /** Returns the hashes of those that the mail store refuses, with the reason. */
  keepAll(list: MailingList, posts: readonly NewPost[]): Promise<ReadonlyMap<string, string>> {
    return this.#filing.keepAll(list, posts)
  }

  /** Newest first, with the number of posts. */
  async months(list: MailingList): Promise<readonly { readonly month: string; readonly posts: number }[]> {
    const mailboxes = await this.#deps.mail.mailboxes(accountOf(list))
    return mailboxes
      .filter(({ name, messages }) => /^\d{4}-\d\d$/.test(name) && messages > 0)
      .map(({ name, messages }) => ({ month: name, posts: messages }))
      .sort((a, b) => (a.month < b.month ? 1 : -1))
  }

  /** Posts of a month in order of arrival. */
  async *month(list: MailingList, month: string): AsyncGenerator<Entry> {
    const mailbox = await this.#deps.mail.find(accountOf(list), month)
    if (mailbox) yield* this.#deps.mail.entries(mailbox, EVERY_UID)
  }

  email(id: string): Promise<Email | undefined> {
    return this.#deps.mail.email(id)
  }

  /** The post with this hash: where it is, `removed`, or nothing. */
  async byHash(list: MailingList, hash: string): Promise<Found | 'removed' | undefined> {
    const value = await this.#deps.store.get(archivedKey(list.id, hash.toUpperCase()))
    const place = value && decode<Place>(value)
    if (place?.removed) return 'removed'
    if (place?.email === undefined) return undefined
    const { email, received, redacted } = place
    return { email, received, ...(redacted ? { redacted } : {}) }
  }

  /** Posts of a thread, the first received first. */
  thread(list: MailingList, thread: string): Promise<readonly AccountEmail[]> {
    return this.#deps.mail.thread(accountOf(list), thread)
  }

  async threadOf(list: MailingList, email: string): Promise<readonly AccountEmail[]> {
    for await (const { thread } of this.#deps.mail.emails(accountOf(list), [email])) return this.thread(list, thread)
    return []
  }

  /**
   * Posts that contain all words, latest first. Of more than `MAX_HITS` those that were archived last; only without the
   * index is every post read.
   */
  async search(list: MailingList, text: string, signal: AbortSignal): Promise<Hits> {
    const { mail, query } = this.#deps
    const account = accountOf(list)
    const fields = ['from', 'subject', 'body', 'attachments'] as const
    const latest = await mail.searchLatest({ account, fields, text, most: MAX_HITS })
    if (latest) {
      const posts = await Array.fromAsync(mail.emails(account, latest.emails))
      return { posts: posts.sort((a, b) => b.received - a.received), isAll: latest.isAll }
    }
    const posts = await query.emails({
      account,
      condition: { kind: 'text', fields, text, how: 'words' },
      signal,
    })
    return { posts, isAll: true }
  }

  /** The latest posts. */
  async latest(list: MailingList, most: number): Promise<readonly Entry[]> {
    const latest: Entry[] = []
    for (const { month } of await this.months(list)) {
      const mailbox = await this.#deps.mail.find(accountOf(list), month)
      // Backwards from the end, so that a large month costs no more than a small one.
      for (let end = mailbox?.uidNext ?? 1; mailbox && end > 1 && latest.length < most; end -= STEP) {
        const range = [[Math.max(1, end - STEP), end - 1]] as const
        const entries = await Array.fromAsync(this.#deps.mail.entries(mailbox, range))
        latest.push(...entries.reverse().slice(0, most - latest.length))
      }
      if (latest.length >= most) break
    }
    return latest
  }

  /** Replaces the text of a post, whose link and place in its thread stay. False when there is none. */
  async redact(list: MailingList, hash: string, text: string, { by, at }: Trace): Promise<boolean> {
    const { store, mail } = this.#deps
    const key = archivedKey(list.id, hash.toUpperCase())
    const value = await store.get(key)
    const place = value && decode<Place>(value)
    const email = place?.email === undefined ? undefined : await mail.email(place.email)
    const header = await email?.header()
    if (!value || !place || place.uid === undefined || !header) return false
    const mailbox = await this.#filing.mailbox(list, monthOf(place.received))
    const filed = await this.#filing.append(mailbox, [{ content: withText(header, text), received: place.received }])
    if (typeof filed === 'string') throw new Error(`the archive refuses: ${filed}`)
    const [entry] = filed as readonly [Entry]
    const next: Place = { ...place, email: entry.email, uid: entry.uid, redacted: { by, at } }
    const isDone = await store.commit([{ put: key, value: encode(next) }], [{ key, is: value }])
    const old = isDone ? place.uid : entry.uid
    allowed(await mail.expunge(mailbox, [[old, old]], { forGood: true }))
    return isDone
  }

  /** Marks a post for one account, or takes its mark away. */
  async star(list: MailingList, account: string, hash: string, isSet: boolean): Promise<void> {
    const key = starKey(list.id, account, hash.toUpperCase())
    await this.#deps.store.commit([isSet ? { put: key, value: encode(1) } : { del: key }])
  }

  async isStarred(list: MailingList, account: string, hash: string): Promise<boolean> {
    return (await this.#deps.store.get(starKey(list.id, account, hash.toUpperCase()))) !== undefined
  }

  /** The posts that an account has marked. */
  async starred(list: MailingList, account: string, most: number): Promise<readonly Found[]> {
    const { store } = this.#deps
    const found: Found[] = []
    for await (const [at] of store.scan({ ...starsOf(list.id, account), limit: most })) {
      const one = await this.byHash(list, String(unkey(at).at(-1)))
      if (one && one !== 'removed') found.push(one)
    }
    return found.sort((a, b) => b.received - a.received)
  }

  /** Removes a post; its link says so from then on. False when there is none. */
  async remove(list: MailingList, hash: string, by: string, at: number): Promise<boolean> {
    const { store, mail } = this.#deps
    const key = archivedKey(list.id, hash.toUpperCase())
    const value = await store.get(key)
    const place = value && decode<Place>(value)
    if (!value || place?.uid === undefined) return false
    const mailbox = await mail.find(accountOf(list), monthOf(place.received))
    if (mailbox) allowed(await mail.expunge(mailbox, [[place.uid, place.uid]], { forGood: true }))
    return store.commit(
      [{ put: key, value: encode({ v: 1, received: place.received, removed: { by, at } } satisfies Place) }],
      [{ key, is: value }],
    )
  }

  /** All of it, with the list. */
  async removeAll(list: MailingList): Promise<void> {
    const { mail } = this.#deps
    for (const mailbox of await mail.mailboxes(accountOf(list)))
      if (/^\d{4}-\d\d$/.test(mailbox.name)) {
        allowed(await mail.expunge(mailbox, EVERY_UID, { forGood: true }))
        await mail.remove(mailbox)
      }
  }
}

/** A header with another body: what described the old one goes. */
async function* withText(header: Uint8Array, text: string): AsyncGenerator<Uint8Array> {
  const kept = readFields(header).list.filter(({ name }) => !/^(?:content-|mime-version$)/.test(name))
  const fields = kept.map(({ name, value }) => `${name}: ${value.replace(/\r?\n(?![ \t])/g, ' ')}\r\n`)
  yield Buffer.from(`${fields.join('')}MIME-Version: 1.0\r\n`, 'latin1')
  yield Buffer.from(textEntity(text))
}
