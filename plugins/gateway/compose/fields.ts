/**
 * Header fields of messages that are made from those of other systems: folded, encoded, and never with a line end of the sender's.
 */
import { encodeWords } from 'iems'

export interface Mailbox {
  readonly name: string
  readonly address: string
}

/** A moment, and the minutes east of UTC that it was shown in. */
export interface Moment {
  /** ms since 1970. */
  readonly at: number
  readonly offset?: number
}

const MAX_LINE = 78
const MAX_TEXT = 4000

/** Text without anything that could end a line or hide. */
const plain = (text: string) =>
  text
    .slice(0, MAX_TEXT)
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .trim()

/** Folds at spaces. */
function folded(name: string, value: string): string {
  const lines: string[] = []
  let line = `${name}:`
  for (const word of value.split(' ')) {
    if (line.length + 1 + word.length > MAX_LINE && line !== `${name}:`) {
      lines.push(line)
      line = ''
    }
    line += ` ${word}`
  }
  return `${[...lines, line].join('\r\n')}\r\n`
}

/** A field of free text; none for an empty one. */
export function textField(name: string, text: string): string {
  const line = plain(text)
  return line === '' ? '' : folded(name, encodeWords(line))
}

/** A field whose value is what it is: message ids, tokens. */
export function rawField(name: string, value: string): string {
  const line = plain(value)
  return line === '' || /[^\x20-\x7e]/.test(line) ? '' : folded(name, line)
}

export function addressField(name: string, mailboxes: readonly Mailbox[]): string {
  return mailboxes.length === 0 ? '' : folded(name, mailboxes.map(written).join(', '))
}

function written({ name, address }: Mailbox): string {
  const shown = plain(name)
  if (shown === '') return `<${address}>`
  if (/[^\x20-\x7e]/.test(shown)) return `${encodeWords(shown)} <${address}>`
  return `"${shown.replace(/["\\]/g, '\\$&')}" <${address}>`
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** RFC 5322 section 3.3. */
export function dateOf({ at, offset = 0 }: Moment): string {
  const local = new Date(at + offset * 60_000)
  const zone = `${offset < 0 ? '-' : '+'}${pair(Math.abs(offset) / 60)}${pair(Math.abs(offset) % 60)}`
  const time = [local.getUTCHours(), local.getUTCMinutes(), local.getUTCSeconds()].map(pair).join(':')
  return `${DAYS[local.getUTCDay()]}, ${local.getUTCDate()} ${MONTHS[local.getUTCMonth()]} ${local.getUTCFullYear()} ${time} ${zone}`
}
const pair = (value: number) => String(Math.floor(value)).padStart(2, '0')

/** A parameter of Content-Type or Content-Disposition (RFC 2231), with its semicolon. */
export function parameter(name: string, value: string): string {
  const line = plain(value)
  if (/^[\x20-\x7e]*$/.test(line) && line.length < 60) return `;\r\n ${name}="${line.replace(/["\\]/g, '\\$&')}"`
  const encoded = encodeURIComponent(line.toWellFormed()).replace(
    /['()*!]/g,
    (char) => `%${char.charCodeAt(0).toString(16)}`,
  )
  if (encoded.length < 60) return `;\r\n ${name}*=utf-8''${encoded}`
  const pieces = encoded.match(/(?:%[0-9A-Fa-f]{2}|[^%]){1,50}/g) ?? []
  return pieces.map((piece, n) => `;\r\n ${name}*${n}*=${n === 0 ? "utf-8''" : ''}${piece}`).join('')
}
