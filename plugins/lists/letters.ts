/**
 * Messages that a list itself writes: notices to members, moderators and authors.
 *
 * Invariants: no remote text breaks out of a field; every notice is marked as automatic (RFC 3834) and has the null
 * reverse-path unless its bounces are wanted, so that two automatic systems never answer each other.
 */
import { randomUUID } from 'node:crypto'
import type { SetupContext } from 'iems'
import { dateText, encodeWords, phrase, textEntity } from 'iems/mime'
import type { MailingList } from './api.ts'
import { listIdOf, roleAddress } from './records.ts'

/** A field's value in ASCII (RFC 2047), folded between encoded words; line breaks become spaces. */
export const encodeText = (given: string): string =>
  encodeWords(given.replace(/[\r\n\0]+/g, ' ')).replaceAll('?= =?', '?=\r\n =?')

/** A display name before an address. */
export const mailbox = (name: string, address: string): string =>
  name === '' ? address : `${phrase(name).replaceAll('?= =?', '?=\r\n =?')} <${address}>`

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
    `Date: ${dateText({ at: now })}`,
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
