/**
 * Header fields of messages that this server writes.
 *
 * Invariants: every line is ASCII, internationalized addresses aside, and folded at its spaces; no value ends its field, whatever
 * it holds.
 */
import { isAscii } from 'node:buffer'
import { parametersText } from '../rewrite/header-edit.ts'

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

/** Octets of text per encoded word: a line with one has at most 76 characters (RFC 2047 section 2). */
const WORD_OCTETS = 39

/** One line of text as a field's value: ASCII as it is, other text as encoded words (RFC 2047). */
export function encodeWords(text: string): string {
  const line = text.toWellFormed()
  // Text that looks like an encoded word would be decoded by readers.
  if (isAscii(Buffer.from(line)) && !line.includes('=?')) return line
  const words: string[] = []
  let word = ''
  for (const letter of line) {
    if (Buffer.byteLength(word + letter) > WORD_OCTETS) {
      words.push(word)
      word = ''
    }
    word += letter
  }
  return [...words, word].map((part) => `=?utf-8?B?${Buffer.from(part).toString('base64')}?=`).join(' ')
}

/** Folds at spaces. */
function folded(name: string, value: string): string {
  const lines: string[] = []
  let line = `${name}:`
  for (const word of value.split(' ')) {
    if (line.length + 1 + word.length > MAX_LINE && line.trim() !== '' && line !== `${name}:`) {
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
  const shown = phrase(name)
  return shown === '""' ? `<${address}>` : `${shown} <${address}>`
}

/** A display name (RFC 5322 section 3.2.5): a quoted string, or encoded words. */
export function phrase(name: string): string {
  const shown = plain(name)
  return /[^\x20-\x7e]|=\?/.test(shown) ? encodeWords(shown) : `"${shown.replace(/["\\]/g, '\\$&')}"`
}

/** A date-time (RFC 5322 section 3.3). */
export function dateText({ at, offset = 0 }: Moment): string {
  const zone = `${offset < 0 ? '-' : '+'}${pair(Math.abs(offset) / 60)}${pair(Math.abs(offset) % 60)}`
  return new Date(at + offset * 60_000).toUTCString().slice(0, -'GMT'.length) + zone
}
const pair = (value: number) => String(Math.floor(value)).padStart(2, '0')

/** A parameter of Content-Type or Content-Disposition (RFC 2231), with its semicolon. */
export const parameter = (name: string, value: string): string =>
  parametersText({ [name]: plain(value).toWellFormed() })
