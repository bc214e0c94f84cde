/**
 * Threads of answers whose programs wrote no References: the latest post with the same subject within some weeks.
 *
 * Invariants: a subject without a sign of an answer begins a thread of its own; memory is one record for each subject.
 */
import { createHash } from 'node:crypto'
import type { Key, Op, Store } from 'iems'
import { decodeWords } from 'iems/mime'
import type { MailingList } from './api.ts'
import { decode, encode, subjectKey } from './records.ts'

/** The fields of a post by which threads are found. */
export interface Threaded {
  /** With its brackets. */
  readonly messageId: string
  readonly subject: string
  /** It has References or In-Reply-To. */
  readonly isReferring: boolean
  /** Ms since 1970. */
  readonly received: number
}

interface Latest {
  readonly messageId: string
  readonly received: number
}

const WITHIN_MS = 30 * 86_400_000
const MAX_PREFIXES = 10
const PREFIX = /^(?:(?:re|aw|sv|vs|antw|rif|res|rv)(?:\[\d{1,4}\])?:|\[[^\]]{0,100}\])\s{0,20}/i

/** The subject without prefixes in lower case, and whether it is that of an answer. */
export function baseSubject(raw: string): { readonly base: string; readonly isReply: boolean } {
  let base = decodeWords(raw).replace(/\s+/g, ' ').trim().slice(0, 500).toLowerCase()
  let isReply = false
  for (let count = 0; count < MAX_PREFIXES; count++) {
    const [found] = PREFIX.exec(base) ?? []
    if (found === undefined) break
    isReply ||= !found.startsWith('[')
    base = base.slice(found.length)
  }
  return { base, isReply }
}

/** Subjects of posts that are filed together; `ops` writes them. */
export class Subjects {
  readonly #store: Pick<Store, 'get'>
  readonly #list: MailingList
  readonly #known = new Map<string, { readonly at: Key; readonly latest: Latest }>()

  constructor(store: Pick<Store, 'get'>, list: MailingList) {
    this.#store = store
    this.#list = list
  }

  /** Remembers a post, and returns the Message-ID of the post that it answers by its subject. */
  async answered({ subject, messageId, received, isReferring }: Threaded): Promise<string | undefined> {
    const { base, isReply } = baseSubject(subject)
    if (base === '') return undefined
    const at = subjectKey(this.#list.id, createHash('sha1').update(base).digest('hex'))
    const before = this.#known.get(base)?.latest ?? (await this.#read(at))
    if (!before || before.received <= received) this.#known.set(base, { at, latest: { messageId, received } })
    const isNear = before !== undefined && Math.abs(received - before.received) <= WITHIN_MS
    return isReply && !isReferring && isNear && before.messageId !== messageId ? before.messageId : undefined
  }

  async #read(at: Key): Promise<Latest | undefined> {
    const value = await this.#store.get(at)
    return value && decode<Latest>(value)
  }

  ops(): readonly Op[] {
    return [...this.#known.values()].map(({ at, latest }) => ({ put: at, value: encode(latest) }))
  }
}
