/**
 * What sorting, threading and dates ask of a message's header, read once and kept at hand.
 *
 * What must stay true: an email never changes, so what is kept of it is never stale; what is kept has a bound, and what
 * has not been asked for the longest goes first, half of all at a time.
 */
import type { Email, Entry, Envelope, EnvelopeAddress, MailStoreApi } from '../mailstore/api.ts'
import { decodeWords, envelopeOf, readFields } from '../mailstore/mime/api.ts'
import { collate, sentAt, sentDay } from './comparing.ts'
import { baseSubject, isReply, messageIds } from './subjects.ts'

export interface Digest {
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
  /** Of a message that has gone there is nothing. */
  one(mail: MailStoreApi, entry: Entry): Promise<Digest>
  /** In the order of the entries. */
  of(mail: MailStoreApi, entries: readonly Entry[]): Promise<readonly Digest[]>
}

/** The envelope of a message, without looking further than its header if that can be. */
export async function envelopeFrom(email: Email): Promise<Envelope | undefined> {
  const header = await email.header()
  return header ? envelopeOf(readFields(header)) : (await email.structure()).envelope
}

const NOTHING: Digest = {
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

async function read(email: Email | undefined): Promise<Digest> {
  const header = await email?.header()
  if (!header) return NOTHING
  const fields = readFields(header)
  const { date, subject = '', from, to, cc, inReplyTo, messageId } = envelopeOf(fields)
  const decoded = decodeWords(subject)
  const references = messageIds(fields.get('references'))
  return {
    sent: sentAt(date),
    day: sentDay(date),
    subject: collate(baseSubject(decoded)),
    isReply: isReply(decoded),
    from: collate(from[0]?.mailbox ?? ''),
    to: collate(to[0]?.mailbox ?? ''),
    cc: collate(cc[0]?.mailbox ?? ''),
    displayFrom: display(from[0]),
    displayTo: display(to[0]),
    id: messageIds(messageId)[0],
    references: references.length > 0 ? references : messageIds(inReplyTo).slice(0, 1),
  }
}

/** Octets that one takes, roughly. */
function weightOf({ subject, displayFrom, displayTo, from, to, cc, id = '', references }: Digest): number {
  const texts = [subject, displayFrom, displayTo, from, to, cc, id, ...references]
  return texts.reduce((sum, text) => sum + text.length + 24, 200)
}

/** Messages that are read at a time: more would not be quicker, and others have their turn in between. */
const TOGETHER = 32

export function createDigests(most: number): Digests {
  let young = new Map<string, Digest>()
  let old = new Map<string, Digest>()
  let weight = 0

  function keep(id: string, digest: Digest): void {
    young.set(id, digest)
    weight += weightOf(digest)
    if (weight < most / 2) return
    old = young
    young = new Map()
    weight = 0
  }

  async function one(mail: MailStoreApi, { email }: Entry): Promise<Digest> {
    const known = young.get(email)
    if (known) return known
    const digest = old.get(email) ?? (await read(await mail.email(email)))
    if (digest !== NOTHING) keep(email, digest)
    return digest
  }

  return {
    one,
    async of(mail, entries) {
      const all: Digest[] = []
      for (let start = 0; start < entries.length; start += TOGETHER)
        all.push(...(await Promise.all(entries.slice(start, start + TOGETHER).map((entry) => one(mail, entry)))))
      return all
    },
  }
}
