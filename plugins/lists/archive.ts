/**
 * Archives in the mail store: an account of its own for each list, which no login opens, and a mailbox for each month.
 *
 * Invariants: a post stands in the archive once; its place is found by the hash of its Message-ID, which never changes,
 * so that links keep working after an import.
 */
import type { Store } from 'iems'
import type { AccountEmail, Email, Entry, Mailbox, MailQueryApi, MailStoreApi, Refused } from '../mailbox/store/api.ts'
import type { MailingList } from './api.ts'
import { messageIdHash } from './content.ts'
import type { Archiving } from './posting.ts'
import { archivedKey, decode, encode } from './records.ts'
import type { Roster } from './roster.ts'

export interface ArchiveDeps {
  readonly store: Store
  readonly mail: MailStoreApi
  readonly query: MailQueryApi
  readonly roster: Roster
}

/** Location of an archived post. */
interface Place {
  readonly v: 1
  /** Ms since 1970, which names the mailbox of its month. */
  readonly received: number
  /** Absent while the post is being filed. */
  readonly email?: string
  readonly uid?: number
  readonly removed?: { readonly by: string; readonly at: number }
}

const ALL: readonly (readonly [number, number])[] = [[1, 4_294_967_295]]
export const monthOf = (ms: number): string => new Date(ms).toISOString().slice(0, 7)
const accountOf = (list: MailingList) => `list:${list.id}`

function allowed<T>(value: T | Refused): T {
  if (typeof value === 'object' && value !== null && 'refused' in value)
    throw new Error(`the archive refuses: ${value.why}`)
  return value
}

export class Archive implements Archiving {
  readonly #deps: ArchiveDeps

  constructor(deps: ArchiveDeps) {
    this.#deps = deps
  }

  async keep(list: MailingList, hash: string, open: () => AsyncIterable<Uint8Array>, received: number): Promise<void> {
    const { store } = this.#deps
    const at = archivedKey(list.id, hash)
    const value = await store.get(at)
    const before = value && decode<Place>(value)
    if (before?.email !== undefined || before?.removed) return
    const marker = encode({ v: 1, received } satisfies Place)
    // The marker comes first: only behind it can a crash have filed a post without its place.
    if (!value && !(await store.commit([{ put: at, value: marker }], [{ key: at, is: 'absent' }])))
      return this.keep(list, hash, open, received)
    const when = before?.received ?? received
    const mailbox = await this.#mailbox(list, monthOf(when))
    const found = before ? await this.#findFiled(mailbox, hash) : undefined
    const entry = found ?? (await this.#file(mailbox, open, when))
    const place: Place = { v: 1, received: when, email: entry.email, uid: entry.uid }
    await store.commit([{ put: at, value: encode(place) }], [{ key: at, is: value ?? marker }])
  }

  async #file(mailbox: Mailbox, open: () => AsyncIterable<Uint8Array>, received: number): Promise<Entry> {
    const { mail } = this.#deps
    const { uids } = allowed(await mail.append(mailbox, [{ content: open(), received }]))
    const uid = uids[0] as number
    for await (const entry of mail.entries(mailbox, [[uid, uid]])) return entry
    throw new Error('the archive has lost a post that it has just filed')
  }

  /** After a crash: a post that was filed and whose place was not written. */
  async #findFiled(mailbox: Mailbox, hash: string): Promise<Entry | undefined> {
    const { mail } = this.#deps
    for await (const entry of mail.entries(mailbox, ALL)) {
      const messageId = await (await mail.email(entry.email))?.field('message-id')
      if (messageId !== undefined && messageIdHash(messageId) === hash) return entry
    }
    return undefined
  }

  async #mailbox(list: MailingList, month: string): Promise<Mailbox> {
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
    if (mailbox) yield* this.#deps.mail.entries(mailbox, ALL)
  }

  email(id: string): Promise<Email | undefined> {
    return this.#deps.mail.email(id)
  }

  /** The post with this hash: its email, `removed`, or nothing. */
  async byHash(list: MailingList, hash: string): Promise<string | 'removed' | undefined> {
    const value = await this.#deps.store.get(archivedKey(list.id, hash.toUpperCase()))
    const place = value && decode<Place>(value)
    return place?.removed ? 'removed' : place?.email
  }

  /** Posts of a thread, the first received first. */
  thread(list: MailingList, thread: string): Promise<readonly AccountEmail[]> {
    return this.#deps.mail.thread(accountOf(list), thread)
  }

  async threadOf(list: MailingList, email: string): Promise<readonly AccountEmail[]> {
    for await (const { thread } of this.#deps.mail.emails(accountOf(list), [email])) return this.thread(list, thread)
    return []
  }

  /** Posts that contain all words, latest first. */
  async search(list: MailingList, text: string, signal: AbortSignal): Promise<readonly AccountEmail[]> {
    const fields = ['from', 'subject', 'body', 'attachments'] as const
    return this.#deps.query.emails({
      account: accountOf(list),
      condition: { kind: 'text', fields, text, how: 'words' },
      signal,
    })
  }

  /** The latest posts. */
  async latest(list: MailingList, most: number): Promise<readonly Entry[]> {
    const latest: Entry[] = []
    for (const { month } of await this.months(list)) {
      const entries = await Array.fromAsync(this.month(list, month))
      latest.push(...entries.reverse().slice(0, most - latest.length))
      if (latest.length >= most) break
    }
    return latest
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
        allowed(await mail.expunge(mailbox, ALL, { forGood: true }))
        await mail.remove(mailbox)
      }
  }
}
