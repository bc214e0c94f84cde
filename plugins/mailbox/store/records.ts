/**
 * The message store's records and their keys, below its own prefix. No other file names them:
 *
 *   a account                       modseq and UIDVALIDITY assigned, octets used; every change of the account rewrites it
 *   b account mailbox               a mailbox
 *   n account name                  the id of the mailbox of that name
 *   p account name                  a subscribed name without a mailbox
 *   u mailbox bucket                existing UIDs
 *   q mailbox keyword               number of messages with the keyword, in lower case
 *   m mailbox uid                   an entry: a message in a mailbox
 *   c mailbox modseq uid            the last change at that modseq: an entry, or an expunge
 *   k base                          content, as delivered or appended; holds the body under the name `base`
 *   e base tag                      an email: that content with its own lines above it
 *   f base tag account mailbox uid  the entry holds the email
 *   s base                          the MIME structure, once requested
 *   t account thread email         an email of the account: arrival, last change, number of places
 *   l account modseq kind id        the history: each email or mailbox at its last change, and removals
 *   j time account modseq kind id   a removal in the history, until the sweep
 *   o account upload                content uploaded by a client, until it expires
 *   h base                          the digest of the content; preview and attachments once the body was read
 *   g base tag                      an entry released the email, and its removal has not been checked yet; a new value
 *                                   each time
 *   i index email                   an unfinished attempt to index the email
 *   q                               the registered full-text indexes (search/registry.ts)
 *   q index                         when the index was registered
 *   x account time mailbox uid      an expunged entry that can still be restored
 *   y time account mailbox modseq uid   an expunge that QRESYNC clients may still ask about
 *   z account mailbox               a removed mailbox whose messages must still be removed
 *   d account mailbox who           annotations; without a mailbox those of the account, without who shared ones
 *   r pool                          total usage of a pool's accounts, updated in each account's commit
 *   w identifier account mailbox    a mailbox that another account has rights in
 */

import type { Content } from 'iems'
import { type Key, key, type Range, unkey } from 'iems'
import type { Mailbox, MailboxRef, UidRange } from './api.ts'

export { decodeRecord as decode, encodeRecord as encode } from 'iems'

export interface AccountRecord {
  readonly v: 1
  readonly modseq: number
  /** The last UIDVALIDITY that was given out. */
  readonly validity: number
  readonly octets: number
  readonly messages: number
  /** The pools in which it is counted. */
  readonly pools?: readonly string[]
  /** Up to this modseq things that have gone have been forgotten. */
  readonly forgotten?: number
}

export interface MailboxRecord extends Omit<Mailbox, keyof MailboxRef> {
  readonly v: 1
  /** The modseq at which it was made, and of its last change of any kind. */
  readonly created?: number
  readonly noted?: number
}

/** An email of an account. */
export interface ThreadRecord {
  readonly created: number
  readonly modseq: number
  readonly places: number
}

export type LogKind = 'email' | 'mailbox'

export interface LogRecord {
  readonly created: number
  /** Of an email. */
  readonly thread?: string
  readonly gone?: boolean
}

export interface UploadRecord {
  readonly v: 1
  readonly content: Content
  /** Ms since 1970. */
  readonly at: number
}

export interface EntryRecord {
  readonly email: string
  readonly thread: string
  readonly flags: readonly string[]
  readonly modseq: number
  readonly received: number
  readonly saved: number
  readonly size: number
}

export interface ExpungedRecord extends EntryRecord {
  /** The mailbox's name at that time. */
  readonly from: string
}

export interface ContentRecord {
  readonly v: 1
  readonly content: Content
}

export interface EmailRecord {
  /** Header lines of this recipient's own, above the content. */
  readonly top: string
}

export type ChangeKind = '+' | '-'

export const accountKey = (account: string): Key => key('a', account)
export const allAccounts = between('a')
export const poolKey = (pool: string): Key => key('r', pool)
export const mailboxKey = (account: string, id: string): Key => key('b', account, id)
export const mailboxesOf = (account: string) => between('b', account)
export const readMailboxId = (at: Key): string => unkey(at)[2] as string
export const nameKey = (account: string, name: string): Key => key('n', account, name)
export const namesOf = (account: string) => between('n', account)
export const subscribedKey = (account: string, name: string): Key => key('p', account, name)
export const subscribedOf = (account: string) => between('p', account)
export const uidsKey = (mailbox: string, bucket: number): Key => key('u', mailbox, bucket)
export const uidsOfMailbox = (mailbox: string) => between('u', mailbox)
export const keywordKey = (mailbox: string, keyword: string): Key => key('q', mailbox, keyword.toLowerCase())
export const keywordsOf = (mailbox: string) => between('q', mailbox)
export const entryKey = (mailbox: string, uid: number): Key => key('m', mailbox, uid)
export const entriesOf = (mailbox: string, [first, last]: UidRange) => ({
  from: key('m', mailbox, first),
  to: key('m', mailbox, last + 1),
})
export const changeKey = (mailbox: string, modseq: number, uid: number): Key => key('c', mailbox, modseq, uid)
export const changesOf = (mailbox: string, after: number) => ({
  from: key('c', mailbox, after + 1),
  to: key('c', mailbox, Number.MAX_SAFE_INTEGER),
})
export const contentKey = (base: string): Key => key('k', base)
export const allContents = between('k')
export const emailKey = (base: string, tag: string): Key => key('e', base, tag)
export const allEmails = between('e')
export const emailsOf = (base: string) => between('e', base)
export const heldKey = (base: string, tag: string, account: string, mailbox: string, uid: number): Key =>
  key('f', base, tag, account, mailbox, uid)
export const holdersOf = (base: string, tag: string) => between('f', base, tag)
export const placesOf = (base: string, tag: string, account: string, mailbox: string) =>
  between('f', base, tag, account, mailbox)
export const structureKey = (base: string): Key => key('s', base)
export const digestKey = (base: string): Key => key('h', base)
export const heldBy = (base: string, tag: string, account: string) => between('f', base, tag, account)
export const threadKey = (account: string, thread: string, email: string): Key => key('t', account, thread, email)
export const emailsOfThread = (account: string, thread: string) => between('t', account, thread)
export const logKey = (account: string, modseq: number, kind: LogKind, id: string): Key =>
  key('l', account, modseq, kind, id)
export const logOf = (account: string) => ({
  from: key('l', account),
  to: key('l', account, Number.MAX_SAFE_INTEGER),
})
export const goneKey = (at: number, account: string, modseq: number, kind: LogKind, id: string): Key =>
  key('j', at, account, modseq, kind, id)
export const goneBefore = (at: number) => ({ from: key('j'), to: key('j', at) })
export const uploadKey = (account: string, id: string): Key => key('o', account, id)
export const uploadsOf = (account: string) => between('o', account)
export const allUploads = between('o')
export const letGoKey = (base: string, tag: string): Key => key('g', base, tag)
export const allLetGo = between('g')
export const expungedKey = (account: string, at: number, mailbox: string, uid: number): Key =>
  key('x', account, at, mailbox, uid)
export const expungedOf = (account: string) => between('x', account)
export const vanishedKey = (at: number, account: string, mailbox: string, modseq: number, uid: number): Key =>
  key('y', at, account, mailbox, modseq, uid)
export const vanishedBefore = (at: number) => ({ from: key('y'), to: key('y', at) })
export const removedKey = (account: string, mailbox: string): Key => key('z', account, mailbox)
export const allRemoved = between('z')
export const metadataKey = (account: string, mailbox: string, who: string): Key => key('d', account, mailbox, who)
export const metadataOf = (account: string, mailbox: string) => between('d', account, mailbox)
export const sharedKey = (identifier: string, account: string, mailbox: string): Key =>
  key('w', identifier, account, mailbox)
export const sharedWith = (identifier: string) => between('w', identifier)

/** Everything below a tuple. Strings sort before numbers and above nothing, so the largest key part ends the range. */
function between(...parts: readonly string[]): Pick<Range, 'from' | 'to'> {
  return { from: key(...parts), to: key(...parts, Number.MAX_SAFE_INTEGER) }
}

/** An email's id is that of its content and, after the last dash, the tag of the recipient it came to. */
export const emailId = (base: string, tag: string): string => `${base}-${tag}`
export function readEmailId(id: string): { readonly base: string; readonly tag: string } {
  const dash = id.lastIndexOf('-')
  return { base: id.slice(0, dash), tag: id.slice(dash + 1) }
}
