/**
 * What sorting, threading and dates ask of a message's header, read once and kept at hand.
 *
 * What must stay true: what a UID means never changes, so what is kept of it is never stale; what is kept has a bound,
 * and the mailbox that has not been asked for the longest goes first.
 */

import { decodeWords, envelopeOf, readDate, readFields } from 'iems/mime'
import type { Email, Entry, Envelope, EnvelopeAddress, Mailbox, MailStoreApi } from '../../mailbox/store/api.ts'
import { collate } from './comparing.ts'
import { compact } from './grammar/sets.ts'
import { baseSubject, isReply, messageIds } from './subjects.ts'

export interface MessageSummary {
  readonly received: number
  readonly size: number
  /** Ms since 1970, and the day that is named, whatever the zone. */
  readonly sent: number | undefined
  readonly day: number | undefined
  /** As SORT and THREAD compare it. */
  readonly subject: string
  readonly isReply: boolean
  readonly from: string
  readonly to: string
  readonly cc: string
  readonly displayFrom: string
  readonly displayTo: string
  readonly id: string | undefined
  /** Of References, or else the first of In-Reply-To. */
  readonly references: readonly string[]
}

export interface Digests {
  /** In the order of the UIDs; of a message that has gone there is nothing. */
  of(wanted: Wanted): Promise<readonly MessageSummary[]>
}

export interface Wanted {
  readonly mail: MailStoreApi
  readonly mailbox: Mailbox
  readonly uids: readonly number[]
  readonly signal: AbortSignal
  /** Told now and then how many have been read. */
  looked?(count: number): Promise<void>
}

/** The envelope of a message, without looking further than its header if that can be. */
export async function envelopeFrom(email: Email): Promise<Envelope | undefined> {
  const header = await email.header()
  return header ? envelopeOf(readFields(header)) : (await email.structure()).envelope
}

const NOTHING: MessageSummary = {
  received: 0,
  size: 0,
  sent: undefined,
  day: undefined,
  subject: '',
  isReply: false,
  from: '',
  to: '',
  cc: '',
  displayFrom: '',
  displayTo: '',
  id: undefined,
  references: [],
}

function display(one: EnvelopeAddress | undefined): string {
  return collate(decodeWords(one?.name ?? (one?.mailbox ? `${one.mailbox}@${one.host ?? ''}` : '')))
}

async function read(mail: MailStoreApi, { email, received, size }: Entry): Promise<MessageSummary> {
  const header = await (await mail.email(email))?.header()
  if (!header) return { ...NOTHING, received, size }
  const fields = readFields(header)
  const { date, subject = '', from, to, cc, inReplyTo, messageId } = envelopeOf(fields)
  const decoded = decodeWords(subject)
  const sent = readDate(date)
  const references = messageIds(fields.last('references'))
  const [id] = messageIds(messageId)
  return {
    received,
    size,
    sent: sent?.at,
    day: sent?.day,
    subject: collate(baseSubject(decoded)),
    isReply: isReply(decoded),
    from: collate(from[0]?.mailbox ?? ''),
    to: collate(to[0]?.mailbox ?? ''),
    cc: collate(cc[0]?.mailbox ?? ''),
    displayFrom: display(from[0]),
    displayTo: display(to[0]),
    id,
    references: references.length > 0 ? references.slice(-REFERENCES) : messageIds(inReplyTo).slice(0, 1),
  }
}

/** References of one message that are followed: those next to it. */
const REFERENCES = 100
/** Octets that a mailbox takes, a digest, a reference, and a text beside its characters; roughly. */
const MAILBOX = 500
const DIGEST = 250
const REFERENCE = 8
const TEXT = 80

/** Messages after which others have their turn. */
const TURN = 100

/** What is kept of one mailbox. */
interface Kept {
  readonly digests: Map<number, MessageSummary>
  /** Many messages share a subject, a name, a reference. */
  readonly texts: Map<string, string>
  weight: number
}

export function createDigests(most: number): Digests {
  /** The mailbox that has not been asked for the longest stands first. */
  const all = new Map<string, Kept>()
  let weight = 0

  function keptOf(id: string): Kept {
    const kept = all.get(id) ?? { digests: new Map(), texts: new Map(), weight: MAILBOX }
    if (!all.delete(id)) weight += MAILBOX
    all.set(id, kept)
    return kept
  }

  function drop(id: string): void {
    weight -= all.get(id)?.weight ?? 0
    all.delete(id)
  }

  /** What is kept does not hold the header it was read from. */
  function keep(id: string, uid: number, digest: MessageSummary): MessageSummary {
    const kept = keptOf(id)
    let more = DIGEST + REFERENCE * digest.references.length
    const own = (text: string): string => {
      const known = kept.texts.get(text)
      if (known !== undefined) return known
      // A copy: a part of a string keeps the whole of it, here the header, in memory.
      const copy = Buffer.from(text).toString()
      kept.texts.set(copy, copy)
      more += copy.length + TEXT
      return copy
    }
    const owned: MessageSummary = {
      ...digest,
      subject: own(digest.subject),
      from: own(digest.from),
      to: own(digest.to),
      cc: own(digest.cc),
      displayFrom: own(digest.displayFrom),
      displayTo: own(digest.displayTo),
      id: digest.id === undefined ? undefined : own(digest.id),
      references: digest.references.map(own),
    }
    kept.digests.set(uid, owned)
    kept.weight += more
    weight += more
    trim()
    return owned
  }

  /** The last to go is the mailbox that is asked for: what is kept of messages that it has no more goes with the rest. */
  function trim(): void {
    for (const oldest of all.keys()) {
      if (weight <= most) return
      drop(oldest)
    }
  }

  async function readAll({ mail, mailbox, uids, signal, looked }: Wanted): Promise<Map<number, MessageSummary>> {
    const found = new Map<number, MessageSummary>()
    for await (const entry of mail.entries(mailbox, compact(uids))) {
      found.set(entry.uid, keep(mailbox.id, entry.uid, await read(mail, entry)))
      if (found.size % TURN !== 0) continue
      await new Promise(setImmediate)
      await looked?.(found.size)
      signal.throwIfAborted()
    }
    return found
  }

  return {
    async of(wanted) {
      const { mailbox, uids } = wanted
      const { digests } = keptOf(mailbox.id)
      trim()
      const known = uids.map((uid) => digests.get(uid))
      const missing = uids.filter((_, index) => !known[index])
      if (missing.length === 0) return known as MessageSummary[]
      const found = await readAll({ ...wanted, uids: missing.toSorted((a, b) => a - b) })
      return uids.map((uid, index) => known[index] ?? found.get(uid) ?? NOTHING)
    },
  }
}
