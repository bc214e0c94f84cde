/**
 * Collects the facts that rules examine.
 *
 * Invariants: linear in what `MessageText` holds of the message; every list is bounded.
 */
import type { Pace } from 'iems'
import { decodeWords, readDate } from 'iems/mime'
import { type HtmlFacts, readHtml } from '../content/html.ts'
import { linksOf } from '../content/links.ts'
import type { MessageText } from '../content/message-text.ts'
import { registeredDomain } from '../dns/names.ts'
import type { Address, Evidence } from './rule.ts'
import { wordingsIn } from './wording.ts'

const MAX_ADDRESSES = 50
const MAX_WORDS = 65_536
const MAX_HOPS = 20

export interface Surroundings {
  /** The server's name, by which it recognizes its own Received fields. */
  readonly hostname: string
  /** Unix ms. */
  readonly now: () => number
}

export async function readEvidence(
  letter: MessageText,
  { hostname, now }: Surroundings,
  pace: Pace,
): Promise<Evidence> {
  const received = hopsOf(letter, hostname)
  const html: HtmlFacts[] = []
  for (const { part, text } of letter.parts) {
    if (text === undefined || part.subtype !== 'html') continue
    html.push(readHtml(text))
    await pace.due()
  }
  const { from = [], replyTo = [], to = [], cc = [] } = letter.structure.envelope ?? {}
  const subject = letter.field('subject')[0] ?? ''
  const words = letter.text.slice(0, MAX_WORDS).toLowerCase().replace(/\s+/g, ' ')
  return {
    letter,
    received,
    receivedAt: receivedAt(received) ?? now(),
    date: readDate(letter.field('date')[0])?.at,
    from: addressesOf(from),
    replyTo: addressesOf(replyTo),
    to: addressesOf([...to, ...cc]),
    subject,
    words,
    wordings: wordingsIn([subject.toLowerCase(), words]),
    html,
    links: linksOf(textOf(letter), html),
  }
}

function textOf({ parts }: MessageText): string {
  return parts.flatMap(({ part, text }) => (text !== undefined && part.subtype !== 'html' ? [text] : [])).join('\n')
}

type Mailboxes = NonNullable<MessageText['structure']['envelope']>['from']

function addressesOf(mailboxes: Mailboxes): Address[] {
  return mailboxes.slice(0, MAX_ADDRESSES).flatMap(({ name = '', mailbox, host }) => {
    if (mailbox === undefined) return []
    const domain = (host ?? '').toLowerCase()
    const address = domain === '' ? '' : `${mailbox}@${domain}`.toLowerCase()
    return [{ name: decodeWords(name), address, domain: registeredDomain(domain) }]
  })
}

/** This server's own fields say nothing about the sender. */
function hopsOf({ fields }: MessageText, hostname: string): string[] {
  const own = `by ${hostname} (IEMS) with`
  return fields
    .all('received')
    .filter((field) => !field.replace(/\s+/g, ' ').includes(own))
    .slice(0, MAX_HOPS)
}

/** RFC 5321 section 4.4: the date follows the last semicolon. */
function receivedAt([last = '']: readonly string[]): number | undefined {
  return readDate(last.slice(last.lastIndexOf(';') + 1))?.at
}
