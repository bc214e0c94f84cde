/**
 * Messages that a list itself writes: notices to members, moderators and authors.
 *
 * Invariants: no remote text breaks out of a field; every notice is marked as automatic (RFC 3834) and has the null
 * reverse-path unless its bounces are wanted, so that two automatic systems never answer each other.
 */
import { randomUUID } from 'node:crypto'
import type { SetupContext } from 'iems'
import type { MailingList } from './api.ts'
import { listIdOf, roleAddress } from './records.ts'

const isAscii = (text: string) => /^[ -~\t]*$/.test(text)
/** Octets of UTF-8 in one encoded word, whose line stays below 78. */
const WORD = 39

/** A field's value in ASCII (RFC 2047); line breaks become spaces. */
export function encodeText(given: string): string {
  const text = given.replace(/[\r\n\0]+/g, ' ').toWellFormed()
  if (isAscii(text) && !text.includes('=?')) return text
  const words: string[] = []
  let word = ''
  for (const char of text) {
    if (Buffer.byteLength(word + char) > WORD) {
      words.push(word)
      word = ''
    }
    word += char
  }
  return [...words, word].map((one) => `=?utf-8?B?${Buffer.from(one).toString('base64')}?=`).join('\r\n ')
}

/** A display name before an address. */
export function mailbox(name: string, address: string): string {
  if (name === '') return address
  const shown = isAscii(name) ? `"${name.replace(/["\\]/g, '\\$&')}"` : encodeText(name)
  return `${shown} <${address}>`
}

export function base64Lines(text: string | Uint8Array): string {
  const all = Buffer.from(text as string).toString('base64')
  return (all.match(/.{1,76}/g) ?? []).join('\r\n')
}

/** A text/plain entity: its fields and body. */
export function textEntity(text: string): string {
  const lines = `${text.toWellFormed().replace(/\r?\n/g, '\r\n').trimEnd()}\r\n`
  const is7Bit = /^[\t\r\n -~]*$/.test(lines) && lines.split('\r\n').every(({ length }) => length < 900)
  const head = `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: ${is7Bit ? '7bit' : 'base64'}\r\n\r\n`
  return head + (is7Bit ? lines : `${base64Lines(lines)}\r\n`)
}

export interface Letter {
  readonly list: MailingList
  readonly to: string
  readonly subject: string
  readonly text: string
  /** Default: the owners' address. */
  readonly from?: string
  readonly replyTo?: string
  /** Receives bounces. Default: none. */
  readonly returnPath?: string
  /** Further fields, each one line without its end. */
  readonly fields?: readonly string[]
  /** The message it is about, attached. */
  readonly attached?: AsyncIterable<Uint8Array>
  /** Idempotency key. */
  readonly once?: string
  readonly inReplyTo?: string | undefined
}

async function* contentOf(
  { list, to, subject, text, attached, ...rest }: Letter,
  now: number,
): AsyncGenerator<Uint8Array> {
  const { address } = list
  const from = rest.from ?? roleAddress(address, 'owner')
  const fields = [
    `From: ${mailbox(list.settings.description, from)}`,
    `To: ${to}`,
    `Subject: ${encodeText(subject)}`,
    `Date: ${new Date(now).toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${randomUUID()}@${address.slice(address.lastIndexOf('@') + 1)}>`,
    ...(rest.replyTo === undefined ? [] : [`Reply-To: ${rest.replyTo}`]),
    ...(rest.inReplyTo === undefined ? [] : [`In-Reply-To: ${rest.inReplyTo}`]),
    `Auto-Submitted: ${rest.inReplyTo === undefined ? 'auto-generated' : 'auto-replied'}`,
    'X-Auto-Response-Suppress: All',
    `List-Id: <${listIdOf(address)}>`,
    ...(rest.fields ?? []),
    'MIME-Version: 1.0',
  ]
  const head = `${fields.join('\r\n')}\r\n`
  if (!attached) {
    yield Buffer.from(head + textEntity(text))
    return
  }
  const boundary = `=_${randomUUID()}`
  yield Buffer.from(
    `${head}Content-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n--${boundary}\r\n${textEntity(text)}\r\n--${boundary}\r\nContent-Type: message/rfc822\r\n\r\n`,
  )
  yield* attached
  yield Buffer.from(`\r\n--${boundary}--\r\n`)
}

/** Sends letters; throws when one cannot be queued now. */
export function createLetters({ submit, clock, log }: Pick<SetupContext, 'submit' | 'clock' | 'log'>) {
  return async function send(letter: Letter): Promise<void> {
    const { to, returnPath = '', once } = letter
    const content = contentOf(letter, clock.now())
    const { reply } = await submit({ from: returnPath, to: [to], content, ...(once === undefined ? {} : { once }) })
    if (reply.code < 400) return
    if (reply.code < 500) throw new Error(`a letter of the list ${letter.list.address} is not taken now: ${reply.text}`)
    log.info('a letter of a list was refused', { list: letter.list.address, to, reply: reply.text })
  }
}
export type SendLetter = ReturnType<typeof createLetters>
