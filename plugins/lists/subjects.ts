/**
 * Threads of answers whose programs wrote no References: the latest post with the same subject within some weeks.
 *
 * Invariants: a subject without a sign of an answer begins a thread of its own; memory is one record for each subject.
 */
import { createHash } from 'node:crypto'
import { decodeWords } from 'iems/mime'
import type { MailingList } from './api.ts'
import { subjectKey } from './records.ts'
import type { Roster } from './roster.ts'

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

/** Remembers a post, and answers the Message-ID of the post that it answers by its subject. */
export async function answeredBySubject(
  roster: Roster,
  list: MailingList,
  post: Threaded,
): Promise<string | undefined> {
  const { base, isReply } = baseSubject(post.subject)
  if (base === '') return undefined
  const { messageId, received } = post
  let before: Latest | undefined
  await roster.update<Latest>(subjectKey(list.id, createHash('sha1').update(base).digest('hex')), (latest) => {
    before = latest
    return latest && latest.received > received ? undefined : { messageId, received }
  })
  const isNear = before !== undefined && Math.abs(received - before.received) <= WITHIN_MS
  return isReply && !post.isReferring && isNear && before?.messageId !== messageId ? before?.messageId : undefined
}
