/**
 * An Atom feed (RFC 4287) of the latest posts, and an mbox of a month.
 *
 * Invariants: both show no more of a post than its page: addresses are masked, and the header is reduced to what
 * readers need.
 */
import { readFields } from 'iems/mime'
import type { MailingList } from '../api.ts'
import type { Archive } from '../archive.ts'
import { pageOf, permalinkOf } from '../fields.ts'
import { masked } from './layout.ts'
import { digestOf, subjectOf } from './post-row.ts'

const MAX_FEED = 25
const MAX_LINE = 65_536

// biome-ignore lint/suspicious/noControlCharactersInRegex: XML cannot hold them
const FORBIDDEN = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g
const xml = (text: string) =>
  text
    .toWellFormed()
    .replace(FORBIDDEN, '')
    .replace(/[&<>"]/g, (found) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[found] ?? '')

export async function atomFeed(archive: Archive, list: MailingList, site: string): Promise<string> {
  const entries: string[] = []
  let updated = list.created
  for (const entry of await archive.latest(list, MAX_FEED)) {
    const digest = await digestOf(archive, entry)
    const { author, hash, preview } = digest
    const link = permalinkOf(list, site, hash)
    updated = Math.max(updated, entry.received)
    entries.push(
      `<entry><id>${xml(link)}</id><title>${xml(subjectOf(list, digest))}</title><link href="${xml(link)}"/><updated>${new Date(entry.received).toISOString()}</updated><author><name>${xml(author)}</name></author><summary>${xml(preview)}</summary></entry>`,
    )
  }
  const page = pageOf(list, site)
  return `<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom"><id>${xml(page)}</id><title>${xml(list.settings.description || list.address)}</title><link href="${xml(page)}"/><link rel="self" href="${xml(`${page}/atom`)}"/><updated>${new Date(updated).toISOString()}</updated>${entries.join('')}</feed>\n`
}

const SHOWN = [
  'from',
  'to',
  'cc',
  'subject',
  'date',
  'message-id',
  'in-reply-to',
  'references',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
  'content-disposition',
]
/** Ids look like addresses, and threads need them. */
const UNMASKED = new Set(['message-id', 'in-reply-to', 'references', 'content-type'])

/** Each post behind a From_ line (mboxrd), its lines masked where they are text. */
export async function* mboxOf(archive: Archive, list: MailingList, month: string): AsyncGenerator<Uint8Array> {
  for await (const { email: id, received } of archive.month(list, month)) {
    const email = await archive.email(id)
    const header = await email?.header()
    if (!email || !header) continue
    const kept = readFields(header).list.filter(({ name }) => SHOWN.includes(name))
    const date = new Date(received).toUTCString()
    const lines = kept.map(
      ({ name, value }) => `${titled(name)}: ${UNMASKED.has(name) ? value : masked(value, '...')}\n`,
    )
    yield Buffer.from(`From MAILER-DAEMON ${asctime(date)}\n${lines.join('')}\n`)
    yield* bodyLines(email.open({ start: email.headerSize, end: email.size }))
    yield Buffer.from('\n')
  }
}

const titled = (name: string) => name.replace(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase())

/** `Fri, 02 Jan 2026 10:00:00 GMT` as `Fri Jan  2 10:00:00 2026`. */
function asctime(utc: string): string {
  const [day = '', date = '', month, year, time] = utc.split(' ')
  return `${day.slice(0, 3)} ${month} ${date.replace(/^0/, ' ')} ${time} ${year}`
}

async function* bodyLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const quoted = (line: string) => masked(/^>*From /.test(line) ? `>${line}` : line, '...')
  let rest = ''
  for await (const chunk of source) {
    const lines = (rest + Buffer.from(chunk).toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_LINE) {
      lines.push(rest)
      rest = ''
    }
    yield Buffer.from(lines.map((line) => `${quoted(line.replace(/\r$/, ''))}\n`).join(''), 'latin1')
  }
  if (rest !== '') yield Buffer.from(`${quoted(rest)}\n`, 'latin1')
}
