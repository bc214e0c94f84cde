/**
 * Messages that this plugin writes: replies, notifications, reports of scripts that fail.
 *
 * Invariant: nothing from a script or a message reaches a header field but as text of one line.
 */
import { encodeWords } from 'iems'

export interface Letter {
  readonly from: string
  readonly to: readonly string[]
  readonly subject: string
  /** Ms since 1970. */
  readonly date: number
  /** With its angle brackets. */
  readonly messageId: string
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly text: string
  /** Whether the text is a MIME entity with its own header. */
  readonly isMime?: boolean
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

function dateText(ms: number): string {
  const date = new Date(ms)
  const day = String(date.getUTCDate()).padStart(2, '0')
  return `${DAYS[date.getUTCDay()]}, ${day} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()} ${date.toISOString().slice(11, 19)} +0000`
}

/** Characters of a subject. */
const MAX_SUBJECT = 500

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are removed
export const oneLine = (text: string) => text.replace(/[\u0000-\u001f\u007f\s]+/g, ' ').trim()

export function writeLetter({ from, to, subject, date, messageId, fields, text, isMime = false }: Letter): string {
  const head = [
    ['From', from],
    ['To', to.join(',\r\n ')],
    ['Subject', encodeWords(oneLine(subject).slice(0, MAX_SUBJECT))],
    ['Date', dateText(date)],
    ['Message-ID', messageId],
    ...fields,
    ['MIME-Version', '1.0'],
  ]
  const lines = head.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return lines + (isMime ? entityOf(text) : plain(text))
}

function plain(text: string): string {
  const lines = Buffer.from(text.replace(/\r\n|\r|\n/g, '\r\n'))
    .toString('base64')
    .replace(/.{1,76}/g, '$&\r\n')
  return `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${lines}`
}

/** Of the entity's header only fields of MIME stay (RFC 5230 section 4.3). */
function entityOf(entity: string): string {
  const text = entity.replace(/\r\n|\r|\n/g, '\r\n')
  const end = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n')
  if (end < 0) return plain(entity)
  const fields = text.slice(0, end).split(/\r\n(?![ \t])/)
  const kept = fields.filter((field) => /^content-[a-z-]+:/i.test(field))
  const body = text.slice(end === 0 ? 2 : end + 4)
  return [...kept, '', body].join('\r\n')
}
